use std::path::Path;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use sparsecbm::format::{metadata, tensors};
use sparsecbm::onnx::{self, ModelProto, TensorProto};
use sparsecbm::{Error, ErrorKind, MaskStatistics, Result, Schema, schema};

use crate::checkpoint::Checkpoint;

/// What a checkpoint or an exported file is, without running it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// `checkpoint` or `exported`.
    pub kind: &'static str,
    /// The backbone's kind.
    pub backbone: String,
    /// Number of weights, each counted once however many masks keep it.
    pub parameters: usize,
    /// How the file was written: `sparsecbm.export` of its metadata; `None` for a checkpoint.
    pub export: Option<Value>,
    /// How many bytes each part takes.
    pub sizes: Sizes,
    /// How dense the masks are and how much they share.
    pub masks: MaskStatistics,
    /// Mean overlap of two different concepts; `None` for a single one.
    pub mean_overlap: Option<f64>,
    /// What the concepts and the label mean.
    pub schema: Schema,
}

/// Bytes of each part of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Weights of the backbone.
    pub weights: usize,
    /// Masks that are stored apart from the weights.
    pub masks: usize,
    /// Concept, label and effect heads.
    pub heads: usize,
    /// The tokenizer.
    pub tokenizer: usize,
}

/// Inspects a checkpoint's folder or an exported file.
///
/// # Errors
/// Those of [`Checkpoint::open`] for a folder. For a file `Io` where it cannot be read, `Format` where
/// it is not an exported model, `Version` where it is newer than this program.
pub fn inspect(path: impl AsRef<Path>) -> Result<Inspection> {
    let path = path.as_ref();
    if path.is_dir() {
        return of_checkpoint(&Checkpoint::open(path)?);
    }
    let place = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| {
        Error::new(ErrorKind::Io, &place, e.to_string(), "a checkpoint's folder or an ONNX file")
            .caused_by(e)
    })?;
    let model = onnx::decode(Bytes::from(bytes), &place)?;
    of_exported(&model).map_err(|e| e.within(&place))
}

fn of_checkpoint(checkpoint: &Checkpoint) -> Result<Inspection> {
    let masks = checkpoint.mask_statistics()?;
    let mut sizes = Sizes { tokenizer: checkpoint.tokenizer_json.len(), ..Sizes::default() };
    for name in checkpoint.tensors.names() {
        sizes.add(&name, checkpoint.tensors.size(&name));
    }
    Ok(Inspection {
        kind: "checkpoint",
        backbone: checkpoint.backbone().into(),
        parameters: checkpoint.parameters(),
        export: None,
        sizes,
        mean_overlap: masks.mean_overlap(),
        masks,
        schema: checkpoint.schema.clone(),
    })
}

fn of_exported(model: &ModelProto) -> Result<Inspection> {
    let entry = |key: &str| onnx::metadata(model, key);
    let broken = |key: &str, e: serde_json::Error| {
        Error::new(ErrorKind::Format, key, e.to_string(), "what `sparsecbm export` writes")
    };
    schema::check_version(entry(metadata::VERSION)?, metadata::VERSION)?;
    let schema = Schema::from_json(entry(metadata::SCHEMA)?.as_bytes(), metadata::SCHEMA)?;
    let masks: MaskStatistics =
        serde_json::from_str(entry(metadata::MASKS)?).map_err(|e| broken(metadata::MASKS, e))?;
    let export: Value =
        serde_json::from_str(entry(metadata::EXPORT)?).map_err(|e| broken(metadata::EXPORT, e))?;
    let mut sizes = Sizes { tokenizer: entry(metadata::TOKENIZER)?.len(), ..Sizes::default() };
    for tensor in model.graph.iter().flat_map(|graph| &graph.initializer) {
        sizes.add(&tensor.name, size(tensor));
    }
    Ok(Inspection {
        kind: "exported",
        backbone: export["backbone"].as_str().unwrap_or_default().into(),
        parameters: export["parameters"].as_u64().unwrap_or_default() as usize,
        export: Some(export),
        sizes,
        mean_overlap: masks.mean_overlap(),
        masks,
        schema,
    })
}

impl Sizes {
    /// Counts a tensor of a checkpoint or a file; both use the same names.
    fn add(&mut self, tensor: &str, bytes: usize) {
        let part = if tensors::masked_layer(tensor).is_some() {
            &mut self.masks
        } else if tensors::HEADS.iter().any(|head| tensor.starts_with(head)) {
            &mut self.heads
        } else {
            &mut self.weights
        };
        *part += bytes;
    }
}

/// Bytes of a tensor, in the file or in the one beside it.
fn size(tensor: &TensorProto) -> usize {
    let outside = tensor.external_data.iter().find(|entry| entry.key == "length");
    outside.and_then(|entry| entry.value.parse().ok()).unwrap_or(tensor.raw_data.len())
}
