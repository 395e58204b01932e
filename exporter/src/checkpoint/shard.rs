use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use sparsecbm::{Error, ErrorKind, Result};

/// The largest header that is read, in bytes: the format's own limit.
const LARGEST_HEADER: u64 = 100_000_000;
/// How much of a tensor is read at once: a multiple of every element's size.
const PIECE: usize = 1 << 20;

/// One safetensors file. Its header alone is in memory; tensors are read when they are asked for.
pub(super) struct Shard {
    pub(super) place: String,
    file: Mutex<File>,
    metadata: Metadata,
    data_start: u64,
}

impl Shard {
    pub(super) fn read(path: &Path) -> Result<Shard> {
        let place = path.display().to_string();
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::Io, &place, e.to_string(), "a readable file").caused_by(e)
        };
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let broken = |e| broken(e, &place, length);
        // The file begins with the header's length.
        let mut header_length = [0; size_of::<u64>()];
        let rest = length
            .checked_sub(header_length.len() as u64)
            .ok_or_else(|| broken(SafeTensorError::HeaderTooSmall))?;
        file.read_exact(&mut header_length).map_err(failed)?;
        let header_length = u64::from_le_bytes(header_length);
        if header_length > LARGEST_HEADER {
            return Err(broken(SafeTensorError::HeaderTooLarge));
        }
        if header_length > rest {
            return Err(broken(SafeTensorError::InvalidHeaderLength));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(failed)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|e| broken(SafeTensorError::InvalidHeaderDeserialization(e)))?;
        if metadata.data_len() as u64 != rest - header_length {
            return Err(broken(SafeTensorError::MetadataIncompleteBuffer));
        }
        let data_start = length - metadata.data_len() as u64;
        Ok(Shard { place, file: Mutex::new(file), metadata, data_start })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    pub(super) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.metadata.info(name)
    }

    /// Calls `read` with a tensor's bytes, piece by piece; no element is divided.
    pub(super) fn pieces(&self, info: &TensorInfo, read: impl FnMut(&[u8])) -> Result<()> {
        let (start, end) = info.data_offsets;
        self.within(info, 0..end - start, read)
    }

    /// Calls `read` with some of a tensor's bytes, piece by piece.
    pub(super) fn within(
        &self,
        info: &TensorInfo,
        range: Range<usize>,
        mut read: impl FnMut(&[u8]),
    ) -> Result<()> {
        let start = info.data_offsets.0 + range.start;
        let failed = |e: std::io::Error| {
            let expected = "the tensors that were there when the file was opened";
            Error::new(ErrorKind::Io, &self.place, e.to_string(), expected).caused_by(e)
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.data_start + start as u64)).map_err(failed)?;
        let mut left = range.len();
        let mut piece = vec![0; left.min(PIECE)];
        while left > 0 {
            let own = &mut piece[..left.min(PIECE)];
            file.read_exact(own).map_err(failed)?;
            read(own);
            left -= own.len();
        }
        Ok(())
    }
}

/// A tensor that stands in memory in the place of a file's.
pub(super) struct Replacement {
    pub(super) info: TensorInfo,
    pub(super) bytes: Vec<u8>,
}

impl Replacement {
    pub(super) fn new(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Replacement {
        let info = TensorInfo { dtype, shape, data_offsets: (0, bytes.len()) };
        Replacement { info, bytes }
    }
}

fn broken(error: SafeTensorError, place: &str, length: u64) -> Error {
    let (found, expected) = match error {
        SafeTensorError::MetadataIncompleteBuffer => {
            (format!("{length} bytes"), "as many as the file's header says: it is truncated")
        }
        SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength => {
            (format!("{length} bytes"), "a whole safetensors header: the file is truncated")
        }
        ref other => (other.to_string(), "a safetensors file"),
    };
    Error::new(ErrorKind::Format, place, found, expected).caused_by(error)
}
