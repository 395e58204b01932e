use super::{DataType, GraphProto, NodeProto, TensorProto};
use crate::error::{Error, ErrorKind, Result};

/// Checks what later code relies on, for a file may come from a stranger: every constant that is inside the
/// file has as many elements as its shape says; and the graph holds no other graphs, so that it runs once
/// from start to end, apart from bodies of scans, each of which runs once an entry of what is there.
pub(super) fn check(graph: &GraphProto) -> Result<()> {
    for tensor in &graph.initializer {
        check_tensor(tensor).map_err(|e| e.within("initializer"))?;
    }
    let check = |node| check_node(node, Location::Outside).map_err(|e: Error| e.within("node"));
    graph.node.iter().try_for_each(check)
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq)]
enum Location {
    Outside,
    /// In the body of a scan.
    Body,
}

fn check_node(node: &NodeProto, location: Location) -> Result<()> {
    let wrong = |what: &str, found: &str, expected: &str| {
        Err(Error::new(ErrorKind::Model, format!("'{}': {what}", node.name), found, expected))
    };
    if !["", "ai.onnx"].contains(&node.domain.as_str()) {
        return wrong("domain", &format!("'{}'", node.domain), "the standard domain");
    }
    for attribute in &node.attribute {
        if let Some(body) = &attribute.g {
            if node.op_type != "Scan" || location == Location::Body {
                let expected = "a graph without inner graphs, apart from bodies of scans";
                return wrong(&attribute.name, "a graph", expected);
            }
            if !body.initializer.is_empty() {
                return wrong(&attribute.name, "constants in a body", "constants outside of it");
            }
            let check =
                |node| check_node(node, Location::Body).map_err(|e: Error| e.within("node"));
            body.node.iter().try_for_each(check).map_err(|e| e.within(&node.name))?;
        }
        if let Some(tensor) = &attribute.t {
            check_tensor(tensor).map_err(|e| e.within(&node.name))?;
        }
    }
    Ok(())
}

/// What the other sizes of an empty constant may come to, in bytes: engines multiply them for results that hold more.
const MOST_BESIDE_ZERO: usize = 1 << 16;

pub(super) fn check_tensor(tensor: &TensorProto) -> Result<()> {
    let wrong = |found: String, expected: String| {
        Err(Error::new(ErrorKind::Model, format!("'{}'", tensor.name), found, expected))
    };
    let Some(size) = DataType::try_from(tensor.data_type).ok().and_then(DataType::bytes) else {
        return wrong(format!("element type {}", tensor.data_type), "a type of numbers".into());
    };
    let claimed = tensor
        .dims
        .iter()
        .try_fold(size, |product, &size| product.checked_mul(usize::try_from(size).ok()?.max(1)));
    let Some(claimed) = claimed else {
        return wrong(format!("shape {:?}", tensor.dims), "a shape of sizes".into());
    };
    let empty = tensor.dims.contains(&0);
    if empty && claimed > MOST_BESIDE_ZERO {
        let expected = format!("sizes beside the 0 of {MOST_BESIDE_ZERO} bytes at most");
        return wrong(format!("shape {:?}", tensor.dims), expected);
    }
    let bytes = if empty { 0 } else { claimed };
    if is_outside(tensor) {
        return Ok(());
    }
    let lists = [tensor.float_data.len(), tensor.int32_data.len(), tensor.int64_data.len()];
    let given = match lists.iter().sum() {
        0 => tensor.raw_data.len(),
        elements if tensor.raw_data.is_empty() => size.saturating_mul(elements),
        _ => return wrong("elements in two places".into(), "elements in one".into()),
    };
    if given != bytes {
        let expected = format!("{bytes}, as shape {:?} says", tensor.dims);
        return wrong(format!("{given} bytes of elements"), expected);
    }
    Ok(())
}

/// Whether a tensor's elements lie in another file.
pub(super) fn is_outside(tensor: &TensorProto) -> bool {
    tensor.data_location != 0 || !tensor.external_data.is_empty()
}

impl DataType {
    /// Bytes of one element in `raw_data`; nothing for types that have no fixed size.
    fn bytes(self) -> Option<usize> {
        match self {
            DataType::Undefined | DataType::String => None,
            DataType::Uint8 | DataType::Int8 | DataType::Bool => Some(1),
            DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => Some(2),
            DataType::Float | DataType::Int32 | DataType::Uint32 => Some(4),
            DataType::Double | DataType::Int64 | DataType::Uint64 => Some(8),
        }
    }
}
