use std::collections::HashMap;

use crate::onnx::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};

/// A graph that can be walked from a value to what it was made of.
pub(super) struct Graph<'a> {
    producers: HashMap<&'a str, &'a NodeProto>,
    constants: HashMap<&'a str, &'a TensorProto>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(graph: &'a GraphProto) -> Graph<'a> {
        let outputs =
            graph.node.iter().filter(|node| node.output.len() == 1 && node.domain.is_empty());
        Graph {
            producers: outputs.map(|node| (node.output[0].as_str(), node)).collect(),
            constants: graph
                .initializer
                .iter()
                .map(|tensor| (tensor.name.as_str(), tensor))
                .collect(),
        }
    }

    pub(super) fn node_count(&self) -> usize {
        self.producers.len()
    }

    /// The node that makes `value`: of the standard domain, with no other output.
    pub(super) fn producer(&self, value: &str) -> Option<&'a NodeProto> {
        self.producers.get(value).copied()
    }

    /// The node that makes `value`, if it is an `operator`.
    pub(super) fn node(&self, value: &str, operator: &str) -> Option<&'a NodeProto> {
        self.producer(value).filter(|node| node.op_type == operator)
    }

    /// What a node with N inputs reads.
    pub(super) fn inputs<const N: usize>(&self, node: &'a NodeProto) -> Option<[&'a str; N]> {
        let inputs: [&String; N] = node.input.iter().collect::<Vec<_>>().try_into().ok()?;
        Some(inputs.map(String::as_str))
    }

    /// What the `operator` with N inputs reads that makes `value`.
    pub(super) fn apart<const N: usize>(
        &self,
        value: &str,
        operator: &str,
    ) -> Option<[&'a str; N]> {
        self.inputs(self.node(value, operator)?)
    }

    /// What a Transpose by `order` reads that makes `value`.
    pub(super) fn transposed(&self, value: &str, order: &[i64]) -> Option<&'a str> {
        let node = self.node(value, "Transpose")?;
        let [from] = self.inputs(node)?;
        (self.attribute(node, "perm")?.ints == order).then_some(from)
    }

    /// What an `operator` such as Reshape reads that makes `value` by the constant list `given`.
    pub(super) fn by_list(&self, value: &str, operator: &str, given: &[i64]) -> Option<&'a str> {
        let node = self.node(value, operator)?;
        let [from, list] = self.inputs(node)?;
        let plain = self.integer(node, "allowzero", 0) == 0;
        (plain && self.integers(list)? == given).then_some(from)
    }

    /// What a Cast to 32-bit floats reads that makes `value`.
    pub(super) fn cast(&self, value: &str) -> Option<&'a str> {
        self.cast_to(value, DataType::Float)
    }

    /// What a Cast to `kind` reads that makes `value`.
    pub(super) fn cast_to(&self, value: &str, kind: DataType) -> Option<&'a str> {
        let node = self.node(value, "Cast")?;
        let [from] = self.inputs(node)?;
        (self.integer(node, "to", 0) == kind as i64).then_some(from)
    }

    /// What a Gather reads that makes `value` by taking entry `index` of the first axis.
    pub(super) fn entry(&self, value: &str, index: usize) -> Option<&'a str> {
        let node = self.node(value, "Gather")?;
        let [all, own] = self.inputs(node)?;
        (self.integer(node, "axis", 0) == 0 && self.index(own)? == index).then_some(all)
    }

    /// Whether `value` says of each position if it is attended to.
    pub(super) fn is_attended(&self, value: &str) -> bool {
        let found = || {
            let [mask, half] = self.apart(value, "Greater")?;
            Some(self.scalar(half)? == 0.5 && self.cast(mask)? == "attention_mask")
        };
        found() == Some(true)
    }

    /// `value` as rows of a constant, one a position, from a first one on: its name, and that one.
    pub(super) fn places(&self, value: &str) -> Option<(&'a str, usize)> {
        let [table, start, end, axis] = self.apart(value, "Slice")?;
        let start = self.integers(start)?;
        let [first] = *start.as_slice() else { return None };
        let length = match first {
            0 => end,
            _ => {
                let [length, added] = self.apart(end, "Add")?;
                (self.integers(added)? == start).then_some(length)?
            }
        };
        let shape = self.node(length, "Shape")?;
        let as_written = self.integers(axis)? == [0]
            && self.inputs(shape)? == ["input_ids"]
            && (self.integer(shape, "start", 0), self.integer(shape, "end", 0)) == (1, 2);
        as_written.then_some((table, usize::try_from(first).ok()?))
    }

    /// Whether `value` numbers the positions, from 0.
    pub(super) fn is_place(&self, value: &str) -> bool {
        let found = || {
            let (numbers, first) = self.places(value)?;
            let numbers = self.vector(numbers)?;
            let in_order =
                numbers.iter().enumerate().all(|(place, &number)| number == place as f32);
            Some(first == 0 && in_order)
        };
        found() == Some(true)
    }

    fn attribute(&self, node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
        node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn integer(&self, node: &'a NodeProto, name: &str, default: i64) -> i64 {
        self.attribute(node, name).map_or(default, |attribute| attribute.i)
    }

    pub(super) fn float(&self, node: &'a NodeProto, name: &str, default: f32) -> f32 {
        self.attribute(node, name).map_or(default, |attribute| attribute.f)
    }

    pub(super) fn text(&self, node: &'a NodeProto, name: &str, default: &'a str) -> &'a str {
        let value = self.attribute(node, name).map(|a| std::str::from_utf8(&a.s).unwrap_or(""));
        value.unwrap_or(default)
    }

    /// A constant whose elements lie in the file itself.
    pub(super) fn constant(&self, name: &str) -> Option<&'a TensorProto> {
        self.constants.get(name).copied().filter(|tensor| tensor.data_location == 0)
    }

    /// Sizes of a constant's dimensions.
    pub(super) fn shape<const N: usize>(&self, tensor: &TensorProto) -> Option<[usize; N]> {
        let sizes: Option<Vec<usize>> =
            tensor.dims.iter().map(|&size| usize::try_from(size).ok()).collect();
        sizes?.try_into().ok()
    }

    /// A constant of 32-bit floats.
    pub(super) fn floats(&self, name: &str) -> Option<(&'a TensorProto, Vec<f32>)> {
        let tensor = self.constant(name)?;
        let chunks = tensor.raw_data.as_chunks().0;
        let floats: Vec<f32> = match tensor.float_data.is_empty() {
            true => chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            false => tensor.float_data.clone(),
        };
        let count = tensor.dims.iter().product::<i64>();
        let sound = tensor.data_type == DataType::Float as i32 && count == floats.len() as i64;
        (sound && floats.iter().all(|value| value.is_finite())).then_some((tensor, floats))
    }

    /// A constant list of 32-bit floats.
    pub(super) fn vector(&self, name: &str) -> Option<Vec<f32>> {
        let (tensor, floats) = self.floats(name)?;
        (tensor.dims.len() == 1).then_some(floats)
    }

    /// A constant 32-bit float.
    pub(super) fn scalar(&self, name: &str) -> Option<f32> {
        let (_, floats) = self.floats(name)?;
        (floats.len() == 1).then(|| floats[0])
    }

    /// A constant of 64-bit integers.
    pub(super) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let tensor = self.constant(name)?;
        let chunks = tensor.raw_data.as_chunks().0;
        (tensor.data_type == DataType::Int64 as i32).then(|| match tensor.int64_data.is_empty() {
            true => chunks.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect(),
            false => tensor.int64_data.clone(),
        })
    }

    /// A constant index.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        let tensor = self.constant(name)?;
        let values = self.integers(name)?;
        let [value] = *values.as_slice() else { return None };
        // Only without dimensions does a Gather drop the axis.
        tensor.dims.is_empty().then(|| usize::try_from(value).ok())?
    }

    /// Whether `name` is a constant of bytes with these values.
    pub(super) fn is_bytes(&self, name: &str, values: &[u8]) -> bool {
        let uint8 = DataType::Uint8 as i32;
        self.constant(name).is_some_and(|t| t.data_type == uint8 && t.raw_data == values)
    }
}
