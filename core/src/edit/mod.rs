//! Correcting a model by its masks: `docs/edits.md`.

mod patch;

pub(crate) use patch::apply;
pub use patch::{LayerPatch, MaskPatch};
