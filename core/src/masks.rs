use serde::{Deserialize, Serialize};

/// How dense a model's masks are and how much they share: `sparsecbm.masks` in an exported file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskStatistics {
    /// One entry a masked matrix, in the order of the backbone.
    pub layers: Vec<LayerMasks>,
    /// `[K]`: share of the backbone's masked weights that each concept keeps.
    pub density: Vec<f64>,
    /// `[K][K]`: Jaccard similarity (kept by both / kept by either) over the whole backbone.
    pub overlap: Vec<Vec<f64>>,
}

/// The masks of one matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerMasks {
    /// The linear layer's name in the backbone.
    pub name: String,
    /// Output size of the layer.
    pub rows: usize,
    /// Input size of the layer.
    pub columns: usize,
    /// Height of the blocks in which weights are kept: 1 where unstructured.
    pub block_rows: usize,
    /// `[K]`: share of the weights that each concept keeps.
    pub density: Vec<f64>,
    /// Share of the weights that at least one concept keeps.
    pub used: f64,
}

impl MaskStatistics {
    /// Mean of the overlap over all pairs of different concepts; `None` for a single concept.
    pub fn mean_overlap(&self) -> Option<f64> {
        let k = self.overlap.len();
        let pairs = (k * k.saturating_sub(1)) as f64;
        let off_diagonal =
            (0..k).flat_map(|i| (0..k).filter(move |&j| j != i).map(move |j| (i, j)));
        (k > 1).then(|| off_diagonal.map(|(i, j)| self.overlap[i][j]).sum::<f64>() / pairs)
    }
}
