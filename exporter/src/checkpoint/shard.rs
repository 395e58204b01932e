use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use sparsecbm::{Error, ErrorKind, Result};

/// One safetensors file.
pub(super) struct Shard {
    pub(super) place: String,
    bytes: Vec<u8>,
    metadata: Metadata,
    data_start: usize,
}

impl Shard {
    pub(super) fn read(path: &Path) -> Result<Shard> {
        Shard::of_bytes(path.display().to_string(), super::read(path)?)
    }

    fn of_bytes(place: String, bytes: Vec<u8>) -> Result<Shard> {
        let (header, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|e| broken(e, &place, bytes.len()))?;
        // The file begins with the header's length, as eight bytes.
        let data_start = header + size_of::<u64>();
        Ok(Shard { place, bytes, metadata, data_start })
    }

    /// One tensor in memory.
    pub(super) fn of_floats(name: &str, shape: Vec<usize>, values: &[f32]) -> Shard {
        let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, shape, &values).expect("a value an element");
        let bytes = safetensors::serialize([(name, view)], None).expect("a view is written");
        Shard::of_bytes(name.into(), bytes).expect("what was written can be read")
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    pub(super) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.metadata.info(name)
    }

    pub(super) fn data(&self, info: &TensorInfo) -> &[u8] {
        let (start, end) = info.data_offsets;
        // Within the file: `read_metadata` compared the offsets with its length.
        &self.bytes[self.data_start + start..self.data_start + end]
    }
}

fn broken(error: SafeTensorError, place: &str, length: usize) -> Error {
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
