use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorInfo};
use serde::Deserialize;
use sparsecbm::{Error, ErrorKind, Result};

use super::shard::{Replacement, Shard};

/// The tensors of a checkpoint, read and converted on demand.
pub(crate) struct Tensors {
    /// What is named in errors about tensors that no file holds.
    place: String,
    shards: Vec<Shard>,
    /// Where a tensor is.
    holders: HashMap<String, Holder>,
}

enum Holder {
    /// In one of the shards.
    Shard(usize),
    Memory(Replacement),
}

/// What says which file holds which tensor, as Hugging Face writes it.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

const FILE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

impl Tensors {
    /// Reads `model.safetensors` in `folder`, or the files that `model.safetensors.index.json` names.
    pub(crate) fn read(folder: &Path) -> Result<Tensors> {
        let index = folder.join(INDEX);
        if folder.join(FILE).exists() || !index.exists() {
            let shard = Shard::read(&folder.join(FILE))?;
            let place = shard.place.clone();
            let holders = shard.names().into_iter().map(|name| (name, Holder::Shard(0))).collect();
            return Ok(Tensors { place, shards: vec![shard], holders });
        }
        let place = index.display().to_string();
        let wrong = |found: String, expected: &str| {
            Error::new(ErrorKind::Format, format!("{place}: weight_map"), found, expected)
        };
        let Index { weight_map } = serde_json::from_str(&super::read_text(&index)?)
            .map_err(|e| wrong(e.to_string(), "each tensor's file as JSON").caused_by(e))?;
        let files: BTreeSet<&String> = weight_map.values().collect();
        let files: Vec<&String> = files.into_iter().collect();
        // A file of the folder, never one elsewhere.
        let outside = |file: &&&String| Path::new(file).file_name() != Some((**file).as_ref());
        if let Some(file) = files.iter().find(outside) {
            return Err(wrong(
                format!("'{file}'"),
                "the name of a file in the checkpoint's folder",
            ));
        }
        let shards: Vec<Shard> =
            files.iter().map(|file| Shard::read(&folder.join(file))).collect::<Result<_>>()?;
        let mut holders = HashMap::new();
        for (name, file) in &weight_map {
            let holder = files.binary_search(&file).expect("every file was collected");
            if shards[holder].info(name).is_none() {
                return Err(wrong(format!("'{name}' in '{file}'"), "a tensor that the file holds"));
            }
            holders.insert(name.clone(), Holder::Shard(holder));
        }
        Ok(Tensors { place, shards, holders })
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.holders.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Calls `read` with every tensor's name, type, shape and bytes, by name.
    pub(crate) fn each(&self, mut read: impl FnMut(&str, Dtype, &[usize], &[u8])) -> Result<()> {
        for name in self.names() {
            let info = self.info(&name)?;
            read(&name, info.dtype, &info.shape, &self.data(&name)?);
        }
        Ok(())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.holders.contains_key(name)
    }

    /// The tensor's shape.
    pub(crate) fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.info(name)?.shape)
    }

    /// How many bytes the tensor takes; 0 where there is none.
    pub(crate) fn size(&self, name: &str) -> usize {
        self.held(name).map_or(0, |info| info.data_offsets.1 - info.data_offsets.0)
    }

    /// Checks that a tensor of floats is there, with this shape.
    pub(crate) fn expect_floats(&self, name: &str, shape: &[usize]) -> Result<()> {
        let Some(info) = self.held(name) else {
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
        let mut values = Vec::with_capacity(info.shape.iter().product());
        match info.dtype {
            Dtype::F32 => self.pieces(name, |bytes| {
                values.extend(elements(bytes).map(f32::from_le_bytes));
            }),
            Dtype::F16 => self.pieces(name, |bytes| {
                values.extend(elements(bytes).map(|b| f16::from_le_bytes(b).to_f32()));
            }),
            Dtype::BF16 => self.pieces(name, |bytes| {
                values.extend(elements(bytes).map(|b| bf16::from_le_bytes(b).to_f32()));
            }),
            other => Err(self.wrong(name, format!("{other:?}"), "F32, F16 or BF16")),
        }?;
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(self.wrong(name, value.to_string(), "finite numbers")),
            None => Ok(values),
        }
    }

    /// Puts floats in the place of a tensor.
    pub(crate) fn replace(&mut self, name: &str, shape: Vec<usize>, values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let replacement = Replacement::new(Dtype::F32, shape, bytes);
        self.holders.insert(name.into(), Holder::Memory(replacement));
    }

    /// Puts bytes in the place of a tensor.
    pub(crate) fn replace_bytes(&mut self, name: &str, shape: Vec<usize>, bytes: Vec<u8>) {
        let replacement = Replacement::new(Dtype::U8, shape, bytes);
        self.holders.insert(name.into(), Holder::Memory(replacement));
    }

    /// Forgets a tensor.
    pub(crate) fn remove(&mut self, name: &str) {
        self.holders.remove(name);
    }

    /// The elements of a tensor of type U8.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let info = self.info(name)?;
        if info.dtype != Dtype::U8 {
            return Err(self.wrong(name, format!("{:?}", info.dtype), "U8"));
        }
        self.data(name)
    }

    /// Some of the elements of a tensor of type U8.
    pub(crate) fn bytes_within(&self, name: &str, range: Range<usize>) -> Result<Vec<u8>> {
        let info = self.info(name)?;
        if info.dtype != Dtype::U8 {
            return Err(self.wrong(name, format!("{:?}", info.dtype), "U8"));
        }
        match self.holders.get(name) {
            Some(Holder::Memory(replacement)) => Ok(replacement.bytes[range].to_vec()),
            Some(Holder::Shard(index)) => {
                let mut bytes = Vec::with_capacity(range.len());
                self.shards[*index].within(info, range, |piece| bytes.extend_from_slice(piece))?;
                Ok(bytes)
            }
            None => Err(self.missing(name)),
        }
    }

    /// The elements of a tensor of type F32, U8 or BOOL, each of which must be 0 or 1.
    pub(crate) fn zeros_and_ones(&self, name: &str) -> Result<Vec<bool>> {
        let info = self.info(name)?;
        let values: Vec<f32> = match info.dtype {
            Dtype::F32 => self.floats(name)?,
            Dtype::U8 | Dtype::BOOL => self.data(name)?.into_iter().map(f32::from).collect(),
            other => return Err(self.wrong(name, format!("{other:?}"), "F32, U8 or BOOL")),
        };
        match values.iter().find(|&&value| value != 0.0 && value != 1.0) {
            Some(value) => Err(self.wrong(name, value.to_string(), "0 or 1")),
            None => Ok(values.into_iter().map(|value| value == 1.0).collect()),
        }
    }

    /// An error about a tensor.
    pub(crate) fn wrong(
        &self,
        name: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        let place = match self.holders.get(name) {
            Some(Holder::Shard(index)) => &self.shards[*index].place,
            Some(Holder::Memory(_)) | None => &self.place,
        };
        Error::new(ErrorKind::Model, format!("{place}: {name}"), found, expected)
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.held(name).ok_or_else(|| self.missing(name))
    }

    fn held(&self, name: &str) -> Option<&TensorInfo> {
        match self.holders.get(name)? {
            Holder::Shard(index) => self.shards[*index].info(name),
            Holder::Memory(replacement) => Some(&replacement.info),
        }
    }

    /// A tensor's bytes.
    fn data(&self, name: &str) -> Result<Vec<u8>> {
        let mut all = Vec::with_capacity(self.size(name));
        self.pieces(name, |bytes| all.extend_from_slice(bytes))?;
        Ok(all)
    }

    /// Calls `read` with a tensor's bytes, piece by piece; no element is divided.
    fn pieces(&self, name: &str, mut read: impl FnMut(&[u8])) -> Result<()> {
        match self.holders.get(name).ok_or_else(|| self.missing(name))? {
            Holder::Shard(index) => self.shards[*index].pieces(self.info(name)?, read),
            Holder::Memory(replacement) => {
                read(&replacement.bytes);
                Ok(())
            }
        }
    }

    fn missing(&self, name: &str) -> Error {
        self.wrong(name, "no such tensor", "a tensor of that name")
    }
}

fn elements<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}
