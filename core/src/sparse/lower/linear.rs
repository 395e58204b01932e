use std::ops::Range;

use super::graph::Graph;
use super::mismatch::{Matched, Mismatch, require};
use crate::format::{blocks, nodes, tensors};
use crate::masks::Mask;
use crate::onnx::DataType;
use crate::sparse::masked::{Masked, Weights};

/// x · weightᵀ + bias
pub(crate) struct Linear {
    /// What the file calls it: branch and layer.
    pub(crate) name: String,
    pub(crate) weight: Masked,
    pub(crate) bias: Vec<f32>,
}

impl Linear {
    /// Some of its outputs, where the mask's blocks can be cut there.
    pub(super) fn outputs(self, rows: Range<usize>) -> Matched<Linear> {
        let Linear { name, weight, bias } = self;
        let cut = bias.get(rows.clone()).map(<[f32]>::to_vec).zip(weight.cut(rows.clone()));
        let Some((bias, weight)) = cut else {
            let expected = format!("whole blocks of {} rows", weight.rows);
            return Err(mismatch(&name, expected, format!("rows {rows:?}")));
        };
        Ok(Linear { name, weight, bias })
    }

    /// Goes on where it is of this shape.
    pub(super) fn require(&self, rows: usize, columns: usize) -> Matched<()> {
        let found = (self.weight.rows, self.weight.columns, self.bias.len());
        match found == (rows, columns, rows) {
            true => Ok(()),
            false => {
                let found = format!("{} by {}, a bias of {}", found.0, found.1, found.2);
                Err(mismatch(&self.name, format!("a weight of {rows} by {columns}"), found))
            }
        }
    }
}

fn mismatch(linear: &str, expected: String, found: String) -> Mismatch {
    Mismatch::at_node(&nodes::name(linear, "MatMul"), expected, found)
}

/// Whether `value` is what a product with a bias gives.
pub(super) fn is_biased(graph: &Graph, value: &str) -> bool {
    graph.apart::<2>(value, "Add").is_ok_and(|[_, bias]| graph.is_constant(bias))
}

/// `value` as a product with a constant, and what it reads.
pub(super) fn linear<'a>(graph: &Graph<'a>, value: &str) -> Matched<(Linear, &'a str)> {
    if graph.is(value, "MatMul") {
        return unbiased(graph, value);
    }
    let [product, bias] = graph.apart(value, "Add")?;
    let (linear, input) = unbiased(graph, product)?;
    Ok((Linear { bias: graph.vector(bias)?, ..linear }, input))
}

/// `value` as a product of its own, or as some outputs of one that is joined with others; and what that reads.
pub(super) fn projection<'a>(graph: &Graph<'a>, value: &str) -> Matched<(Linear, &'a str)> {
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

/// The same as [`linear`] without a bias, which is 0 then.
pub(super) fn unbiased<'a>(graph: &Graph<'a>, value: &str) -> Matched<(Linear, &'a str)> {
    let node = graph.node(value, "MatMul")?;
    let [input, transposed] = graph.inputs(node)?;
    let weight = masked(graph, graph.transposed(transposed, &blocks::TRANSPOSED)?)?;
    let narrow = weight.columns <= usize::from(u16::MAX);
    let expected = format!("at most {} columns", u16::MAX);
    require(node, narrow, expected, format!("{} columns", weight.columns))?;
    let expected = "weights, as many as the shape says";
    require(node, weight.has_its_size(), expected, "others")?;
    let name = nodes::part(&node.name, "MatMul").into();
    Ok((Linear { name, bias: vec![0.0; weight.rows], weight }, input))
}

/// `value` as a weight, with or without a mask.
fn masked(graph: &Graph, value: &str) -> Matched<Masked> {
    if graph.is(value, "Reshape") {
        return masked_in_blocks(graph, value);
    }
    if let Ok([weight, mask]) = graph.apart::<2>(value, "Mul") {
        // Factors of whole numbers are constants, masks are unpacked.
        if !graph.is_constant(mask) {
            let (weights, [rows, columns]) = stored(graph, weight)?;
            let mask = Some(unpacked(graph, mask, rows, columns, 1)?);
            return Ok(Masked { rows, columns, weights, mask });
        }
    }
    let (weights, [rows, columns]) = stored(graph, value)?;
    Ok(Masked { rows, columns, weights, mask: None })
}

/// `value` as a weight under a mask whose blocks have several rows.
fn masked_in_blocks(graph: &Graph, value: &str) -> Matched<Masked> {
    let flat = graph.node(value, "Reshape")?;
    let [product, shape] = graph.inputs(flat)?;
    let [weight, mask] = graph.apart(product, "Mul")?;
    let blocked = graph.node(weight, "Reshape")?;
    let [whole, block_shape] = graph.inputs(blocked)?;
    let (weights, [rows, columns]) = stored(graph, whole)?;
    let block_shape = graph.integers(block_shape)?;
    let block_rows = match *block_shape.as_slice() {
        [_, block_rows, _] => usize::try_from(block_rows).ok().filter(|&size| size > 0),
        _ => None,
    };
    let found = || format!("shape {block_shape:?}");
    let Some(block_rows) = block_rows else {
        return Err(Mismatch::at_node(&blocked.name, "a shape in blocks", found()));
    };
    let expected = blocks::blocked_weight(rows, columns, block_rows);
    require(blocked, block_shape == expected, format!("shape {expected:?}"), found())?;
    graph.require_list(flat, shape, &[rows as i64, columns as i64])?;
    let mask = Some(unpacked(graph, mask, rows, columns, block_rows)?);
    Ok(Masked { rows, columns, weights, mask })
}

/// A matrix that the file stores in one of the weight forms, and its shape.
pub(super) fn stored(graph: &Graph, value: &str) -> Matched<(Weights, [usize; 2])> {
    if graph.is_constant(value) {
        let (tensor, shape) = graph.typed(value, DataType::Float)?;
        return Ok((Weights::Single(tensor.raw_data.clone()), shape));
    }
    if graph.is(value, "Cast") {
        let (tensor, shape) = graph.typed(graph.cast(value)?, DataType::Float16)?;
        return Ok((Weights::Half(tensor.raw_data.clone()), shape));
    }
    if !graph.is(value, "Mul") {
        return Err(graph.other(value, "Cast or Mul of a stored weight"));
    }
    let [whole, scales] = graph.apart(value, "Mul")?;
    let (tensor, [rows, columns]) = graph.typed(graph.cast(whole)?, DataType::Int8)?;
    let values = tensor.raw_data.clone();
    let (tensor, scales) = graph.floats(scales)?;
    graph.require_shape(tensor, [rows, 1])?;
    Ok((Weights::Int8 { values, scales }, [rows, columns]))
}

/// `value` as a mask over a weight of `rows` by `columns`, which the graph unpacks from its bits.
fn unpacked(
    graph: &Graph,
    value: &str,
    rows: usize,
    columns: usize,
    block_rows: usize,
) -> Matched<Mask> {
    let mut unpacked = graph.cast(value)?;
    let width = columns.div_ceil(8);
    let expected = blocks::unpacked_mask(rows / block_rows, block_rows, width);
    if 8 * width > columns {
        let slice = graph.node(unpacked, "Slice")?;
        let [from, start, end, axis] = graph.inputs(slice)?;
        graph.require_list(slice, start, &[0])?;
        graph.require_list(slice, end, &[columns as i64])?;
        graph.require_list(slice, axis, &[expected.len() as i64 - 1])?;
        unpacked = from;
    }
    let reshape = graph.node(unpacked, "Reshape")?;
    let [single, shape] = graph.inputs(reshape)?;
    graph.require_list(reshape, shape, &expected)?;
    let [shifted, lowest] = graph.apart(single, "BitwiseAnd")?;
    graph.require_bytes(lowest, &[1])?;
    let shift = graph.node(shifted, "BitShift")?;
    let [column, positions] = graph.inputs(shift)?;
    graph.require_bytes(positions, &[0, 1, 2, 3, 4, 5, 6, 7])?;
    let (attribute, direction) = blocks::SHIFT;
    let found = graph.text(shift, attribute, "");
    let named = |direction: &str| format!("{attribute} {direction}");
    require(shift, found == direction, named(direction), named(found))?;
    let own = graph.by_list(column, "Unsqueeze", &[blocks::BIT_AXIS])?;
    let gather = graph.node(own, "Gather")?;
    let [all, index] = graph.inputs(gather)?;
    graph.require_integer(gather, "axis", 0, 0)?;
    let (tensor, shape @ [count, found_blocks, found_width]) = graph.typed(all, DataType::Uint8)?;
    let index = graph.index(index)?;
    require(gather, index < count, format!("a mask below {count}"), index.to_string())?;
    let size = found_blocks.checked_mul(found_width).unwrap_or(0);
    let whole = size.checked_mul(count) == Some(tensor.raw_data.len());
    let mask = (whole && found_width == width).then(|| {
        let bits = tensor.raw_data.slice(index * size..(index + 1) * size);
        Mask::new(tensors::masked_layer(all).unwrap_or(all), rows, columns, block_rows, bits)
    });
    mask.flatten().ok_or_else(|| {
        let expected = format!("{count} masks of {rows} by {columns} in blocks of {block_rows}");
        Mismatch::at_constant(all, expected, format!("shape {shape:?}"))
    })
}
