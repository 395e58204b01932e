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
    /// Whether a token attends to none that comes after it.
    pub(crate) causal: bool,
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
    let same = [key.1, value.1] == [heads; 2] && [key.2, value.2] == [head_size; 2];
    let (query, input) = projection(graph, query)?;
    let (key, key_input) = projection(graph, key.0)?;
    let (value, value_input) = projection(graph, value.0)?;
    let causal = causal(graph, padding)?;
    let as_written = graph.integer(softmax, "axis", -1) == -1
        && joined_shape == [0, 0, heads.checked_mul(head_size)? as i64]
        && [key_input, value_input] == [input, input]
        && same;
    let attention = Attention { query, key, value, output, heads, head_size, scale, causal };
    as_written.then_some((Block::Attention(attention), input))
}

/// `value` as channels split into heads and turned by `order`: what it reads, heads, their size.
fn split<'a>(graph: &Graph<'a>, value: &str, order: &[i64]) -> Option<(&'a str, usize, usize)> {
    let [from, shape] = graph.apart(graph.transposed(value, order)?, "Reshape")?;
    let [0, 0, heads, size] = *graph.integers(shape)?.as_slice() else { return None };
    Some((from, usize::try_from(heads).ok()?, usize::try_from(size).ok()?))
}

/// `value` as a product of its own, or as some outputs of one that is joined with others; and what that reads.
fn projection<'a>(graph: &Graph<'a>, value: &'a str) -> Option<(Linear, &'a str)> {
    let Some([joined, start, end, axis]) = graph.apart(value, "Slice") else {
        return linear(graph, value);
    };
    let bound = |name: &str| match *graph.integers(name)?.as_slice() {
        [bound] => usize::try_from(bound).ok(),
        _ => None,
    };
    let (all, input) = linear(graph, joined)?;
    let own = all.outputs(bound(start)?..bound(end)?)?;
    (graph.integers(axis)? == [2]).then_some((own, input))
}

/// Whether `value` hides from each token what comes after it, and not only padding; `None` where it is anything but 0 for what
/// is seen.
fn causal(graph: &Graph, value: &str) -> Option<bool> {
    // Where all see the same, it gets its axes of heads and queries last.
    let every = graph.by_list(value, "Unsqueeze", &[1, 2]);
    let [seen, zero, hidden] = graph.apart(every.unwrap_or(value), "Where")?;
    (graph.scalar(zero)? == 0.0 && graph.scalar(hidden)? <= HIDDEN).then_some(())?;
    if every.is_some() {
        return graph.is_attended(seen).then_some(false);
    }
    let [attended, near] = graph.apart(seen, "And")?;
    let attended = graph.by_list(attended, "Unsqueeze", &[1, 2])?;
    let [ahead, none] = graph.apart(near, "LessOrEqual")?;
    let [keys, queries] = graph.apart(ahead, "Sub")?;
    let as_written = graph.is_attended(attended)
        && graph.scalar(none)? == 0.0
        && graph.by_list(queries, "Unsqueeze", &[1])? == keys
        && graph.is_place(keys);
    as_written.then_some(true)
}
