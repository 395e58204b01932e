//! ONNX files as bytes and messages: reading, writing, and cutting a graph in two.
//!
//! The exporter writes these messages; the engines are given encoded ones.

mod cut;
mod messages;

use bytes::Bytes;
use prost::Message;

pub use cut::cut;
pub use messages::*;

use crate::{Error, ErrorKind, Result};

/// Reads a model. Tensors in the result share `bytes`.
///
/// # Errors
/// `Format` where the bytes are not an ONNX model with a graph. `place` is named in the error.
pub fn decode(bytes: Bytes, place: &str) -> Result<ModelProto> {
    let found = format!("{} bytes", bytes.len());
    let model = ModelProto::decode(bytes)
        .map_err(|e| Error::new(ErrorKind::Format, place, &found, "an ONNX model").caused_by(e))?;
    if model.graph.is_none() {
        return Err(Error::new(ErrorKind::Format, place, found, "an ONNX model with a graph"));
    }
    Ok(model)
}

/// The value of one of the model's metadata entries.
pub fn metadata<'a>(model: &'a ModelProto, key: &str) -> Option<&'a str> {
    model.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}
