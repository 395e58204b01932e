use std::sync::Arc;

use super::BlockSpec;
use super::graph::Graph;
use super::linear::{Linear, projection};
use super::mismatch::{Matched, Mismatch, require};
use crate::format::blocks;
use crate::sparse::kernel::{Angles, Reach};

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
    /// By what queries and keys are turned, where they are: the halves of a head are the coordinates of its pairs.
    pub(crate) angles: Option<Arc<Angles>>,
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
    let (query, turned) = match graph.is(query, "Concat") {
        true => turned(graph, query).map(|(query, turned)| (query, Some(turned)))?,
        false => (query, None),
    };
    let (query, heads, head_size) = split(graph, query, &blocks::BY_HEAD)?;
    let key = match turned {
        None => split_alike(graph, key, &blocks::KEYS_BY_HEAD, heads, head_size)?,
        Some(own) => {
            let node = graph.node(graph.transposed(key, &blocks::TURNED_KEYS)?, "Concat")?;
            let (key, other) = self::turned(graph, &node.output[0])?;
            require(node, other == own, format!("{own:?}, as the query"), format!("{other:?}"))?;
            split_alike(graph, key, &blocks::BY_HEAD, heads, head_size)?
        }
    };
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
    let angles = match turned {
        None => None,
        Some(Turned { halves, tables }) => {
            let expected = [0, head_size / 2, head_size / 2, head_size];
            let even = halves == expected && head_size.is_multiple_of(2);
            require(softmax, even, format!("halves {expected:?}"), format!("{halves:?}"))?;
            Some(graph.angles(tables, head_size / 2)?)
        }
    };
    let attention =
        AttentionSpec { query, key, value, output, heads, head_size, scale, reach, angles };
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

/// How queries or keys are turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turned<'a> {
    /// Where both coordinates begin and end among a head's channels.
    halves: [usize; 4],
    /// Cosines and sines, a row a position.
    tables: [&'a str; 2],
}

/// `value` as pairs of channels, each turned by the position: what is turned, and how.
fn turned<'a>(graph: &Graph<'a>, value: &str) -> Matched<(&'a str, Turned<'a>)> {
    let node = graph.node(value, "Concat")?;
    let [first, second] = graph.inputs(node)?;
    graph.require_integer(node, "axis", 0, -1)?;
    let [a_cos, b_sin] = graph.apart(first, "Sub")?;
    let [b_cos, a_sin] = graph.apart(second, "Add")?;
    let [a, cos] = graph.apart(a_cos, "Mul")?;
    let [b, sin] = graph.apart(b_sin, "Mul")?;
    for (product, expected) in [(b_cos, [b, cos]), (a_sin, [a, sin])] {
        let node = graph.node(product, "Mul")?;
        let found: [&str; 2] = graph.inputs(node)?;
        require(node, found == expected, format!("{expected:?}"), format!("{found:?}"))?;
    }
    let half = |value: &str| -> Matched<(&'a str, usize, usize)> {
        let node = graph.node(value, "Slice")?;
        let [whole, start, end, axis] = graph.inputs(node)?;
        graph.require_list(node, axis, &[blocks::HEAD_CHANNELS as i64])?;
        Ok((whole, graph.size(start)?, graph.size(end)?))
    };
    let ((whole, start, middle), (other, from, end)) = (half(a)?, half(b)?);
    require(node, whole == other, format!("halves of '{whole}'"), format!("one of '{other}'"))?;
    let mut tables = ["", ""];
    for (table, value) in tables.iter_mut().zip([cos, sin]) {
        let (name, first) = graph.rows_by_position(value)?;
        let node = graph.node(value, "Slice")?;
        require(node, first == 0, "angles from row 0 on", format!("from row {first}"))?;
        *table = name;
    }
    Ok((whole, Turned { halves: [start, middle, from, end], tables }))
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
    let [away, most] = graph.inputs(order)?;
    let (ahead, reach) = match graph.is(away, "Sub") {
        true => {
            graph.require_scalar(order, most, 0.0)?;
            (away, Reach::Causal)
        }
        false => {
            let [ahead] = graph.apart(away, "Abs")?;
            (ahead, Reach::Near(graph.whole(most)?))
        }
    };
    let difference = graph.node(ahead, "Sub")?;
    let [keys, queries] = graph.inputs(difference)?;
    let own = graph.by_list(queries, "Unsqueeze", &[blocks::POSITIONS])?;
    require(difference, own == keys, format!("'{keys}' less itself"), format!("less '{own}'"))?;
    graph.require_position_numbers(keys)?;
    Ok(reach)
}
