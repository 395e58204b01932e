//! What an exported file says of its model, apart from the graph and the tokenizer.

use crate::error::{Error, ErrorKind, Result};
use crate::format::metadata;
use crate::masks::MaskStatistics;
use crate::onnx::{self, ModelProto};
use crate::schema::{self, Schema};

/// The metadata of an exported file.
pub(crate) struct Exported {
    pub schema: Schema,
    pub masks: MaskStatistics,
    pub origin: Origin,
}

/// What a file says of where it comes from; files of older exporters do not say all.
#[derive(Clone)]
pub(crate) struct Origin {
    /// What tells the checkpoint from any other.
    pub checkpoint: Option<String>,
    /// How weights are stored, as the exporter calls it.
    pub weights: Option<String>,
    /// Heads of each attention layer.
    pub attention_heads: Option<usize>,
}

impl Exported {
    /// # Errors
    /// `Format` where the file is not an exported one, `Version` where it is newer than this crate, `Model` where the
    /// schema contradicts itself.
    pub fn read(file: &ModelProto) -> Result<Exported> {
        let entry = |key: &str| onnx::metadata(file, key);
        schema::check_version(entry(metadata::VERSION)?, metadata::VERSION)?;
        let schema = Schema::from_json(entry(metadata::SCHEMA)?.as_bytes(), metadata::SCHEMA)?;
        let masks = serde_json::from_str(entry(metadata::MASKS)?).map_err(|e| {
            let expected = "what `sparsecbm export` writes";
            Error::new(ErrorKind::Format, metadata::MASKS, e.to_string(), expected).caused_by(e)
        })?;
        let export = entry(metadata::EXPORT).unwrap_or_default();
        let export: serde_json::Value = serde_json::from_str(export).unwrap_or_default();
        let heads = export[metadata::ATTENTION_HEADS].as_u64();
        let origin = Origin {
            checkpoint: entry(metadata::CHECKPOINT).ok().map(str::to_string),
            weights: export[metadata::WEIGHTS].as_str().map(str::to_string),
            attention_heads: heads.and_then(|heads| usize::try_from(heads).ok()),
        };
        Ok(Exported { schema, masks, origin })
    }
}
