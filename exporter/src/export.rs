use bytes::Bytes;
use serde::Serialize;
use sparsecbm::format::metadata;
use sparsecbm::{MaskStatistics, Result};

use crate::check::{CheckReport, check};
use crate::checkpoint::Checkpoint;
use crate::graph::{self, OPSET};
use crate::layout::Layout;
use crate::options::ExportOptions;
use crate::streaming::StreamingModel;
use crate::weights::{MaskForm, WeightForm};

/// Versions of the exported file's format (`docs/reference/format.md`): a checkpoint of format 1.0 gives a file of 1.0,
/// which older readers read, and any newer one the newest.
const OLDEST_FORMAT: &str = "1.0";
const NEWEST_FORMAT: &str = "1.1";

/// An exported model. Weights and masks are still in the checkpoint: they are read, one tensor after the other, when
/// the model is written.
#[derive(Debug, Clone)]
pub struct Exported<'a> {
    pub(crate) model: StreamingModel<'a>,
    /// What is written and what the check found.
    pub report: ExportReport,
}

impl Exported<'_> {
    /// The ONNX file in memory, everything inside.
    ///
    /// # Errors
    /// As [`Exported::write_to`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.model.to_bytes()
    }
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportReport {
    /// How the file was written: what `sparsecbm.export` in its metadata says too.
    #[serde(flatten)]
    pub description: Description,
    /// Size of the file.
    pub bytes: usize,
    /// How many weights were left out since a mask of whole rows does not keep theirs, each counted for each
    /// concept whose matrix it would be in. Only folded files with a branch a concept leave any out.
    pub removed_weights: usize,
    /// How dense the masks are and how much they share.
    pub mask_statistics: MaskStatistics,
    /// What the check found; `None` where none was asked for.
    pub check: Option<CheckReport>,
}

/// How a file was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// Name and version of the exporter.
    pub exporter: String,
    /// How weights are stored.
    pub weights: WeightForm,
    /// How masks are stored.
    pub masks: MaskForm,
    /// How the graph runs the backbone under each mask.
    pub layout: Layout,
    /// Version of the ONNX operator set.
    pub opset: i64,
    /// The backbone's kind.
    pub backbone: String,
    /// Heads of each attention layer, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_heads: Option<usize>,
    /// Number of weights, each counted once however many masks keep it.
    pub parameters: usize,
}

/// Makes one ONNX file of `checkpoint`, and checks it. The check holds the whole file in memory, and what an engine
/// makes of it; without it no more is ever held than the largest tensor as f32.
///
/// ```no_run
/// use sparsecbm_exporter::{Checkpoint, ExportOptions, export};
///
/// # fn main() -> sparsecbm::Result<()> {
/// let checkpoint = Checkpoint::open("examples/models/cebab")?;
/// export(&checkpoint, &ExportOptions::default())?.write_to("model.onnx")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Input` where a weight does not fit the weight form or the model cannot be of the layout, `Model` where the file's
/// outputs differ from the checkpoint's by more than `options.atol`, and whatever loading and running the file gives.
pub fn export<'a>(checkpoint: &'a Checkpoint, options: &ExportOptions) -> Result<Exported<'a>> {
    let survey = checkpoint.survey()?;
    let description = Description {
        exporter: exporter(),
        weights: options.weights,
        masks: options.masks,
        layout: options.layout,
        opset: OPSET,
        backbone: checkpoint.backbone().into(),
        attention_heads: checkpoint.attention_heads(),
        parameters: checkpoint.parameters(),
    };
    let json = |value: serde_json::Result<String>| value.expect("numbers and strings are JSON");
    let of_oldest = checkpoint.schema.version == OLDEST_FORMAT;
    let version = if of_oldest { OLDEST_FORMAT } else { NEWEST_FORMAT };
    let entries = [
        (metadata::VERSION, version.into()),
        (metadata::SCHEMA, checkpoint.schema_json.clone()),
        (metadata::TOKENIZER, checkpoint.tokenizer_json.clone()),
        (metadata::CHECKPOINT, checkpoint.digest(&survey)?),
        (metadata::EXPORT, json(serde_json::to_string(&description))),
        (metadata::MASKS, json(serde_json::to_string(&survey.statistics))),
    ];
    let model =
        StreamingModel::new(checkpoint, graph::write(checkpoint, &survey, options)?, entries);
    let check = match options.check {
        true => Some(check(checkpoint, Bytes::from(model.to_bytes()?), options)?),
        false => None,
    };
    let report = ExportReport {
        description,
        bytes: model.encoded_len(),
        removed_weights: match (options.masks, options.layout) {
            (MaskForm::Folded, Layout::Branches) => checkpoint.dead_weights(&survey),
            (MaskForm::Packed, _) | (_, Layout::Batched) => 0,
        },
        mask_statistics: survey.statistics,
        check,
    };
    Ok(Exported { model, report })
}

/// The exporter's name and version.
pub(crate) fn exporter() -> String {
    concat!("sparsecbm-exporter ", env!("CARGO_PKG_VERSION")).into()
}
