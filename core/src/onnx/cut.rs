use std::collections::HashSet;

use super::{GraphProto, ModelProto, ValueInfoProto};
use crate::error::{Error, ErrorKind, Result};

/// The part of a model that computes `outputs` from `inputs`, as a model of its own.
///
/// Each of `inputs` is a graph input, or an output of the model, whose computation is then left out.
///
/// # Errors
/// `Model` where a value is not there, or where `outputs` also depend on something not in `inputs`.
pub fn cut(model: &ModelProto, inputs: &[&str], outputs: &[&str]) -> Result<ModelProto> {
    let empty = GraphProto::default();
    let graph = model.graph.as_ref().unwrap_or(&empty);
    let declared = |name: &str| -> Result<ValueInfoProto> {
        let values = graph.input.iter().chain(&graph.output);
        values.clone().find(|value| value.name == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = values.map(|value| value.name.as_str()).collect();
            Error::new(ErrorKind::Model, "graph", format!("values {names:?}"), format!("'{name}'"))
        })
    };
    let given: HashSet<&str> = inputs.iter().copied().collect();
    let mut needed: HashSet<&str> = outputs.iter().copied().collect();
    // Nodes stand after those they read, so one walk from the end finds all that is needed.
    let mut kept = Vec::new();
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|o| needed.contains(o.as_str()) && !given.contains(o.as_str())) {
            needed.extend(node.input.iter().map(String::as_str));
            kept.push(node.clone());
        }
    }
    kept.reverse();
    let missing = graph
        .input
        .iter()
        .find(|value| needed.contains(value.name.as_str()) && !given.contains(value.name.as_str()));
    if let Some(value) = missing {
        return Err(Error::new(
            ErrorKind::Model,
            "graph",
            format!("{outputs:?} depending on '{}'", value.name),
            format!("dependence on {inputs:?} alone"),
        ));
    }
    let part = GraphProto {
        name: graph.name.clone(),
        node: kept,
        initializer: graph
            .initializer
            .iter()
            .filter(|tensor| needed.contains(tensor.name.as_str()))
            .cloned()
            .collect(),
        input: inputs.iter().map(|name| declared(name)).collect::<Result<_>>()?,
        output: outputs.iter().map(|name| declared(name)).collect::<Result<_>>()?,
        value_info: Vec::new(),
    };
    Ok(ModelProto { graph: Some(part), metadata_props: Vec::new(), ..model.clone_without_graph() })
}

impl ModelProto {
    fn clone_without_graph(&self) -> ModelProto {
        ModelProto {
            ir_version: self.ir_version,
            producer_name: self.producer_name.clone(),
            producer_version: self.producer_version.clone(),
            doc_string: String::new(),
            graph: None,
            opset_import: self.opset_import.clone(),
            metadata_props: Vec::new(),
        }
    }
}
