use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use safetensors::{SafeTensorError, SafeTensors};
use sparsecbm::{Error, ErrorKind, Result};

/// The tensors of a safetensors file, converted on demand.
pub(crate) struct Tensors {
    place: String,
    bytes: Vec<u8>,
    metadata: Metadata,
    data_start: usize,
}

impl Tensors {
    pub(crate) fn read(path: &Path) -> Result<Tensors> {
        let place = path.display().to_string();
        let bytes = super::read(path)?;
        let (header, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|e| broken(e, &place, bytes.len()))?;
        // The file begins with the header's length, as eight bytes.
        let data_start = header + size_of::<u64>();
        Ok(Tensors { place, bytes, metadata, data_start })
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// The tensor's shape.
    pub(crate) fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.info(name)?.shape)
    }

    /// How many bytes the tensor takes; 0 where there is none.
    pub(crate) fn size(&self, name: &str) -> usize {
        self.metadata.info(name).map_or(0, |info| self.data(info).len())
    }

    /// Checks that a tensor of floats is there, with this shape.
    pub(crate) fn expect_floats(&self, name: &str, shape: &[usize]) -> Result<()> {
        let Some(info) = self.metadata.info(name) else {
            let expected = format!("floats of shape {shape:?}");
            return Err(self.wrong(name, "no such tensor", expected));
        };
        if !matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(self.wrong(name, format!("{:?}", info.dtype), "F32, F16 or BF16"));
        }
        self.expect_shape(name, shape)
    }

    /// Checks the shape of a tensor.
    pub(crate) fn expect_shape(&self, name: &str, shape: &[usize]) -> Result<()> {
        let found = self.shape(name)?;
        if found != shape {
            let expected = format!("shape {shape:?}");
            return Err(self.wrong(name, format!("shape {found:?}"), expected));
        }
        Ok(())
    }

    /// The elements of a float tensor as f32, which holds each of the types exactly.
    pub(crate) fn floats(&self, name: &str) -> Result<Vec<f32>> {
        let info = self.info(name)?;
        let bytes = self.data(info);
        let values: Vec<f32> = match info.dtype {
            Dtype::F32 => pieces(bytes).map(f32::from_le_bytes).collect(),
            Dtype::F16 => pieces(bytes).map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => pieces(bytes).map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            other => return Err(self.wrong(name, format!("{other:?}"), "F32, F16 or BF16")),
        };
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(self.wrong(name, value.to_string(), "finite numbers")),
            None => Ok(values),
        }
    }

    /// The elements of a tensor of type U8.
    pub(crate) fn bytes(&self, name: &str) -> Result<&[u8]> {
        let info = self.info(name)?;
        if info.dtype != Dtype::U8 {
            return Err(self.wrong(name, format!("{:?}", info.dtype), "U8"));
        }
        Ok(self.data(info))
    }

    /// The elements of a tensor of type F32, U8 or BOOL, each of which must be 0 or 1.
    pub(crate) fn zeros_and_ones(&self, name: &str) -> Result<Vec<bool>> {
        let info = self.info(name)?;
        let bytes = self.data(info);
        let values: Vec<f32> = match info.dtype {
            Dtype::F32 => pieces(bytes).map(f32::from_le_bytes).collect(),
            Dtype::U8 | Dtype::BOOL => bytes.iter().map(|&byte| byte.into()).collect(),
            other => return Err(self.wrong(name, format!("{other:?}"), "F32, U8 or BOOL")),
        };
        match values.iter().find(|&&value| value != 0.0 && value != 1.0) {
            Some(value) => Err(self.wrong(name, value.to_string(), "0 or 1")),
            None => Ok(values.into_iter().map(|value| value == 1.0).collect()),
        }
    }

    /// An error about a tensor of this file.
    pub(crate) fn wrong(
        &self,
        name: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        Error::new(ErrorKind::Model, format!("{}: {name}", self.place), found, expected)
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.metadata
            .info(name)
            .ok_or_else(|| self.wrong(name, "no such tensor", "a tensor of that name"))
    }

    fn data(&self, info: &TensorInfo) -> &[u8] {
        let (start, end) = info.data_offsets;
        // Within the file: `read_metadata` compared the offsets with its length.
        &self.bytes[self.data_start + start..self.data_start + end]
    }
}

fn pieces<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
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
