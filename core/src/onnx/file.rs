//! The bytes of a file.

use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};

/// The size from which on a file is mapped. A smaller one is soon read, and may then be changed while its model lives.
const LARGE: u64 = 64 << 20;

/// The bytes of a file. The system reads those of a large one when they are looked at, and may forget them again: they
/// are not held twice.
pub(super) fn read(path: &Path) -> Result<Bytes> {
    let failed = |e: io::Error| {
        let place = path.display().to_string();
        Error::new(ErrorKind::Io, place, e.to_string(), "a readable file").caused_by(e)
    };
    let file = File::open(path).map_err(failed)?;
    match file.metadata().map_err(failed)? {
        about if about.is_file() && about.len() >= LARGE => mapped(&file).map_err(failed),
        _ => std::fs::read(path).map(Bytes::from).map_err(failed),
    }
}

#[cfg(not(target_family = "wasm"))]
fn mapped(file: &File) -> io::Result<Bytes> {
    // SAFETY: nobody may change the file as long as a model of it lives, as `Model::load` says. Nothing unsafe relies
    // on what the bytes are: sizes, indices and strings are checked and copied before they are used, the rest is
    // numbers.
    let map = unsafe { memmap2::Mmap::map(file) }?;
    Ok(Bytes::from_owner(map))
}

#[cfg(target_family = "wasm")]
fn mapped(mut file: &File) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes.into())
}
