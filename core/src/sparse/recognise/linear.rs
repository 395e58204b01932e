use std::ops::Range;

use super::graph::Graph;
use crate::masks::Mask;
use crate::onnx::{DataType, TensorProto};
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
    pub(super) fn outputs(self, rows: Range<usize>) -> Option<Linear> {
        let Linear { name, weight, bias } = self;
        let bias = bias.get(rows.clone())?.to_vec();
        Some(Linear { name, weight: weight.cut(rows)?, bias })
    }

    pub(super) fn is(&self, rows: usize, columns: usize) -> bool {
        self.weight.rows == rows && self.weight.columns == columns && self.bias.len() == rows
    }
}

/// `value` as a product with a constant, and what it reads.
pub(super) fn linear<'a>(graph: &Graph<'a>, value: &'a str) -> Option<(Linear, &'a str)> {
    let [product, bias] = graph.apart(value, "Add")?;
    let (linear, input) = unbiased(graph, product)?;
    Some((Linear { bias: graph.vector(bias)?, ..linear }, input))
}

/// The same without a bias, which is 0 then.
pub(super) fn unbiased<'a>(graph: &Graph<'a>, value: &str) -> Option<(Linear, &'a str)> {
    let node = graph.node(value, "MatMul")?;
    let [input, transposed] = graph.inputs(node)?;
    let weight = masked(graph, graph.transposed(transposed, &[1, 0])?)?;
    let name = node.name.strip_suffix("/MatMul").unwrap_or(&node.name).into();
    let sound = weight.is_sound() && weight.columns <= usize::from(u16::MAX);
    sound.then(|| (Linear { name, bias: vec![0.0; weight.rows], weight }, input))
}

/// `value` as a weight, with or without a mask.
fn masked(graph: &Graph, value: &str) -> Option<Masked> {
    if let Some((weights, [rows, columns])) = stored(graph, value) {
        return Some(Masked { rows, columns, weights, mask: None });
    }
    let flat = graph.apart::<2>(value, "Reshape");
    let [weight, mask] = graph.apart(flat.map_or(value, |[product, _]| product), "Mul")?;
    let bits = bits(graph, mask)?;
    let Some([_, shape]) = flat else {
        let (weights, [rows, columns]) = stored(graph, weight)?;
        return bits.of(rows, columns, 1, weights);
    };
    let [blocked, block_shape] = graph.apart(weight, "Reshape")?;
    let (weights, [rows, columns]) = stored(graph, blocked)?;
    let block_shape = graph.integers(block_shape)?;
    let [_, block_rows, _] = *block_shape.as_slice() else { return None };
    let block_rows = usize::try_from(block_rows).ok().filter(|&size| size > 0)?;
    let blocks = [(rows / block_rows) as i64, block_rows as i64, columns as i64];
    let restored = [rows as i64, columns as i64];
    (block_shape == blocks && graph.integers(shape)? == restored).then_some(())?;
    bits.of(rows, columns, block_rows, weights)
}

/// A matrix that the file stores in one of the weight forms, and its shape.
pub(super) fn stored(graph: &Graph, value: &str) -> Option<(Weights, [usize; 2])> {
    if let Some(tensor) = graph.constant(value) {
        return weights(graph, tensor, DataType::Float)
            .map(|(b, shape)| (Weights::Single(b), shape));
    }
    if let Some(from) = graph.cast(value) {
        let (halves, shape) = weights(graph, graph.constant(from)?, DataType::Float16)?;
        return Some((Weights::Half(halves), shape));
    }
    let [whole, scales] = graph.apart(value, "Mul")?;
    let stored = graph.constant(graph.cast(whole)?)?;
    let (values, [rows, columns]) = weights(graph, stored, DataType::Int8)?;
    let (tensor, scales) = graph.floats(scales)?;
    (graph.shape(tensor)? == [rows, 1])
        .then_some((Weights::Int8 { values, scales }, [rows, columns]))
}

fn weights(
    graph: &Graph,
    tensor: &TensorProto,
    kind: DataType,
) -> Option<(bytes::Bytes, [usize; 2])> {
    let shape = graph.shape(tensor)?;
    (tensor.data_type == kind as i32).then(|| (tensor.raw_data.clone(), shape))
}

/// The bits of one mask, unpacked by the graph into rows of `columns` zeros and ones.
struct MaskBits {
    bits: bytes::Bytes,
    rows: usize,
    width: usize,
    /// The shape to which the bits are unpacked.
    shape: Vec<i64>,
    /// Where unpacked rows are cut: the axis and how much is left.
    cut: Option<(i64, i64)>,
}

/// `value` as an unpacked mask.
fn bits(graph: &Graph, value: &str) -> Option<MaskBits> {
    let mut unpacked = graph.cast(value)?;
    let mut cut = None;
    if let Some([from, start, end, axis]) = graph.apart(unpacked, "Slice") {
        let [axis] = *graph.integers(axis)?.as_slice() else { return None };
        let [end] = *graph.integers(end)?.as_slice() else { return None };
        (graph.integers(start)? == [0]).then_some(())?;
        (cut, unpacked) = (Some((axis, end)), from);
    }
    let [single, shape] = graph.apart(unpacked, "Reshape")?;
    let [shifted, lowest] = graph.apart(single, "BitwiseAnd")?;
    let shift = graph.node(shifted, "BitShift")?;
    let [column, positions] = graph.inputs(shift)?;
    let own = graph.by_list(column, "Unsqueeze", &[2])?;
    let gather = graph.node(own, "Gather")?;
    let [all, index] = graph.inputs(gather)?;
    let as_written = graph.text(shift, "direction", "") == "RIGHT"
        && graph.integer(gather, "axis", 0) == 0
        && graph.is_bytes(positions, &[0, 1, 2, 3, 4, 5, 6, 7])
        && graph.is_bytes(lowest, &[1]);
    let tensor = graph.constant(all).filter(|tensor| tensor.data_type == DataType::Uint8 as i32)?;
    let [count, rows, width] = graph.shape(tensor)?;
    let index = graph.index(index).filter(|&index| index < count)?;
    let size = rows * width;
    let whole = tensor.raw_data.len() == count * size;
    let shape = graph.integers(shape)?;
    (as_written && whole).then(|| MaskBits {
        bits: tensor.raw_data.slice(index * size..(index + 1) * size),
        rows,
        width,
        shape,
        cut,
    })
}

impl MaskBits {
    /// The mask over a weight of `rows` by `columns`, if it fits.
    fn of(
        self,
        rows: usize,
        columns: usize,
        block_rows: usize,
        weights: Weights,
    ) -> Option<Masked> {
        // An empty matrix may claim any width.
        let narrow = columns <= usize::from(u16::MAX) && self.width == columns.div_ceil(8);
        narrow.then_some(())?;
        let (blocks, unpacked) = (rows as i64 / block_rows as i64, 8 * self.width as i64);
        let shape = match block_rows {
            1 => vec![blocks, unpacked],
            _ => vec![blocks, 1, unpacked],
        };
        let cut = (unpacked > columns as i64).then(|| (shape.len() as i64 - 1, columns as i64));
        let fits = self.rows.checked_mul(block_rows) == Some(rows)
            && self.shape == shape
            && self.cut == cut;
        let mask = Mask::new("", rows, columns, block_rows, self.bits)?;
        fits.then_some(Masked { rows, columns, weights, mask: Some(mask) })
    }
}
