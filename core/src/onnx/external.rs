use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::check::{check_tensor, is_outside};
use super::{ModelProto, TensorProto, read_bytes};
use crate::error::{Error, ErrorKind, Result};

/// Brings in the elements that lie in files beside the model, which is in `folder`.
///
/// A model may come from a stranger, so only plain names of files in that folder are followed, and no link
/// that leads out of it. Each file is read once. Where the model tells a file's checksum, as ONNX has it, the file is
/// that model's own: neither another's of the same shape, nor one that was put in its place since the model was read.
///
/// # Errors
/// `Model` where a location is not such a name, or the file has another checksum or does not hold what the tensor's
/// shape says;
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

/// A file beside the model.
struct DataFile {
    bytes: Bytes,
    /// Its SHA-1 in hexadecimal digits, made when a tensor tells what it should be.
    checksum: Option<String>,
}

/// The elements of a tensor outside; `files` holds what was read before.
fn elements(
    tensor: &TensorProto,
    folder: &Path,
    files: &mut HashMap<String, DataFile>,
) -> Result<Bytes> {
    let place = format!("initializer '{}': external_data", tensor.name);
    let wrong =
        |found: String, expected: String| Error::new(ErrorKind::Model, &place, found, expected);
    let value = |key: &str| {
        let entry = tensor.external_data.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.as_str())
    };
    let location = value("location").unwrap_or_default();
    let DataFile { bytes: file, checksum } = match files.entry(location.into()) {
        Entry::Occupied(read) => read.into_mut(),
        Entry::Vacant(place) => {
            let path = inside(folder, location).ok_or_else(|| {
                let expected = "the name of a file beside the model";
                wrong(format!("location '{location}'"), expected.into())
            })?;
            place.insert(DataFile { bytes: read_bytes(&path)?, checksum: None })
        }
    };
    if let Some(expected) = value("checksum") {
        let found = checksum.get_or_insert_with(|| hexadecimal(&Sha1::digest(&*file)));
        if !found.eq_ignore_ascii_case(expected) {
            return Err(wrong(
                format!("'{location}' with checksum {found}"),
                format!("checksum {expected}: the file that was written with the model"),
            ));
        }
    }
    let number = |key: &str, default: usize| match value(key) {
        None => Ok(default),
        Some(text) => {
            let wrong = || wrong(format!("{key} '{text}'"), "a number of bytes".into());
            text.parse().map_err(|e: std::num::ParseIntError| wrong().caused_by(e))
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

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
