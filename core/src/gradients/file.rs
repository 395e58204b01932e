use bytes::Bytes;

use super::description::Description;
use super::parts::{Part, Parts};
use crate::engine::{Device, LoadOptions};
use crate::error::Result;
use crate::onnx::{self, ModelProto};
use crate::schema::Schema;

/// A gradient file on an engine, without the model that it belongs to: masks are given with every call. To
/// check such a file against another evaluation; [`Gradients`](super::Gradients) is it with its model.
pub struct GradientFile {
    pub(super) description: Description,
    pub(super) parts: Parts,
    device: Device,
}

impl GradientFile {
    /// Loads a gradient file from memory, on the engine that [`Gradients::load`](super::Gradients::load) tells.
    ///
    /// # Errors
    /// `Format` where the bytes are no gradient file, `Version` where it is newer than this crate, `Model`
    /// where its parts contradict each other, `Unavailable` where the engine asked for is not there.
    pub fn from_bytes(bytes: impl Into<Bytes>, options: &LoadOptions) -> Result<GradientFile> {
        let file = onnx::decode_whole(bytes.into())?;
        let description = Description::read(&file)?;
        GradientFile::new(file, description, options)
    }

    pub(super) fn new(
        file: ModelProto,
        description: Description,
        options: &LoadOptions,
    ) -> Result<GradientFile> {
        let parts = Parts::new(file, &description, options);
        // What every use needs; the engine is found here.
        let device = parts.get(Part::Logits)?.device();
        Ok(GradientFile { description, parts, device })
    }

    /// What the concepts are.
    pub fn schema(&self) -> &Schema {
        &self.description.schema
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

impl std::fmt::Debug for GradientFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GradientFile").field("engine", &self.device.engine).finish_non_exhaustive()
    }
}
