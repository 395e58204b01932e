use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use super::check::{check_tensor, is_outside};
use super::{ModelProto, TensorProto, read_bytes};
use crate::{Error, ErrorKind, Result};

/// Brings in the elements that lie in files beside the model, which is in `folder`.
///
/// A model may come from a stranger, so only plain names of files in that folder are followed, and no link
/// that leads out of it.
///
/// # Errors
/// `Model` where a location is not such a name, or the file does not hold what the tensor's shape says;
/// `Io` where a file cannot be read.
pub(super) fn attach(model: &mut ModelProto, folder: &Path) -> Result<()> {
    let mut files = HashMap::new();
    let constants = model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
    for tensor in constants.filter(|tensor| is_outside(tensor)) {
        tensor.raw_data = elements(tensor, folder, &mut files)?;
        tensor.external_data.clear();
        tensor.data_location = 0;
        check_tensor(tensor).map_err(|e| e.within("initializer"))?;
    }
    Ok(())
}

/// The elements of a tensor outside; `files` holds what was read before.
fn elements(
    tensor: &TensorProto,
    folder: &Path,
    files: &mut HashMap<String, Bytes>,
) -> Result<Bytes> {
    let place = format!("initializer '{}': external_data", tensor.name);
    let wrong =
        |found: String, expected: String| Error::new(ErrorKind::Model, &place, found, expected);
    let value = |key: &str| {
        let entry = tensor.external_data.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.as_str())
    };
    let location = value("location").unwrap_or_default();
    if !files.contains_key(location) {
        let path = inside(folder, location).ok_or_else(|| {
            wrong(format!("location '{location}'"), "the name of a file beside the model".into())
        })?;
        files.insert(location.into(), read_bytes(&path)?);
    }
    let file = &files[location];
    let number = |key: &str, default: usize| match value(key) {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|_| wrong(format!("{key} '{text}'"), "a number of bytes".into()))
        }
    };
    let start = number("offset", 0)?;
    let length = number("length", file.len().saturating_sub(start))?;
    match start.checked_add(length) {
        Some(end) if end <= file.len() => Ok(file.slice(start..end)),
        _ => Err(wrong(
            format!("{length} bytes at {start}"),
            format!("a part of the {} bytes of '{location}'", file.len()),
        )),
    }
}

/// The file called `location` in `folder`, if it is one and really lies there.
fn inside(folder: &Path, location: &str) -> Option<PathBuf> {
    let mut parts = Path::new(location).components();
    let (Some(Component::Normal(_)), None) = (parts.next(), parts.next()) else { return None };
    let folder = folder.canonicalize().ok()?;
    // A file that is not there is an error of reading it, not of its name.
    let path = folder.join(location);
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    (real.parent() == Some(&folder)).then_some(path)
}
