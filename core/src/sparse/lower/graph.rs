use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::mismatch::{Matched, Mismatch, require};
use crate::format::{blocks, tensors};
use crate::onnx::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};
use crate::sparse::kernel::Angles;

/// A graph that can be walked from a value to what it was made of.
pub(super) struct Graph<'a> {
    producers: HashMap<&'a str, &'a NodeProto>,
    constants: HashMap<&'a str, &'a TensorProto>,
    inputs: HashSet<&'a str>,
    /// Those that were asked for, by the names of their tables.
    angles: RefCell<HashMap<[&'a str; 2], Arc<Angles>>>,
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
            inputs: graph.input.iter().map(|input| input.name.as_str()).collect(),
            angles: RefCell::default(),
        }
    }

    /// Constants of cosines and sines, a row a position and a column a pair of channels.
    pub(super) fn angles(&self, tables: [&'a str; 2], pairs: usize) -> Matched<Arc<Angles>> {
        if let Some(angles) = self.angles.borrow().get(&tables)
            && angles.pairs() == pairs
        {
            return Ok(angles.clone());
        }
        let [(cosines, cos), (sines, sin)] = [self.floats(tables[0])?, self.floats(tables[1])?];
        let [positions, _] = self.shape(cosines)?;
        self.require_shape(cosines, [positions, pairs])?;
        self.require_shape(sines, [positions, pairs])?;
        let angles = Arc::new(Angles::new(pairs, positions, &cos, &sin));
        self.angles.borrow_mut().insert(tables, angles.clone());
        Ok(angles)
    }

    pub(super) fn node_count(&self) -> usize {
        self.producers.len()
    }

    /// Whether `value` is made by an `operator`.
    pub(super) fn is(&self, value: &str, operator: &str) -> bool {
        self.producers.get(value).is_some_and(|node| node.op_type == operator)
    }

    /// Whether `value` is a constant.
    pub(super) fn is_constant(&self, value: &str) -> bool {
        self.constants.contains_key(value)
    }

    /// The node that makes `value`: of the standard domain, with no other output.
    pub(super) fn producer(&self, value: &str, expected: &str) -> Matched<&'a NodeProto> {
        self.producers.get(value).copied().ok_or_else(|| self.other(value, expected))
    }

    /// That `value` is something else than what was `expected`.
    pub(super) fn other(&self, value: &str, expected: &str) -> Mismatch {
        if let Some(node) = self.producers.get(value) {
            return Mismatch::at_node(&node.name, expected, node.op_type.as_str());
        }
        if self.is_constant(value) {
            return Mismatch::at_constant(value, expected, "a constant");
        }
        let found = match self.inputs.contains(value) {
            true => "an input of the graph",
            false => "no standard node with this one output",
        };
        Mismatch {
            place: format!("value '{value}'"),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// The node that makes `value`, an `operator`.
    pub(super) fn node(&self, value: &str, operator: &str) -> Matched<&'a NodeProto> {
        match self.is(value, operator) {
            true => Ok(self.producers[value]),
            false => Err(self.other(value, operator)),
        }
    }

    /// What a node with N inputs reads.
    pub(super) fn inputs<const N: usize>(&self, node: &'a NodeProto) -> Matched<[&'a str; N]> {
        let inputs: Vec<&str> = node.input.iter().map(String::as_str).collect();
        let count = inputs.len();
        inputs.try_into().map_err(|_| {
            let found = format!("{} of {count} inputs", node.op_type);
            Mismatch::at_node(&node.name, format!("{} of {N} inputs", node.op_type), found)
        })
    }

    /// What the `operator` with N inputs reads that makes `value`.
    pub(super) fn apart<const N: usize>(
        &self,
        value: &str,
        operator: &str,
    ) -> Matched<[&'a str; N]> {
        self.inputs(self.node(value, operator)?)
    }

    /// What a Transpose by `order` reads that makes `value`.
    pub(super) fn transposed(&self, value: &str, order: &[i64]) -> Matched<&'a str> {
        let node = self.node(value, "Transpose")?;
        let [from] = self.inputs(node)?;
        let found = self.attribute(node, "perm").map_or(&[][..], |perm| &perm.ints);
        require(node, found == order, format!("perm {order:?}"), format!("perm {found:?}"))?;
        Ok(from)
    }

    /// What an `operator` such as Reshape reads that makes `value` by the constant list `given`.
    pub(super) fn by_list(&self, value: &str, operator: &str, given: &[i64]) -> Matched<&'a str> {
        let node = self.node(value, operator)?;
        let [from, list] = self.inputs(node)?;
        self.require_integer(node, "allowzero", 0, 0)?;
        self.require_list(node, list, given)?;
        Ok(from)
    }

    /// Goes on where a constant that `node` reads is this list.
    pub(super) fn require_list(
        &self,
        node: &NodeProto,
        name: &str,
        expected: &[i64],
    ) -> Matched<()> {
        let found = self.integers(name)?;
        require(node, found == expected, format!("{expected:?}"), format!("{found:?}"))
    }

    /// Goes on where a constant that `node` reads is this number.
    pub(super) fn require_scalar(
        &self,
        node: &NodeProto,
        name: &str,
        expected: f32,
    ) -> Matched<()> {
        let found = self.scalar(name)?;
        require(node, found == expected, expected.to_string(), found.to_string())
    }

    /// Goes on where an attribute of `node` is this integer.
    pub(super) fn require_integer(
        &self,
        node: &'a NodeProto,
        name: &str,
        default: i64,
        expected: i64,
    ) -> Matched<()> {
        let found = self.attribute(node, name).map_or(default, |attribute| attribute.i);
        require(node, found == expected, format!("{name} {expected}"), format!("{name} {found}"))
    }

    /// What a Cast to 32-bit floats reads that makes `value`.
    pub(super) fn cast(&self, value: &str) -> Matched<&'a str> {
        self.cast_to(value, DataType::Float)
    }

    /// What a Cast to `kind` reads that makes `value`.
    pub(super) fn cast_to(&self, value: &str, kind: DataType) -> Matched<&'a str> {
        let node = self.node(value, "Cast")?;
        let [from] = self.inputs(node)?;
        self.require_integer(node, "to", 0, kind as i64)?;
        Ok(from)
    }

    /// Goes on where `value` is a Cast of the attention mask to floats.
    pub(super) fn require_attention_mask(&self, value: &str) -> Matched<()> {
        let node = self.node(value, "Cast")?;
        let read = self.cast(value)?;
        require(node, read == tensors::ATTENTION_MASK, tensors::ATTENTION_MASK, read)
    }

    /// What a Gather reads that makes `value` by taking entry `index` of the first axis.
    pub(super) fn entry(&self, value: &str, index: usize) -> Matched<&'a str> {
        let node = self.node(value, "Gather")?;
        let [all, own] = self.inputs(node)?;
        self.require_integer(node, "axis", 0, 0)?;
        let found = self.index(own)?;
        require(node, found == index, format!("entry {index}"), format!("entry {found}"))?;
        Ok(all)
    }

    /// Goes on where `value` says of each position if it is attended to.
    pub(super) fn require_attended(&self, value: &str) -> Matched<()> {
        let node = self.node(value, "Greater")?;
        let [mask, half] = self.inputs(node)?;
        self.require_scalar(node, half, blocks::ATTENDED)?;
        self.require_attention_mask(mask)
    }

    /// `value` as rows of a constant, one a position, from a first one on: its name, and that one.
    pub(super) fn rows_by_position(&self, value: &str) -> Matched<(&'a str, usize)> {
        let node = self.node(value, "Slice")?;
        let [table, start, end, axis] = self.inputs(node)?;
        self.require_list(node, axis, &[0])?;
        let start = self.integers(start)?;
        let first = match *start.as_slice() {
            [first] => usize::try_from(first).ok(),
            _ => None,
        };
        let Some(first) = first else {
            return Err(Mismatch::at_node(&node.name, "a first row", format!("rows {start:?}")));
        };
        let length = match first {
            0 => end,
            _ => {
                let node = self.node(end, "Add")?;
                let [length, added] = self.inputs(node)?;
                self.require_list(node, added, &start)?;
                length
            }
        };
        let shape = self.node(length, "Shape")?;
        let [of] = self.inputs(shape)?;
        require(shape, of == tensors::INPUT_IDS, tensors::INPUT_IDS, of)?;
        self.require_integer(shape, "start", 0, 1)?;
        self.require_integer(shape, "end", 0, 2)?;
        Ok((table, first))
    }

    /// Goes on where `value` numbers the positions, from 0.
    pub(super) fn require_position_numbers(&self, value: &str) -> Matched<()> {
        let node = self.node(value, "Slice")?;
        let (name, first) = self.rows_by_position(value)?;
        let numbers = self.vector(name)?;
        require(node, first == 0, "numbers from row 0 on", format!("from row {first}"))?;
        let in_order = numbers.iter().enumerate().all(|(index, &number)| number == index as f32);
        match in_order {
            true => Ok(()),
            false => Err(Mismatch::at_constant(name, "0, 1, 2 and so on", "other numbers")),
        }
    }

    pub(super) fn attribute(&self, node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
        node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn float(&self, node: &'a NodeProto, name: &str, default: f32) -> f32 {
        self.attribute(node, name).map_or(default, |attribute| attribute.f)
    }

    pub(super) fn text(&self, node: &'a NodeProto, name: &str, default: &'a str) -> &'a str {
        let value = self.attribute(node, name).map(|a| std::str::from_utf8(&a.s).unwrap_or(""));
        value.unwrap_or(default)
    }

    /// A constant whose elements lie in the file itself.
    pub(super) fn constant(&self, name: &str) -> Matched<&'a TensorProto> {
        match self.constants.get(name) {
            None => Err(self.other(name, "a constant")),
            Some(tensor) if tensor.data_location != 0 => {
                Err(Mismatch::at_constant(name, "elements in the file", "elements in another one"))
            }
            Some(tensor) => Ok(tensor),
        }
    }

    /// A constant of elements of type `kind`, and the sizes of its dimensions.
    pub(super) fn typed<const N: usize>(
        &self,
        name: &str,
        kind: DataType,
    ) -> Matched<(&'a TensorProto, [usize; N])> {
        let tensor = self.constant(name)?;
        if tensor.data_type != kind as i32 {
            return Err(wrong_type(tensor, kind));
        }
        Ok((tensor, self.shape(tensor)?))
    }

    /// Sizes of a constant's dimensions.
    pub(super) fn shape<const N: usize>(&self, tensor: &TensorProto) -> Matched<[usize; N]> {
        let sizes: Option<Vec<usize>> =
            tensor.dims.iter().map(|&size| usize::try_from(size).ok()).collect();
        sizes.and_then(|sizes| sizes.try_into().ok()).ok_or_else(|| {
            let expected = format!("{N} dimensions");
            Mismatch::at_constant(&tensor.name, expected, format!("shape {:?}", tensor.dims))
        })
    }

    /// Goes on where a constant has this shape.
    pub(super) fn require_shape<const N: usize>(
        &self,
        tensor: &TensorProto,
        expected: [usize; N],
    ) -> Matched<()> {
        match self.shape(tensor) {
            Ok(shape) if shape == expected => Ok(()),
            _ => {
                let found = format!("shape {:?}", tensor.dims);
                Err(Mismatch::at_constant(&tensor.name, format!("shape {expected:?}"), found))
            }
        }
    }

    /// A constant of finite 32-bit floats.
    pub(super) fn floats(&self, name: &str) -> Matched<(&'a TensorProto, Vec<f32>)> {
        let tensor = self.constant(name)?;
        if tensor.data_type != DataType::Float as i32 {
            return Err(wrong_type(tensor, DataType::Float));
        }
        let chunks = tensor.raw_data.as_chunks().0;
        let floats: Vec<f32> = match tensor.float_data.is_empty() {
            true => chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            false => tensor.float_data.clone(),
        };
        let count = tensor.dims.iter().product::<i64>();
        if count != floats.len() as i64 {
            let (expected, found) = (format!("{count} numbers"), floats.len().to_string());
            return Err(Mismatch::at_constant(name, expected, found));
        }
        match floats.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(Mismatch::at_constant(name, "finite numbers", value.to_string())),
            None => Ok((tensor, floats)),
        }
    }

    /// A constant list of 32-bit floats.
    pub(super) fn vector(&self, name: &str) -> Matched<Vec<f32>> {
        let (tensor, floats) = self.floats(name)?;
        self.shape::<1>(tensor)?;
        Ok(floats)
    }

    /// A constant 32-bit float.
    pub(super) fn scalar(&self, name: &str) -> Matched<f32> {
        let (_, floats) = self.floats(name)?;
        match *floats.as_slice() {
            [value] => Ok(value),
            _ => {
                let found = format!("{} numbers", floats.len());
                Err(Mismatch::at_constant(name, "one number", found))
            }
        }
    }

    /// A constant float as the whole number that it is, such as that of a row.
    pub(super) fn whole(&self, name: &str) -> Matched<usize> {
        let number = self.scalar(name)?;
        let sound = number >= 0.0 && number.fract() == 0.0 && number < f32::from(u16::MAX);
        match sound {
            true => Ok(number as usize),
            false => {
                let expected = format!("a whole number below {}", u16::MAX);
                Err(Mismatch::at_constant(name, expected, number.to_string()))
            }
        }
    }

    /// A constant of 64-bit integers.
    pub(super) fn integers(&self, name: &str) -> Matched<Vec<i64>> {
        let tensor = self.constant(name)?;
        if tensor.data_type != DataType::Int64 as i32 {
            return Err(wrong_type(tensor, DataType::Int64));
        }
        let chunks = tensor.raw_data.as_chunks().0;
        Ok(match tensor.int64_data.is_empty() {
            true => chunks.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect(),
            false => tensor.int64_data.clone(),
        })
    }

    /// A constant list of one size.
    pub(super) fn size(&self, name: &str) -> Matched<usize> {
        let values = self.integers(name)?;
        let size = match *values.as_slice() {
            [size] => usize::try_from(size).ok(),
            _ => None,
        };
        size.ok_or_else(|| Mismatch::at_constant(name, "one size", format!("{values:?}")))
    }

    /// A constant index.
    pub(super) fn index(&self, name: &str) -> Matched<usize> {
        let tensor = self.constant(name)?;
        // Only without dimensions does a Gather drop the axis.
        self.shape::<0>(tensor)?;
        self.size(name)
    }

    /// Goes on where `name` is a constant of bytes with these values.
    pub(super) fn require_bytes(&self, name: &str, values: &[u8]) -> Matched<()> {
        let tensor = self.constant(name)?;
        let uint8 = DataType::Uint8 as i32;
        match tensor.data_type == uint8 && tensor.raw_data == values {
            true => Ok(()),
            false => {
                let found = format!("type {}, {:?}", tensor.data_type, &*tensor.raw_data);
                Err(Mismatch::at_constant(name, format!("bytes {values:?}"), found))
            }
        }
    }
}

fn wrong_type(tensor: &TensorProto, expected: DataType) -> Mismatch {
    let found = DataType::try_from(tensor.data_type);
    let found = found.map_or(tensor.data_type.to_string(), |kind| format!("{kind:?}"));
    Mismatch::at_constant(&tensor.name, format!("elements of type {expected:?}"), found)
}
