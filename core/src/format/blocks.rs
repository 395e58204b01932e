//! The forms of the blocks: axes, orders, attributes and numbers that the writer writes and the sparse kernels expect.

/// A matrix with its axes exchanged.
pub const TRANSPOSED: [i64; 2] = [1, 0];

/// Attention: `[batch, sequence, heads, size]` as `[batch, heads, sequence, size]`, and back.
pub const BY_HEAD: [i64; 4] = [0, 2, 1, 3];
/// Attention: `[batch, sequence, heads, size]` as `[batch, heads, size, sequence]`: keys as the second factor.
pub const KEYS_BY_HEAD: [i64; 4] = [0, 2, 3, 1];
/// Attention: what [`BY_HEAD`] gives as `[batch, heads, size, sequence]`: keys that were turned by their positions.
pub const TURNED_KEYS: [i64; 4] = [0, 1, 3, 2];
/// Attention: the axis of a head's channels in what [`BY_HEAD`] gives.
pub const HEAD_CHANNELS: usize = 3;
/// Attention: the axes of heads and queries that a bias for all of them gets.
pub const HEAD_AND_QUERY_AXES: [i64; 2] = [1, 2];
/// The axis of a product that several share: queries, keys and values, or the halves of a gated feed-forward block.
pub const PROJECTION_AXIS: usize = 2;
/// Attention: added to the scores of what is not seen. After the softmax nothing is left of them, and no sum overflows.
pub const MASK_FILL: f32 = -1e9;
/// Attention: the largest [`MASK_FILL`] that leaves nothing.
pub const LARGEST_MASK_FILL: f32 = -1e8;
/// A mask's values above it are attended to.
pub const ATTENDED: f32 = 0.5;

/// Feed-forward: the attribute of `Gelu` that says which.
pub const APPROXIMATE: &str = "approximate";
/// Feed-forward: `Gelu` by the error function.
pub const GELU_EXACT: &str = "none";
/// Feed-forward: `Gelu` by the hyperbolic tangent.
pub const GELU_TANH: &str = "tanh";

/// Masks: the axis on which a bit's byte is opened.
pub const BIT_AXIS: i64 = 2;
/// Masks: the attribute of `BitShift` and what it says.
pub const SHIFT: (&str, &str) = ("direction", "RIGHT");

/// Heads: `[batch, sequence, C]` as `[batch, C, sequence]`.
pub const BY_CLASS: [i64; 3] = [0, 2, 1];
/// Heads: the axis of concepts in `token_evidence`.
pub const CONCEPT_AXIS: i64 = 1;
/// Heads: the axis of positions in `token_evidence`.
pub const EVIDENCE_POSITIONS: i64 = 3;
/// The axis of positions in `[batch, sequence, …]`.
pub const POSITIONS: i64 = 1;
/// The axis after those of `[batch, sequence]`.
pub const CHANNELS: i64 = 2;

/// The shape of an unpacked mask's bits: `[blocks, 8 · width]`, with an axis for the rows of a block where it has
/// several.
pub fn unpacked_mask(blocks: usize, block_rows: usize, width: usize) -> Vec<i64> {
    let (blocks, columns) = (blocks as i64, 8 * width as i64);
    match block_rows {
        1 => vec![blocks, columns],
        _ => vec![blocks, 1, columns],
    }
}

/// The shape of a weight whose masks have blocks of several rows.
pub fn blocked_weight(rows: usize, columns: usize, block_rows: usize) -> [i64; 3] {
    [(rows / block_rows) as i64, block_rows as i64, columns as i64]
}

/// The shape that divides channels by heads; batch and sequence stay.
pub fn split_heads(heads: usize, size: usize) -> [i64; 4] {
    [0, 0, heads as i64, size as i64]
}

/// The shape that joins heads again.
pub fn joined_heads(heads: usize, size: usize) -> Option<[i64; 3]> {
    Some([0, 0, i64::try_from(heads.checked_mul(size)?).ok()?])
}
