use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::elements::Elements;
use bytes::Bytes;
use sparsecbm::format::nodes;
use sparsecbm::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, DimensionValue, GraphProto, NodeProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// A graph, and what the elements of those constants are that it does not hold, by name.
pub(crate) struct GraphSpec {
    pub(crate) graph: GraphProto,
    pub(crate) elements: HashMap<String, Elements>,
}

/// Collects the nodes and constants of a graph. A value is known by its name.
#[derive(Default)]
pub(crate) struct Builder {
    graph: GraphProto,
    constants: HashSet<String>,
    elements: HashMap<String, Elements>,
    /// How often each node name was asked for.
    names: HashMap<String, usize>,
}

impl Builder {
    /// Adds a node called `scope/operator` and gives its output.
    pub(crate) fn node(&mut self, scope: &str, operator: &str, inputs: &[&str]) -> String {
        self.node_with(scope, operator, inputs, Vec::new())
    }

    /// Adds a node with attributes.
    pub(crate) fn node_with(
        &mut self,
        scope: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let name = self.unique(nodes::name(scope, operator));
        self.push(name.clone(), operator, inputs, attributes, vec![name.clone()]);
        name
    }

    /// Adds a node that runs the graph `body` once for each entry of the first axis of `scanned`, from the first to
    /// the last, or where it is `reversed` the other way. The body reads the states, then an entry of each value that
    /// is scanned; it gives the states again, then an entry of the result.
    pub(crate) fn scan(
        &mut self,
        scope: &str,
        body: GraphProto,
        states: &[&str],
        scanned: &[&str],
        reversed: bool,
    ) -> String {
        let name = self.unique(nodes::name(scope, "Scan"));
        let mut outputs: Vec<String> =
            (0..states.len()).map(|index| format!("{name}/last {index}")).collect();
        outputs.push(name.clone());
        let direction = i64::from(reversed);
        let attribute = vec![
            integer("num_scan_inputs", scanned.len() as i64),
            integers("scan_input_directions", &vec![direction; scanned.len()]),
            integers("scan_output_directions", &[direction]),
            AttributeProto {
                name: "body".into(),
                g: Some(body),
                r#type: AttributeType::Graph.into(),
                ..AttributeProto::default()
            },
        ];
        self.push(name.clone(), "Scan", &[states, scanned].concat(), attribute, outputs);
        name
    }

    /// Adds a node whose output is an output of the graph.
    pub(crate) fn node_to(&mut self, output: &str, operator: &str, inputs: &[&str]) {
        self.node_with_to(output, operator, inputs, Vec::new());
    }

    /// Adds a node with attributes whose output is an output of the graph.
    pub(crate) fn node_with_to(
        &mut self,
        output: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        let name = self.unique(nodes::name(output, operator));
        self.push(name, operator, inputs, attributes, vec![output.into()]);
    }

    fn push(
        &mut self,
        name: String,
        operator: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        output: Vec<String>,
    ) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output,
            name,
            op_type: operator.into(),
            domain: String::new(),
            attribute,
        });
    }

    fn unique(&mut self, name: String) -> String {
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}_{count}") }
    }

    /// What was written so far.
    pub(crate) fn graph(&self) -> &GraphProto {
        &self.graph
    }

    /// Whether there is a constant of that name.
    pub(crate) fn has_constant(&self, name: &str) -> bool {
        self.constants.contains(name)
    }

    /// Adds a constant, unless one of that name is there.
    pub(crate) fn constant(&mut self, name: &str, shape: &[usize], kind: DataType, bytes: Vec<u8>) {
        if self.constants.insert(name.into()) {
            self.graph.initializer.push(TensorProto {
                dims: shape.iter().map(|&size| size as i64).collect(),
                data_type: kind.into(),
                name: name.into(),
                raw_data: Bytes::from(bytes),
                ..TensorProto::default()
            });
        }
    }

    /// Adds a constant whose elements are made when they are written, unless one of that name is there.
    pub(super) fn described(
        &mut self,
        name: &str,
        shape: &[usize],
        kind: DataType,
        elements: Elements,
    ) {
        if !self.has_constant(name) {
            self.constant(name, shape, kind, Vec::new());
            self.elements.insert(name.into(), elements);
        }
    }

    /// Adds a constant of floats.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, shape, DataType::Float, bytes);
        name.into()
    }

    /// A list of integers, such as a shape or axes; equal ones are shared.
    pub(crate) fn integers(&mut self, values: &[i64]) -> String {
        let name = format!("integers{values:?}");
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(&name, &[values.len()], DataType::Int64, bytes);
        name
    }

    /// A single integer; equal ones are shared.
    pub(crate) fn integer(&mut self, value: i64) -> String {
        let name = format!("integer {value}");
        self.constant(&name, &[], DataType::Int64, value.to_le_bytes().into());
        name
    }

    /// A single float; equal ones are shared.
    pub(crate) fn float(&mut self, value: f32) -> String {
        self.floats(&format!("float {value:e}"), &[], &[value])
    }

    /// The part `range` of a value along `axis`.
    pub(crate) fn slice(
        &mut self,
        scope: &str,
        value: &str,
        axis: usize,
        range: Range<usize>,
    ) -> String {
        let [start, end, axis] =
            [range.start, range.end, axis].map(|number| self.integers(&[number as i64]));
        self.node(scope, "Slice", &[value, &start, &end, &axis])
    }

    /// Declares an input of the graph.
    pub(crate) fn input(&mut self, name: &str, kind: DataType, shape: &[DimensionValue]) {
        self.graph.input.push(value_info(name, kind, shape.iter().cloned().map(Some)));
    }

    /// Declares a matrix of floats that a body reads. No size is said: tract would have names of sizes clash with
    /// its own.
    pub(crate) fn body_input(&mut self, name: &str) {
        self.graph.input.push(value_info(name, DataType::Float, [None, None]));
    }

    /// Declares a matrix of floats that a body gives.
    pub(crate) fn body_output(&mut self, name: &str) {
        self.graph.output.push(value_info(name, DataType::Float, [None, None]));
    }

    /// Declares an output of the graph.
    pub(crate) fn output(&mut self, name: &str, kind: DataType, shape: &[DimensionValue]) {
        self.graph.output.push(value_info(name, kind, shape.iter().cloned().map(Some)));
    }

    /// The finished graph.
    pub(crate) fn finish(mut self, name: &str) -> GraphSpec {
        self.graph.name = name.into();
        GraphSpec { graph: self.graph, elements: self.elements }
    }
}

/// An attribute that holds an integer.
pub(crate) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        i: value,
        r#type: AttributeType::Int.into(),
        ..AttributeProto::default()
    }
}

/// An attribute that holds integers.
pub(crate) fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints: values.into(),
        r#type: AttributeType::Ints.into(),
        ..AttributeProto::default()
    }
}

/// An attribute that holds a float.
pub(crate) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        f: value,
        r#type: AttributeType::Float.into(),
        ..AttributeProto::default()
    }
}

/// An attribute that holds a string.
pub(crate) fn string(name: &str, value: &'static str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        s: Bytes::from_static(value.as_bytes()),
        r#type: AttributeType::String.into(),
        ..AttributeProto::default()
    }
}

fn value_info(
    name: &str,
    kind: DataType,
    shape: impl IntoIterator<Item = Option<DimensionValue>>,
) -> ValueInfoProto {
    let dim = shape.into_iter().map(|value| Dimension { value }).collect();
    let tensor_type =
        TensorTypeProto { elem_type: kind.into(), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}
