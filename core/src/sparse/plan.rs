use serde::Serialize;

use super::cost::PackLayout;

/// How one product of a model is run, and what it is estimated to cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedProduct {
    /// The concept and the linear layer; several of one input are named together.
    pub name: String,
    /// How the weights are grouped.
    pub layout: PackLayout,
    /// Outputs that are computed: those that a mask kills are left out.
    pub rows: usize,
    /// Inputs that are read.
    pub columns: usize,
    /// Weights that count: kept and not 0.
    pub weights: usize,
    /// Weights that are multiplied: those, and the zeros that the layout fills groups up with.
    pub multiplied: usize,
    /// Bytes of the packed weights, indices and bias.
    pub bytes: usize,
    /// Estimated time for [`TOKENS`](super::TOKENS) tokens, in microseconds.
    pub microseconds: f64,
    /// The same if every weight were multiplied.
    pub dense_microseconds: f64,
}
