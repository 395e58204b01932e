use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::check::{check_tensor, is_outside};
use super::{ModelProto, TensorProto, file};
use crate::error::{Error, ErrorKind, Result};

/// Brings in the elements that lie in files beside the model, which is in `folder`.
///
/// A model may come from a stranger, so only plain names of files in that folder are followed, and no link
/// that leads out of it. Each file is read once. Gives what is yet to be checked with [`check`].
///
/// # Errors
/// `Model` where a location is not such a name, or the file does not hold what the tensor's shape says;
/// `Io` where a file cannot be read.
pub(super) fn attach(model: &mut ModelProto, folder: &Path) -> Result<Vec<Unchecked>> {
    let (mut files, mut unchecked) = (HashMap::new(), Vec::new());
    let constants = model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
    for tensor in constants.filter(|tensor| is_outside(tensor)) {
        tensor.raw_data = elements(tensor, folder, &mut files, &mut unchecked)?;
        tensor.external_data.clear();
        tensor.data_location = 0;
        check_tensor(tensor).map_err(|e| e.within("initializer"))?;
    }
    Ok(unchecked)
}

/// A file beside the model, and the checksum that a tensor tells of it.
pub(super) struct Unchecked {
    /// Where the tensor tells it.
    place: String,
    location: String,
    bytes: Bytes,
    expected: String,
}

/// Goes on where every file has the SHA-1 that is told of it: then it is that model's own, neither another's of the
/// same shape, nor one that was put in its place since the model was read.
///
/// # Errors
/// `Model` where it has another.
pub(super) fn check(files: &[Unchecked]) -> Result<()> {
    let mut found: HashMap<&str, String> = HashMap::new();
    for Unchecked { place, location, bytes, expected } in files {
        let own = || hexadecimal(&Sha1::digest(bytes));
        let found = found.entry(location).or_insert_with(own);
        if !found.eq_ignore_ascii_case(expected) {
            return Err(Error::new(
                ErrorKind::Model,
                place,
                format!("'{location}' with checksum {found}"),
                format!("checksum {expected}: the file that was written with the model"),
            ));
        }
    }
    Ok(())
}

/// The elements of a tensor outside; `files` holds what was read before, `unchecked` what is told of files.
fn elements(
    tensor: &TensorProto,
    folder: &Path,
    files: &mut HashMap<String, Bytes>,
    unchecked: &mut Vec<Unchecked>,
) -> Result<Bytes> {
    let place = format!("initializer '{}': external_data", tensor.name);
    let wrong =
        |found: String, expected: String| Error::new(ErrorKind::Model, &place, found, expected);
    let value = |key: &str| {
        let entry = tensor.external_data.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.as_str())
    };
    let location = value("location").unwrap_or_default();
    let file: &Bytes = match files.entry(location.into()) {
        Entry::Occupied(read) => read.into_mut(),
        Entry::Vacant(place) => {
            let path = inside(folder, location).ok_or_else(|| {
                let expected = "the name of a file beside the model";
                wrong(format!("location '{location}'"), expected.into())
            })?;
            place.insert(file::read(&path)?)
        }
    };
    if let Some(expected) = value("checksum") {
        let told = |other: &Unchecked| other.location == location && other.expected == expected;
        if !unchecked.iter().any(told) {
            unchecked.push(Unchecked {
                place: place.clone(),
                location: location.into(),
                bytes: file.clone(),
                expected: expected.into(),
            });
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
