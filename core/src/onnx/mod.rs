//! ONNX files as bytes and messages: reading, writing, and cutting a graph in two.
//!
//! The exporter writes these messages; the engines are given encoded ones.

mod check;
mod cut;
mod external;
mod file;
mod messages;

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use prost::Message;

pub use cut::cut;
pub use messages::*;

use crate::error::{Error, ErrorKind, Result};

/// Reads a model. Tensors in the result share `bytes`. Every constant inside the file has as
/// many elements as its shape says; constants in other files are left there.
///
/// # Errors
/// `Format` where the bytes are not an ONNX model with a graph; `Model` where a constant contradicts its
/// shape, and where a node is of another domain or holds a graph of its own.
/// `place` is named in the error.
pub fn decode(bytes: Bytes, place: &str) -> Result<ModelProto> {
    let found = format!("{} bytes", bytes.len());
    let model = ModelProto::decode(bytes)
        .map_err(|e| Error::new(ErrorKind::Format, place, &found, "an ONNX model").caused_by(e))?;
    let Some(graph) = &model.graph else {
        return Err(Error::new(ErrorKind::Format, place, found, "an ONNX model with a graph"));
    };
    check::check(graph).map_err(|e| e.within(place))?;
    Ok(model)
}

/// Reads a model with what lies in files beside it, all of it mapped: nobody may change the files while it is used.
///
/// # Errors
/// `Io` where a file cannot be read, `Model` where a constant's place is not a file in the model's own folder, or that
/// is another file than the model was written with; else as [`decode`].
pub(crate) fn read(path: &Path) -> Result<ModelProto> {
    read_then(path, Ok)
}

/// What `then` makes of a model that is read so. Meanwhile the checksums of the files beside it are made, which take
/// seconds in a large model: what is wrong there is told first.
///
/// # Errors
/// As [`read`], and those of `then`.
pub(crate) fn read_then<T>(path: &Path, then: impl FnOnce(ModelProto) -> Result<T>) -> Result<T> {
    let bytes = file::read(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let read = || {
        let mut model = decode(bytes, "model")?;
        let unchecked = external::attach(&mut model, folder.unwrap_or(Path::new(".")))?;
        Ok((model, unchecked))
    };
    let named = |e: Error| e.within(path.display());
    let (model, unchecked) = read().map_err(named)?;
    if unchecked.is_empty() || cfg!(target_family = "wasm") {
        external::check(&unchecked).map_err(named)?;
        return then(model).map_err(named);
    }
    std::thread::scope(|scope| {
        let checked = scope.spawn(|| external::check(&unchecked));
        let made = then(model);
        checked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(named)?;
        made.map_err(named)
    })
}

/// Reads a model that has everything inside, for bytes have no folder to look in.
///
/// # Errors
/// `Model` where a constant lies in another file; else as [`decode`].
pub(crate) fn decode_whole(bytes: Bytes) -> Result<ModelProto> {
    let model = decode(bytes, "model")?;
    let mut constants = model.graph.iter().flat_map(|graph| &graph.initializer);
    match constants.find(|tensor| check::is_outside(tensor)) {
        None => Ok(model),
        Some(tensor) => Err(Error::new(
            ErrorKind::Model,
            format!("initializer '{}'", tensor.name),
            "elements in another file",
            "elements inside, for bytes have no folder: load such a model by its path",
        )),
    }
}

/// The value of one of the model's metadata entries.
///
/// # Errors
/// `Format` where the model has no such entry.
pub fn metadata<'a>(model: &'a ModelProto, key: &str) -> Result<&'a str> {
    let entry = model.metadata_props.iter().find(|entry| entry.key == key);
    entry.map(|entry| entry.value.as_str()).ok_or_else(|| {
        let expected = format!("'{key}', as `sparsecbm export` writes it");
        Error::new(ErrorKind::Format, "metadata_props", "no such entry", expected)
    })
}

/// Gives initializers of `model`, by their names, other elements of the same type and number.
pub(crate) fn replace_elements(
    model: &mut ModelProto,
    elements: impl IntoIterator<Item = (String, Bytes)>,
) {
    let elements: HashMap<String, Bytes> = elements.into_iter().collect();
    for tensor in model.graph.iter_mut().flat_map(|graph| &mut graph.initializer) {
        if let Some(bytes) = elements.get(&tensor.name) {
            tensor.raw_data = bytes.clone();
        }
    }
}
