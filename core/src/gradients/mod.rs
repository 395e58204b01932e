//! Gradients of a concept's logits, from the file that `sparsecbm export --with-gradients` writes beside a
//! model: `docs/reference/format.md`. Masks and concept are inputs of its graph, so that one loaded file serves every
//! concept under every edit.

mod batch;
mod description;
mod editor;
mod file;
mod parts;
mod point;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

#[doc(hidden)]
pub use self::batch::EmbeddingGradient;
use self::description::Description;
#[doc(hidden)]
pub use self::editor::MaskEditor;
#[doc(hidden)]
pub use self::file::GradientFile;
#[doc(hidden)]
pub use self::point::Point;
use crate::engine::{Device, LoadOptions};
use crate::error::Result;
use crate::model::Model;
use crate::onnx::{self, ModelProto};

/// A loaded gradient file. Cheap to clone; may be shared by threads.
#[derive(Clone)]
pub struct Gradients {
    inner: Arc<Inner>,
}

struct Inner {
    /// The model without patches that the file belongs to.
    model: Model,
    file: GradientFile,
}

impl Gradients {
    /// Loads the gradient file that belongs to `model`.
    ///
    /// It runs on the engine that `options` name, tract or ONNX Runtime; where they name the engine
    /// `sparse`, which runs no graphs, or none, on ONNX Runtime where there is one, else on tract.
    /// [`Gradients::device`] says which.
    ///
    /// # Errors
    /// `Io` where the file cannot be read, else as [`Gradients::from_bytes`]; the path is named.
    pub fn load(path: impl AsRef<Path>, model: &Model, options: &LoadOptions) -> Result<Gradients> {
        let path = path.as_ref();
        let file = onnx::read(path)?;
        Gradients::from_graph(file, model, options).map_err(|e| e.within(path.display()))
    }

    /// Loads the gradient file that belongs to `model` from memory, as [`Gradients::load`].
    ///
    /// # Errors
    /// `Format` where the bytes are no gradient file, `Version` where it is newer than this crate, `Input`
    /// where it belongs to another model, `Model` where its parts contradict each other, `Unavailable`
    /// where the engine asked for is not there.
    pub fn from_bytes(
        bytes: impl Into<Bytes>,
        model: &Model,
        options: &LoadOptions,
    ) -> Result<Gradients> {
        Gradients::from_graph(onnx::decode_whole(bytes.into())?, model, options)
    }

    fn from_graph(file: ModelProto, model: &Model, options: &LoadOptions) -> Result<Gradients> {
        let description = Description::read(&file)?;
        description.check_belongs(model)?;
        let file = GradientFile::new(file, description, options)?;
        Ok(Gradients { inner: Arc::new(Inner { model: model.original().clone(), file }) })
    }

    /// The model without patches that the gradients belong to.
    pub fn model(&self) -> &Model {
        &self.inner.model
    }

    /// Where they are computed.
    pub fn device(&self) -> &Device {
        self.inner.file.device()
    }

    /// What computes them.
    #[doc(hidden)]
    pub fn file(&self) -> &GradientFile {
        &self.inner.file
    }
}

impl std::fmt::Debug for Gradients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gradients")
            .field("model", self.model())
            .field("engine", &self.device().engine)
            .finish()
    }
}
