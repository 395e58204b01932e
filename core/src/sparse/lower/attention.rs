use super::BlockSpec;
use super::graph::Graph;
use super::linear::{Linear, linear};
use super::mismatch::{Matched, Mismatch, require};
use crate::format::blocks;
use crate::sparse::kernel::Reach;

/// output(softmax(scale · query keyᵀ + padding) value), head by head.
pub(crate) struct AttentionSpec {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) output: Linear,
    pub(crate) heads: usize,
    pub(crate) head_size: usize,
    /// Above 0.
    pub(crate) scale: f32,
    pub(crate) reach: Reach,
}

/// `joined` as what the heads of self-attention give, which `output` reads; and what the block reads.
pub(super) fn block<'a>(
    graph: &Graph<'a>,
    output: Linear,
    joined: &str,
) -> Matched<(BlockSpec, &'a str)> {
    let join = graph.node(joined, "Reshape")?;
    let [by_head, shape] = graph.inputs(join)?;
    let mixed = graph.transposed(by_head, &blocks::BY_HEAD)?;
    let [attention_weights, value] = graph.apart(mixed, "MatMul")?;
    let softmax = graph.node(attention_weights, "Softmax")?;
    let [biased] = graph.inputs(softmax)?;
    graph.require_integer(softmax, "axis", -1, -1)?;
    let [scores, padding] = graph.apart(biased, "Add")?;
    let [query, key] = graph.apart(scores, "MatMul")?;
    let (query, heads, head_size) = split(graph, query, &blocks::BY_HEAD)?;
    let key = split_alike(graph, key, &blocks::KEYS_BY_HEAD, heads, head_size)?;
    let value = split_alike(graph, value, &blocks::BY_HEAD, heads, head_size)?;
    let Some(joined_shape) = blocks::joined_heads(heads, head_size) else {
        let found = format!("{heads} heads of {head_size}");
        return Err(Mismatch::at_node(&join.name, "heads that can be counted", found));
    };
    graph.require_list(join, shape, &joined_shape)?;
    let scaling = graph.node(query, "Mul")?;
    let [query, factor] = graph.inputs(scaling)?;
    let scale = graph.scalar(factor)?;
    require(scaling, scale > 0.0, "a factor above 0", scale.to_string())?;
    let (query, input) = projection(graph, query)?;
    let (key, key_input) = projection(graph, key)?;
    let (value, value_input) = projection(graph, value)?;
    for (linear, read) in [(&key, key_input), (&value, value_input)] {
        if read != input {
            let expected = format!("'{input}', which the query reads");
            let node = crate::format::nodes::name(&linear.name, "MatMul");
            return Err(Mismatch::at_node(&node, expected, format!("'{read}'")));
        }
    }
    let reach = reach(graph, padding)?;
    let attention = AttentionSpec { query, key, value, output, heads, head_size, scale, reach };
    Ok((BlockSpec::Attention(attention), input))
}

/// `value` as channels split into heads, their axes in `order`: what it reads, heads, their size.
fn split<'a>(graph: &Graph<'a>, value: &str, order: &[i64]) -> Matched<(&'a str, usize, usize)> {
    let node = graph.node(graph.transposed(value, order)?, "Reshape")?;
    let [from, shape] = graph.inputs(node)?;
    let shape = graph.integers(shape)?;
    let sizes = match *shape.as_slice() {
        [0, 0, heads, size] => usize::try_from(heads).ok().zip(usize::try_from(size).ok()),
        _ => None,
    };
    let Some((heads, size)) = sizes else {
        let expected = "shape [0, 0, heads, size]";
        return Err(Mismatch::at_node(&node.name, expected, format!("shape {shape:?}")));
    };
    Ok((from, heads, size))
}

/// As [`split`], into as many heads of that size.
fn split_alike<'a>(
    graph: &Graph<'a>,
    value: &str,
    order: &[i64],
    heads: usize,
    size: usize,
) -> Matched<&'a str> {
    let node = graph.node(graph.transposed(value, order)?, "Reshape")?;
    let [from, shape] = graph.inputs(node)?;
    graph.require_list(node, shape, &blocks::split_heads(heads, size))?;
    Ok(from)
}

/// `value` as a product of its own, or as some outputs of one that is joined with others; and what that reads.
fn projection<'a>(graph: &Graph<'a>, value: &str) -> Matched<(Linear, &'a str)> {
    if !graph.is(value, "Slice") {
        return linear(graph, value);
    }
    let node = graph.node(value, "Slice")?;
    let [joined, start, end, axis] = graph.inputs(node)?;
    graph.require_list(node, axis, &[blocks::PROJECTION_AXIS as i64])?;
    let (all, input) = linear(graph, joined)?;
    let own = all.outputs(graph.size(start)?..graph.size(end)?)?;
    Ok((own, input))
}

/// What `value` leaves of what each token could see; to the scores of that it adds 0.
fn reach(graph: &Graph, value: &str) -> Matched<Reach> {
    // Where all see the same, it gets its axes of heads and queries last.
    let alike = graph.is(value, "Unsqueeze");
    let bias = match alike {
        true => graph.by_list(value, "Unsqueeze", &blocks::HEAD_AND_QUERY_AXES)?,
        false => value,
    };
    let node = graph.node(bias, "Where")?;
    let [seen, zero, fill] = graph.inputs(node)?;
    graph.require_scalar(node, zero, 0.0)?;
    let fill = graph.scalar(fill)?;
    let expected = format!("at most {:e} for what is not seen", blocks::LARGEST_MASK_FILL);
    require(node, fill <= blocks::LARGEST_MASK_FILL, expected, format!("{fill:e}"))?;
    if alike {
        graph.require_attended(seen)?;
        return Ok(Reach::All);
    }
    let [attended, near] = graph.apart(seen, "And")?;
    let attended = graph.by_list(attended, "Unsqueeze", &blocks::HEAD_AND_QUERY_AXES)?;
    graph.require_attended(attended)?;
    let order = graph.node(near, "LessOrEqual")?;
    let [ahead, none] = graph.inputs(order)?;
    graph.require_scalar(order, none, 0.0)?;
    let difference = graph.node(ahead, "Sub")?;
    let [keys, queries] = graph.inputs(difference)?;
    let own = graph.by_list(queries, "Unsqueeze", &[blocks::POSITIONS])?;
    require(difference, own == keys, format!("'{keys}' less itself"), format!("less '{own}'"))?;
    graph.require_position_numbers(keys)?;
    Ok(Reach::Causal)
}
