//! Which weights each concept uses, from the exported file alone.

mod layer;
mod report;
mod responsibility;

use std::path::Path;

use bytes::Bytes;
use layer::Layer;
pub use report::{LayerSubnetworks, SubnetworkReport, Units};
pub use responsibility::{Loss, Responsibility, SwitchedOff};

use crate::onnx::{self, ModelProto};
use crate::{
    Error, ErrorKind, LoadOptions, MaskBits, MaskPatch, MaskStatistics, Model, Result, Schema,
};
use crate::{edit, schema};

/// The masks of an exported file.
///
/// They are read apart from a [`Model`], which does not need them once it is loaded: a value of this type keeps the
/// whole file in memory. Where both are wanted, [`Subnetworks::model`] loads the model of the same bytes.
pub struct Subnetworks {
    file: ModelProto,
    schema: Schema,
    /// Heads of each attention layer, where the file tells.
    attention_heads: Option<usize>,
    layers: Vec<Layer>,
}

impl Subnetworks {
    /// Reads the masks of an exported file.
    ///
    /// # Errors
    /// `Io` where the file cannot be read, else as [`Subnetworks::from_bytes`]; the path is named.
    pub fn load(path: impl AsRef<Path>) -> Result<Subnetworks> {
        let path = path.as_ref();
        Subnetworks::from_graph(onnx::read(path)?).map_err(|e| e.within(path.display()))
    }

    /// Reads the masks of an exported file from memory. In a model of `as-executed` semantics every
    /// concept uses mask 0.
    ///
    /// # Errors
    /// `Format` where the bytes are not an exported file, `Version` where it is newer than this crate,
    /// `Model` where masks are missing or do not have the shape that the metadata says.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Subnetworks> {
        Subnetworks::from_graph(onnx::decode_whole(bytes.into())?)
    }

    fn from_graph(file: ModelProto) -> Result<Subnetworks> {
        let metadata = |key: &str| onnx::metadata(&file, key);
        schema::check_version(metadata("sparsecbm.version")?, "sparsecbm.version")?;
        let schema =
            Schema::from_json(metadata("sparsecbm.schema")?.as_bytes(), "sparsecbm.schema")?;
        let masks = statistics(&file)?;
        let export: serde_json::Value = serde_json::from_str(metadata("sparsecbm.export")?)
            .map_err(|e| broken("sparsecbm.export", e))?;
        let layers = masks.layers.iter().map(|layer| Layer::read(&file, &schema, layer));
        Ok(Subnetworks {
            layers: layers.collect::<Result<_>>()?,
            attention_heads: export["attention_heads"].as_u64().map(|heads| heads as usize),
            schema,
            file,
        })
    }

    /// The masks with these patches, applied in this order, as
    /// [`Model::with_patches`] applies them to the model of the file.
    ///
    /// # Errors
    /// `Input` where a patch does not fit the file, or the file holds its masks folded into the weights.
    pub fn with_patches(mut self, patches: &[MaskPatch]) -> Result<Subnetworks> {
        if patches.is_empty() {
            return Ok(self);
        }
        let layers = statistics(&self.file)?.layers;
        let mut matrices = MaskBits::read_all(&self.file, &layers, self.schema.concept_count())?;
        edit::apply(patches, &self.schema, &mut matrices)?;
        MaskBits::write_all(&matrices, &mut self.file);
        Subnetworks::from_graph(self.file)
    }

    /// The model of these masks: that of the same file, even where another one has taken its place since.
    ///
    /// # Errors
    /// As [`Model::from_bytes`].
    pub fn model(&self, options: &LoadOptions) -> Result<Model> {
        Model::from_graph(self.file.clone(), options)
    }

    /// What the concepts are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

fn statistics(file: &ModelProto) -> Result<MaskStatistics> {
    let key = "sparsecbm.masks";
    serde_json::from_str(onnx::metadata(file, key)?).map_err(|e| broken(key, e))
}

fn broken(key: &str, error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Format, key, error.to_string(), "what `sparsecbm export` writes")
}

impl std::fmt::Debug for Subnetworks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
        f.debug_struct("Subnetworks").field("layers", &names).finish_non_exhaustive()
    }
}
