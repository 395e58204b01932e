use sparsecbm::Result;
use sparsecbm::onnx::{AttributeProto, GraphProto, NodeProto};

use super::backward::refused;
use super::shapes::{Dim, Shapes};
use crate::graph::{Builder, integer};

/// One node on the way back: its adjoint turns the gradient by its output into those by its inputs.
pub(super) struct Step<'a> {
    builder: &'a mut Builder,
    shapes: &'a Shapes,
    pub(super) node: &'a NodeProto,
    /// Of the output; of the output's shape.
    pub(super) gradient: String,
    /// Whether the gradient by an input is asked for.
    wanted: Vec<bool>,
    given: Vec<(usize, String)>,
}

impl<'a> Step<'a> {
    pub(super) fn new(
        builder: &'a mut Builder,
        shapes: &'a Shapes,
        node: &'a NodeProto,
        gradient: String,
        wanted: Vec<bool>,
    ) -> Step<'a> {
        Step { builder, shapes, node, gradient, wanted, given: Vec::new() }
    }

    /// The name of an input.
    pub(super) fn input(&self, index: usize) -> &'a str {
        &self.node.input[index]
    }

    /// The name of the output.
    pub(super) fn output(&self) -> &'a str {
        &self.node.output[0]
    }

    /// Whether the gradient by an input is asked for.
    pub(super) fn wants(&self, index: usize) -> bool {
        self.wanted[index]
    }

    /// The shape of an input.
    pub(super) fn shape(&self, index: usize) -> Result<&'a [Dim]> {
        self.shape_of(self.input(index))
    }

    fn shape_of(&self, value: &str) -> Result<&'a [Dim]> {
        let found = || format!("'{value}', whose shape is not known");
        self.shapes
            .get(value)
            .ok_or_else(|| refused(self.node, found(), "a value of known dimensions"))
    }

    /// The size of one dimension of an input.
    pub(super) fn size(&self, index: usize, axis: usize) -> Result<usize> {
        match self.shape(index)?.get(axis) {
            Some(Dim::Size(size)) => Ok(*size),
            other => Err(self.refused(format!("{other:?} at axis {axis}"), "a fixed size")),
        }
    }

    /// The integers of a constant input.
    pub(super) fn integers(&self, index: usize) -> Result<&'a [i64]> {
        let value = self.input(index);
        self.shapes
            .integers(value)
            .ok_or_else(|| self.refused(format!("'{value}'"), "a constant of integers"))
    }

    /// An error about the node.
    pub(super) fn refused(&self, found: impl Into<String>, expected: &str) -> sparsecbm::Error {
        refused(self.node, found, expected)
    }

    /// Adds a node on the way back.
    pub(super) fn add(&mut self, operator: &str, inputs: &[&str]) -> String {
        self.add_with(operator, inputs, Vec::new())
    }

    /// Adds a node with attributes on the way back.
    pub(super) fn add_with(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.builder.node_with(&self.scope(), operator, inputs, attributes)
    }

    /// What the names of the nodes on the way back begin with.
    pub(super) fn scope(&self) -> String {
        format!("{}/gradient", self.node.name)
    }

    /// Adds a scan on the way back.
    pub(super) fn add_scan(
        &mut self,
        body: GraphProto,
        states: &[&str],
        scanned: &[&str],
        reversed: bool,
    ) -> String {
        self.builder.scan(&self.scope(), body, states, scanned, reversed)
    }

    /// A constant.
    pub(super) fn float(&mut self, value: f32) -> String {
        self.builder.float(value)
    }

    /// A constant list.
    pub(super) fn list(&mut self, values: &[i64]) -> String {
        self.builder.integers(values)
    }

    /// The sum of a value over an axis, which stays.
    pub(super) fn sum_over(&mut self, value: &str, axis: i64) -> String {
        let axes = self.list(&[axis]);
        self.add("ReduceSum", &[value, &axes])
    }

    /// Gives the gradient by an input, in the shape of the input.
    pub(super) fn give(&mut self, index: usize, gradient: String) {
        if self.wants(index) {
            self.given.push((index, gradient));
        }
    }

    /// Gives the gradient by an input that the node stretched to the shape of its output: summed over what
    /// was stretched. `gradient` is of the output's shape.
    pub(super) fn give_summed(&mut self, index: usize, gradient: String) -> Result<()> {
        if !self.wants(index) {
            return Ok(());
        }
        let (own, stretched) = (self.shape(index)?, self.shape_of(self.output())?);
        let more = stretched.len() - own.len();
        let mut kept = Vec::new();
        for (axis, (own, stretched)) in own.iter().zip(&stretched[more..]).enumerate() {
            match (own, stretched) {
                (Dim::Size(1), Dim::Size(1)) => {}
                (Dim::Size(1), _) => kept.push((axis + more) as i64),
                (own, stretched) if own == stretched && *own != Dim::Unknown => {}
                _ => {
                    let found = format!("{own:?} beside {stretched:?} at axis {axis}");
                    return Err(
                        self.refused(found, "dimensions of which it is known whether they differ")
                    );
                }
            }
        }
        let mut gradient = gradient;
        if !kept.is_empty() {
            let axes = self.list(&kept);
            gradient = self.add("ReduceSum", &[&gradient, &axes]);
        }
        if more > 0 {
            let axes = self.list(&(0..more as i64).collect::<Vec<i64>>());
            let flat = vec![integer("keepdims", 0)];
            gradient = self.add_with("ReduceSum", &[&gradient, &axes], flat);
        }
        self.give(index, gradient);
        Ok(())
    }

    /// What was given, all that was asked for.
    pub(super) fn given(self) -> Result<Vec<(usize, String)>> {
        let missing = (0..self.wanted.len()).find(|&index| {
            self.wanted[index] && self.given.iter().all(|(given, _)| *given != index)
        });
        match missing {
            Some(index) => {
                let found = format!("input {index}, '{}'", self.input(index));
                Err(self.refused(found, "inputs by which the gradient is known"))
            }
            None => Ok(self.given),
        }
    }
}
