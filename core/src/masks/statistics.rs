use serde::{Deserialize, Serialize};

use super::{Mask, MaskSet};
use crate::error::Result;

/// How dense a model's masks are and how much they share: `sparsecbm.masks` in an exported file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
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
#[non_exhaustive]
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
    /// Counts the bits of all matrices of a backbone under `concepts` masks, one matrix after the other, so
    /// that they need not be in memory together.
    ///
    /// # Errors
    /// That of a matrix which could not be read.
    pub fn count(
        matrices: impl IntoIterator<Item = Result<MaskSet>>,
        concepts: usize,
    ) -> Result<MaskStatistics> {
        // Of two concepts, how many weights both keep, and how many either does.
        let mut both = vec![vec![0; concepts]; concepts];
        let mut either = vec![vec![0; concepts]; concepts];
        let mut total = 0;
        let mut layers = Vec::new();
        for matrix in matrices {
            let matrix = matrix?;
            let size = matrix.rows() * matrix.columns();
            let masks: Vec<Mask> = (0..concepts).map(|k| matrix.mask(k)).collect();
            for (i, a) in masks.iter().enumerate() {
                for (j, b) in masks.iter().enumerate() {
                    both[i][j] += a.and(b).kept_weights();
                    either[i][j] += a.or(b).kept_weights();
                }
            }
            let union = masks.iter().fold(masks[0].clone(), |union, mask| union.or(mask));
            layers.push(LayerMasks {
                name: matrix.layer().into(),
                rows: matrix.rows(),
                columns: matrix.columns(),
                block_rows: matrix.block_rows(),
                density: masks.iter().map(|mask| fraction(mask.kept_weights(), size)).collect(),
                used: fraction(union.kept_weights(), size),
            });
            total += size;
        }
        let overlap =
            |i: usize| (0..concepts).map(|j| fraction(both[i][j], either[i][j])).collect();
        Ok(MaskStatistics {
            layers,
            density: (0..concepts).map(|k| fraction(both[k][k], total)).collect(),
            overlap: (0..concepts).map(overlap).collect(),
        })
    }

    /// Mean of the overlap over all pairs of different concepts; `None` for a single concept.
    pub fn mean_overlap(&self) -> Option<f64> {
        let k = self.overlap.len();
        let pairs = (k * k.saturating_sub(1)) as f64;
        let off_diagonal =
            (0..k).flat_map(|i| (0..k).filter(move |&j| j != i).map(move |j| (i, j)));
        (k > 1).then(|| off_diagonal.map(|(i, j)| self.overlap[i][j]).sum::<f64>() / pairs)
    }
}

/// A part of a whole; two empty masks are alike, so 0 of 0 is all.
pub(crate) fn fraction(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
