use super::Block;
use super::graph::Graph;
use super::linear::{Linear, linear};

/// output(softmax(scale · query keyᵀ + padding) value), head by head.
pub(crate) struct Attention {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) output: Linear,
    pub(crate) heads: usize,
    pub(crate) head_size: usize,
    /// Above 0.
    pub(crate) scale: f32,
}

/// What padding adds to scores must leave nothing of them after the softmax.
const HIDDEN: f32 = -1e8;

/// `value` as self-attention, and what it reads.
pub(super) fn block<'a>(graph: &Graph<'a>, value: &'a str) -> Option<(Block, &'a str)> {
    let (output, joined) = linear(graph, value)?;
    let [turned, shape] = graph.apart(joined, "Reshape")?;
    let joined_shape = graph.integers(shape)?;
    let mixed = graph.transposed(turned, &[0, 2, 1, 3])?;
    let [shares, value] = graph.apart(mixed, "MatMul")?;
    let softmax = graph.node(shares, "Softmax")?;
    let [biased] = graph.inputs(softmax)?;
    let [scores, padding] = graph.apart(biased, "Add")?;
    let [query, key] = graph.apart(scores, "MatMul")?;
    let (query, heads, head_size) = split(graph, query, &[0, 2, 1, 3])?;
    let [query, scale] = graph.apart(query, "Mul")?;
    let scale = graph.scalar(scale).filter(|&scale| scale > 0.0)?;
    let key = split(graph, key, &[0, 2, 3, 1])?;
    let value = split(graph, value, &[0, 2, 1, 3])?;
    let (query, input) = linear(graph, query)?;
    let (key, key_input) = linear(graph, key.0).filter(|_| (key.1, key.2) == (heads, head_size))?;
    let (value, value_input) =
        linear(graph, value.0).filter(|_| (value.1, value.2) == (heads, head_size))?;
    let as_written = graph.integer(softmax, "axis", -1) == -1
        && joined_shape == [0, 0, (heads * head_size) as i64]
        && [key_input, value_input] == [input, input]
        && hides_padding(graph, padding);
    let attention = Attention { query, key, value, output, heads, head_size, scale };
    as_written.then_some((Block::Attention(attention), input))
}

/// `value` as channels split into heads and turned by `order`: what it reads, heads, their size.
fn split<'a>(graph: &Graph<'a>, value: &str, order: &[i64]) -> Option<(&'a str, usize, usize)> {
    let [from, shape] = graph.apart(graph.transposed(value, order)?, "Reshape")?;
    let [0, 0, heads, size] = *graph.integers(shape)?.as_slice() else { return None };
    Some((from, usize::try_from(heads).ok()?, usize::try_from(size).ok()?))
}

/// Whether `value` is 0 for tokens and hides padding, broadcast over heads and queries.
fn hides_padding(graph: &Graph, value: &str) -> bool {
    let found = || {
        let bias = graph.by_list(value, "Unsqueeze", &[1, 2])?;
        let [attended, zero, hidden] = graph.apart(bias, "Where")?;
        let constants = graph.scalar(zero)? == 0.0 && graph.scalar(hidden)? <= HIDDEN;
        Some(constants && graph.is_attended(attended))
    };
    found() == Some(true)
}
