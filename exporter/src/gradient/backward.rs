use std::collections::{HashMap, HashSet};

use sparsecbm::onnx::NodeProto;
use sparsecbm::{Error, ErrorKind, Result};

use super::adjoint;
use super::shapes::Shapes;
use super::step::Step;
use crate::graph::Builder;

/// Operators whose results do not change with small changes of what they read.
const STEPWISE: [&str; 5] = ["Greater", "GreaterOrEqual", "LessOrEqual", "And", "Shape"];

/// Adds to a graph what computes the gradients by `variables`, given the gradient by `output`: reverse-mode
/// differentiation, one node after the other from the last to the first
/// (Griewank, Walther, *Evaluating Derivatives*, 2008).
///
/// # Errors
/// `Model` where an operator on the way has no adjoint, or a variable is not on the way.
pub(super) fn differentiate(
    builder: &mut Builder,
    output: &str,
    gradient: &str,
    variables: &[&str],
) -> Result<Vec<String>> {
    let shapes = Shapes::of(builder.graph());
    let nodes: Vec<NodeProto> = builder.graph().node.clone();
    let varying = varying(&nodes, variables);
    let mut gradients = HashMap::from([(output.to_string(), vec![gradient.to_string()])]);
    for node in nodes.iter().rev() {
        let [value] = node.output.as_slice() else { continue };
        if variables.contains(&value.as_str()) || !varying.contains(value.as_str()) {
            continue;
        }
        let Some(parts) = gradients.remove(value) else { continue };
        let gradient = sum(builder, value, &parts);
        let Some(adjoint) = adjoint::of(&node.op_type) else {
            let found = format!("operator {}", node.op_type);
            return Err(refused(node, found, "an operator whose gradient is known"));
        };
        let wanted = node.input.iter().map(|input| varying.contains(input.as_str())).collect();
        let mut step = Step::new(builder, &shapes, node, gradient, wanted);
        adjoint(&mut step)?;
        for (index, part) in step.given()? {
            gradients.entry(node.input[index].clone()).or_default().push(part);
        }
    }
    let of_variable = |variable: &&str| match gradients.get(*variable) {
        Some(parts) => Ok(sum(builder, variable, parts)),
        None => Err(Error::new(
            ErrorKind::Model,
            format!("value '{variable}'"),
            format!("nothing of it in '{output}'"),
            "a value that the result depends on",
        )),
    };
    variables.iter().map(of_variable).collect()
}

/// An error about a node that is in the way.
pub(super) fn refused(node: &NodeProto, found: impl Into<String>, expected: &str) -> Error {
    Error::new(ErrorKind::Model, format!("gradient of node '{}'", node.name), found, expected)
}

/// The values that change with the variables, these among them.
fn varying<'a>(nodes: &'a [NodeProto], variables: &[&'a str]) -> HashSet<&'a str> {
    let mut varying: HashSet<&str> = variables.iter().copied().collect();
    for node in nodes {
        let reads = node.input.iter().any(|input| varying.contains(input.as_str()));
        if reads && !STEPWISE.contains(&node.op_type.as_str()) {
            varying.extend(node.output.iter().map(String::as_str));
        }
    }
    varying
}

fn sum(builder: &mut Builder, value: &str, parts: &[String]) -> String {
    let scope = format!("{value}/gradient");
    let mut parts = parts.iter().cloned();
    let first = parts.next().expect("a gradient has a part");
    parts.fold(first, |sum, part| builder.node(&scope, "Add", &[&sum, &part]))
}

#[cfg(test)]
mod tests {
    use sparsecbm::onnx::{DataType, DimensionValue};

    use super::*;

    /// A graph whose input `x` has these dimensions.
    fn graph(dims: &[DimensionValue]) -> Builder {
        let mut builder = Builder::default();
        builder.input("x", DataType::Float, dims);
        builder.input("dy", DataType::Float, dims);
        builder
    }

    fn named(name: &str) -> DimensionValue {
        DimensionValue::DimParam(name.into())
    }

    #[test]
    fn an_operator_without_an_adjoint_is_named() {
        let mut builder = graph(&[named("batch")]);
        let y = builder.node("here", "Tan", &["x"]);
        let error = differentiate(&mut builder, &y, "dy", &["x"]).expect_err("no adjoint");
        assert!(error.place().contains("here/Tan"), "{error}");
        assert!(error.found().contains("operator Tan"), "{error}");
    }

    #[test]
    fn an_input_whose_gradient_is_not_known_is_named() {
        let mut builder = graph(&[DimensionValue::DimValue(3)]);
        let ones = builder.floats("ones", &[3], &[1.0; 3]);
        let y = builder.node("here", "LayerNormalization", &[&ones, "x"]);
        let error = differentiate(&mut builder, &y, "dy", &["x"]).expect_err("its weight");
        assert!(error.found().contains("input 1, 'x'"), "{error}");
    }

    #[test]
    fn sizes_that_may_or_may_not_be_stretched_are_refused() {
        let mut builder = graph(&[named("batch")]);
        builder.input("other", DataType::Float, &[named("sequence")]);
        let y = builder.node("here", "Add", &["x", "other"]);
        let error = differentiate(&mut builder, &y, "dy", &["x"]).expect_err("sizes not known");
        assert!(error.place().contains("here/Add"), "{error}");
    }

    #[test]
    fn what_does_not_depend_on_a_variable_is_refused() {
        let mut builder = graph(&[named("batch")]);
        let half = builder.float(0.5);
        let step = builder.node("step", "Greater", &["x", &half]);
        let y = builder.node("here", "Where", &[&step, &half, &half]);
        let error = differentiate(&mut builder, &y, "dy", &["x"]).expect_err("steps have no slope");
        assert!(error.place().contains("'x'"), "{error}");
    }
}
