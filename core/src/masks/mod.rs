//! The masks of a model: which weights each concept keeps, how a file holds that, how dense it is, and what changes it.

mod mask;
mod patch;
mod set;
mod statistics;
mod stored;

pub use mask::Mask;
pub(crate) use mask::set_bits;
pub(crate) use patch::apply;
pub use patch::{LayerPatch, MaskPatch};
pub use set::MaskSet;
pub(crate) use statistics::fraction;
pub use statistics::{LayerMasks, MaskStatistics};
pub(crate) use stored::StoredMasks;
