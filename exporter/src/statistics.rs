//! How dense masks are and how much they share, from their bits.

use sparsecbm::{LayerMasks, MaskStatistics};

use crate::backbone::LinearLayer;
use crate::checkpoint::Masks;

/// Counts the bits of all masks.
pub(crate) fn of_masks(layers: &[(LinearLayer, Masks)], concepts: usize) -> MaskStatistics {
    // Of two concepts, how many weights both keep, and how many either does.
    let mut both = vec![vec![0; concepts]; concepts];
    let mut either = vec![vec![0; concepts]; concepts];
    let mut total = 0;
    let mut statistics =
        MaskStatistics { layers: Vec::new(), density: Vec::new(), overlap: Vec::new() };
    for (layer, masks) in layers {
        let size = layer.rows * layer.columns;
        let weights = |bits: usize| bits * masks.block_rows;
        for i in 0..concepts {
            for j in 0..concepts {
                let pairs = || masks.of_concept(i).iter().zip(masks.of_concept(j));
                both[i][j] += weights(ones(pairs().map(|(a, b)| a & b)));
                either[i][j] += weights(ones(pairs().map(|(a, b)| a | b)));
            }
        }
        let mut union = masks.of_concept(0).to_vec();
        for k in 1..concepts {
            union.iter_mut().zip(masks.of_concept(k)).for_each(|(kept, bits)| *kept |= bits);
        }
        let kept = |k| weights(ones(masks.of_concept(k).iter().copied()));
        statistics.layers.push(LayerMasks {
            name: layer.name.clone(),
            rows: layer.rows,
            columns: layer.columns,
            block_rows: masks.block_rows,
            density: (0..concepts).map(|k| share(kept(k), size)).collect(),
            used: share(weights(ones(union.into_iter())), size),
        });
        total += size;
    }
    statistics.density = (0..concepts).map(|k| share(both[k][k], total)).collect();
    statistics.overlap = (0..concepts)
        .map(|i| (0..concepts).map(|j| share(both[i][j], either[i][j])).collect())
        .collect();
    statistics
}

fn ones(bytes: impl Iterator<Item = u8>) -> usize {
    bytes.map(|byte| byte.count_ones() as usize).sum()
}

/// A part of a whole; two empty masks are alike, so 0 of 0 is all.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
