use std::collections::BTreeMap;

use crate::masks::Mask;

/// A bit of a mask: the index of the matrix, the row of blocks and the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BitIndex {
    pub matrix: usize,
    pub row: usize,
    pub column: usize,
}

/// A bit to prune and one to grow, of blocks of one height: the mask keeps as many weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub bits: [BitIndex; 2],
    /// By how much flipping both lowers the loss, to first order.
    pub gain: f32,
}

/// A bit and by how much flipping it lowers the loss, to first order.
type Gain = (f32, BitIndex);

/// At most `limit` pairs whose flipping lowers the loss, the largest gains first.
///
/// `gradients` is for each matrix `[blocks, columns]`, the loss's by each bit as a number: g · w, summed over
/// the weights of the block. Pruning takes it off, growing adds it.
pub(super) fn rank(masks: &[Mask], gradients: &[Vec<f32>], limit: usize) -> Vec<Pair> {
    // By the height of the blocks: what can be pruned, what can be grown.
    let mut gains: BTreeMap<usize, [Vec<Gain>; 2]> = BTreeMap::new();
    for (matrix, (mask, gradient)) in masks.iter().zip(gradients).enumerate() {
        let mut own: [Vec<Gain>; 2] = Default::default();
        for (index, &slope) in gradient.iter().enumerate() {
            let (row, column) = (index / mask.columns(), index % mask.columns());
            let (kind, gain) = if mask.keeps(row, column) { (0, slope) } else { (1, -slope) };
            if gain > 0.0 {
                own[kind].push((gain, BitIndex { matrix, row, column }));
            }
        }
        let all = gains.entry(mask.block_rows()).or_default();
        for (all, own) in all.iter_mut().zip(own) {
            all.extend(own);
            keep_largest(all, limit);
        }
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for [mut pruned, mut grown] in gains.into_values() {
        pruned.sort_by(|a, b| b.0.total_cmp(&a.0));
        grown.sort_by(|a, b| b.0.total_cmp(&a.0));
        let both = pruned.into_iter().zip(grown);
        pairs.extend(both.map(|((prune, pruned), (grow, grown))| Pair {
            bits: [pruned, grown],
            gain: prune + grow,
        }));
    }
    pairs.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    pairs.truncate(limit);
    pairs
}

fn keep_largest(gains: &mut Vec<Gain>, limit: usize) {
    if gains.len() > limit {
        gains.select_nth_unstable_by(limit, |a, b| b.0.total_cmp(&a.0));
        gains.truncate(limit);
    }
}
