//! Correcting a model by its masks: bits of a concept's mask that are flipped so that examples get the class
//! they should have. `docs/guide/edits.md` tells how the search goes and what it was found to be worth.

mod deadline;
mod rank;
mod report;
mod search;
mod task;

pub use report::{Edit, EditOutcome, LayerFlips, TextChange};
pub use search::{EditOptions, EditProgress};
pub use task::EditTask;

pub use crate::masks::{LayerPatch, MaskPatch};
