use std::collections::HashMap;

use sparsecbm::onnx::{AttributeProto, DataType, DimensionValue, GraphProto, NodeProto};

/// One dimension of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dim {
    Size(usize),
    /// A size that is known when the graph runs: equal names are equal sizes.
    Named(String),
    /// A size of which not even that is known.
    Unknown,
}

/// The shapes of a graph's values, as far as they follow from inputs, constants and operators.
pub(super) struct Shapes {
    dims: HashMap<String, Vec<Dim>>,
    /// Constants that are lists of integers: axes, shapes.
    integers: HashMap<String, Vec<i64>>,
}

impl Shapes {
    pub(super) fn of(graph: &GraphProto) -> Shapes {
        let mut shapes = Shapes { dims: HashMap::new(), integers: HashMap::new() };
        for tensor in &graph.initializer {
            let size = |&size: &i64| usize::try_from(size).map_or(Dim::Unknown, Dim::Size);
            shapes.dims.insert(tensor.name.clone(), tensor.dims.iter().map(size).collect());
            if tensor.data_type == DataType::Int64 as i32 {
                let values = tensor.raw_data.as_chunks().0.iter().copied().map(i64::from_le_bytes);
                shapes.integers.insert(tensor.name.clone(), values.collect());
            }
        }
        for input in &graph.input {
            let shape = input.r#type.iter().flat_map(|kind| &kind.tensor_type);
            let dims = shape.flat_map(|kind| &kind.shape).flat_map(|shape| &shape.dim);
            let dims = dims.map(|dim| match &dim.value {
                Some(DimensionValue::DimValue(size)) => {
                    usize::try_from(*size).map_or(Dim::Unknown, Dim::Size)
                }
                Some(DimensionValue::DimParam(name)) => Dim::Named(name.clone()),
                None => Dim::Unknown,
            });
            shapes.dims.insert(input.name.clone(), dims.collect());
        }
        for node in &graph.node {
            if let (Some(output), Some(dims)) = (node.output.first(), shapes.inferred(node)) {
                shapes.dims.insert(output.clone(), dims);
            }
        }
        shapes
    }

    /// The shape of a value, where it is known at all.
    pub(super) fn get(&self, value: &str) -> Option<&[Dim]> {
        self.dims.get(value).map(Vec::as_slice)
    }

    /// The integers of a constant.
    pub(super) fn integers(&self, value: &str) -> Option<&[i64]> {
        self.integers.get(value).map(Vec::as_slice)
    }

    fn inferred(&self, node: &NodeProto) -> Option<Vec<Dim>> {
        let shape = |index: usize| self.get(node.input.get(index)?);
        let numbers = |index: usize| self.integers(node.input.get(index)?);
        match node.op_type.as_str() {
            "Add" | "Sub" | "Mul" | "Div" | "Max" | "And" | "Where" | "Greater"
            | "GreaterOrEqual" | "LessOrEqual" | "BitShift" | "BitwiseAnd" => {
                let mut joined = Vec::new();
                for index in 0..node.input.len() {
                    joined = broadcast(&joined, shape(index)?);
                }
                Some(joined)
            }
            "Cast" | "Abs" | "Relu" | "Gelu" | "Softmax" | "LayerNormalization" => {
                Some(shape(0)?.to_vec())
            }
            "Transpose" => {
                let (dims, order) = (shape(0)?, &attribute(node, "perm")?.ints);
                order.iter().map(|&axis| dims.get(axis as usize).cloned()).collect()
            }
            "MatMul" => product(shape(0)?, shape(1)?),
            "Reshape" => {
                let (dims, target) = (shape(0)?, numbers(1)?);
                let dim = |(axis, &size): (usize, &i64)| match size {
                    0 => dims.get(axis).cloned(),
                    _ => Some(usize::try_from(size).map_or(Dim::Unknown, Dim::Size)),
                };
                target.iter().enumerate().map(dim).collect()
            }
            "Unsqueeze" => {
                let mut dims = shape(0)?.to_vec();
                // The writer gives axes of the result, in order.
                for &axis in numbers(1)? {
                    let axis = usize::try_from(axis).ok().filter(|&axis| axis <= dims.len())?;
                    dims.insert(axis, Dim::Size(1));
                }
                Some(dims)
            }
            "Squeeze" => {
                let axes = numbers(1)?;
                let kept = |(axis, _): &(usize, &Dim)| !axes.contains(&(*axis as i64));
                Some(
                    shape(0)?.iter().enumerate().filter(kept).map(|(_, dim)| dim.clone()).collect(),
                )
            }
            "Gather" => {
                let (dims, axis) = (shape(0)?, axis(node, 0, shape(0)?.len())?);
                Some([&dims[..axis], shape(1)?, &dims[axis + 1..]].concat())
            }
            "GatherElements" => Some(shape(1)?.to_vec()),
            "LSTM" => {
                let [sequence, batch, _] = shape(0)? else { return None };
                let size = usize::try_from(attribute(node, "hidden_size")?.i).ok()?;
                Some(vec![sequence.clone(), Dim::Size(1), batch.clone(), Dim::Size(size)])
            }
            "Slice" => {
                let mut dims = shape(0)?.to_vec();
                let &[axis] = numbers(3)? else { return None };
                let sliced = match (numbers(1), numbers(2)) {
                    (Some(&[start]), Some(&[end])) if 0 <= start && start <= end => {
                        Dim::Size((end - start) as usize)
                    }
                    _ => Dim::Unknown,
                };
                *dims.get_mut(usize::try_from(axis).ok()?)? = sliced;
                Some(dims)
            }
            "Concat" => {
                let mut dims = shape(0)?.to_vec();
                let axis = axis(node, 0, dims.len())?;
                let sizes = (0..node.input.len()).map(|index| match shape(index)?.get(axis)? {
                    Dim::Size(size) => Some(*size),
                    _ => None,
                });
                dims[axis] = sizes.sum::<Option<usize>>().map_or(Dim::Unknown, Dim::Size);
                Some(dims)
            }
            "ReduceSum" => {
                let keep = attribute(node, "keepdims").is_none_or(|keep| keep.i == 1);
                let axes = numbers(1)?;
                let reduced = |(axis, dim): (usize, &Dim)| match axes.contains(&(axis as i64)) {
                    true => keep.then_some(Dim::Size(1)),
                    false => Some(dim.clone()),
                };
                Some(shape(0)?.iter().enumerate().filter_map(reduced).collect())
            }
            _ => None,
        }
    }
}

/// An attribute of a node.
pub(super) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// The axis that a node names, counted from the first of `rank`.
pub(super) fn axis(node: &NodeProto, default: i64, rank: usize) -> Option<usize> {
    let axis = attribute(node, "axis").map_or(default, |attribute| attribute.i);
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}

/// The shape of what an elementwise operator makes of two shapes.
fn broadcast(a: &[Dim], b: &[Dim]) -> Vec<Dim> {
    let rank = a.len().max(b.len());
    let at = |dims: &[Dim], axis: usize| match (axis + dims.len()).checked_sub(rank) {
        Some(axis) => dims[axis].clone(),
        None => Dim::Size(1),
    };
    (0..rank).map(|axis| joined(at(a, axis), at(b, axis))).collect()
}

fn joined(a: Dim, b: Dim) -> Dim {
    match (a, b) {
        (a, b) if a == b => a,
        (Dim::Size(1), other) | (other, Dim::Size(1)) => other,
        // Sizes of 1 are known as such, so the other is either 1 or the same.
        (Dim::Unknown, known) | (known, Dim::Unknown) => known,
        _ => Dim::Unknown,
    }
}

fn product(a: &[Dim], b: &[Dim]) -> Option<Vec<Dim>> {
    let [batch_a @ .., rows, _] = a else { return None };
    let [batch_b @ .., _, columns] = b else { return None };
    let mut dims = broadcast(batch_a, batch_b);
    dims.extend([rows.clone(), columns.clone()]);
    Some(dims)
}
