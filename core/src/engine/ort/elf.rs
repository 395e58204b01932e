//! Whether an ELF file is whole. The loader maps a library without asking: reading beyond the end of one
//! that was cut short kills the process.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Whether a segment that the loader would map lies beyond the end of the file. `false` for a file that is not
/// little-endian 64-bit ELF: the loader refuses such a file itself.
pub(super) fn is_cut_short(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    match last_segment_end(&mut file) {
        Ok(end) => Ok(end > length),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(true),
        Err(e) => Err(e),
    }
}

/// Where the last loaded segment ends in the file; 0 where the file is of another kind.
fn last_segment_end(file: &mut File) -> io::Result<u64> {
    const LOADED: u64 = 1;
    let mut header = [0; 64];
    let read = file.by_ref().take(64).read(&mut header)?;
    if !header[..read].starts_with(b"\x7fELF\x02\x01") {
        return Ok(0);
    }
    if read < header.len() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let (size, count) = (number(&header[0x36..0x38]) as usize, number(&header[0x38..0x3a]));
    file.seek(SeekFrom::Start(number(&header[0x20..0x28])))?;
    let mut end = 0;
    for _ in 0..count {
        let mut segment = vec![0; size.max(56)];
        file.read_exact(&mut segment)?;
        if number(&segment[..4]) == LOADED {
            let (offset, bytes) = (number(&segment[8..16]), number(&segment[32..40]));
            end = end.max(offset.saturating_add(bytes));
        }
    }
    Ok(end)
}

fn number(little_endian: &[u8]) -> u64 {
    little_endian.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}
