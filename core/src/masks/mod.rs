//! The masks of a model: as bits, and how dense they are.

mod bits;
mod statistics;

pub use bits::MaskBits;
pub use statistics::{LayerMasks, MaskStatistics};
