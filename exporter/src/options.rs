//! How a checkpoint is to be exported.

use crate::layout::Layout;
use crate::weights::{MaskForm, WeightForm};

/// How a checkpoint is to be exported.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// How weights are stored.
    pub weights: WeightForm,
    /// How masks are stored.
    pub masks: MaskForm,
    /// How the graph runs the backbone under each mask.
    pub layout: Layout,
    /// Whether the file is run and compared with the checkpoint.
    pub check: bool,
    /// The largest absolute difference that the check allows in any output. The check gives both sides
    /// the weights as the file stores them, so it is the same for every weight form; what rounding
    /// the weights changes is measured and reported apart from it.
    pub atol: f32,
}

impl Default for ExportOptions {
    /// `f16`, `packed`, `branches`, checked to 1e-4.
    fn default() -> ExportOptions {
        let (weights, masks) = (WeightForm::default(), MaskForm::default());
        ExportOptions { weights, masks, layout: Layout::default(), check: true, atol: 1e-4 }
    }
}
