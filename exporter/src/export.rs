use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use sparsecbm::onnx::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use sparsecbm::{MaskStatistics, Result};

use crate::check::{CheckReport, check};
use crate::checkpoint::Checkpoint;
use crate::graph::{self, OPSET};
use crate::layout::Layout;
use crate::weights::{MaskForm, WeightForm};

/// Version of the exported file's format: `docs/format.md`.
const FORMAT_VERSION: &str = "1.0";
/// Version of the ONNX container: the one that came with operator set 20.
const IR_VERSION: i64 = 9;

/// How a checkpoint is to be exported.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// How weights are stored.
    pub weights: WeightForm,
    /// How masks are stored.
    pub masks: MaskForm,
    /// How the graph runs the backbone under each mask.
    pub layout: Layout,
    /// Whether the file is run and compared with the checkpoint.
    pub check: bool,
    /// The largest absolute difference that the check allows in any output. The check gives both sides
    /// the weights as the file stores them, so it is the same for every weight form; what rounding
    /// the weights changes is measured and reported apart from it.
    pub atol: f32,
}

impl Default for ExportOptions {
    /// `f16`, `packed`, `branches`, checked to 1e-4.
    fn default() -> ExportOptions {
        let (weights, masks) = (WeightForm::default(), MaskForm::default());
        ExportOptions { weights, masks, layout: Layout::default(), check: true, atol: 1e-4 }
    }
}

/// An exported model.
#[derive(Debug, Clone)]
pub struct Exported {
    /// The ONNX file, everything inside.
    pub bytes: Vec<u8>,
    /// What was written and what the check found.
    pub report: ExportReport,
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

/// Writes `checkpoint` as one ONNX file, and checks it.
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
/// `Input` where a weight does not fit the weight form or the model cannot be of the layout, `Model` where the file's outputs differ from
/// the checkpoint's by more than `options.atol`, and whatever loading and running the file gives.
pub fn export(checkpoint: &Checkpoint, options: &ExportOptions) -> Result<Exported> {
    let statistics = checkpoint.mask_statistics();
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
    let metadata = [
        ("sparsecbm.version", FORMAT_VERSION.into()),
        ("sparsecbm.schema", checkpoint.schema_json.clone()),
        ("sparsecbm.tokenizer", checkpoint.tokenizer_json.clone()),
        ("sparsecbm.checkpoint", checkpoint.digest()),
        ("sparsecbm.export", json(serde_json::to_string(&description))),
        ("sparsecbm.masks", json(serde_json::to_string(&statistics))),
    ];
    let model = model(graph::write(checkpoint, options)?, metadata);
    let bytes = Bytes::from(model.encode_to_vec());
    drop(model);
    let check = match options.check {
        true => Some(check(checkpoint, bytes.clone(), options)?),
        false => None,
    };
    let report = ExportReport {
        description,
        bytes: bytes.len(),
        removed_weights: match (options.masks, options.layout) {
            (MaskForm::Folded, Layout::Branches) => checkpoint.dead_weights(),
            (MaskForm::Packed, _) | (_, Layout::Batched) => 0,
        },
        mask_statistics: statistics,
        check,
    };
    Ok(Exported { bytes: bytes.into(), report })
}

/// The exporter's name and version.
pub(crate) fn exporter() -> String {
    concat!("sparsecbm-exporter ", env!("CARGO_PKG_VERSION")).into()
}

/// A graph and what is to be known of it as a model.
pub(crate) fn model<const N: usize>(
    graph: GraphProto,
    metadata: [(&str, String); N],
) -> ModelProto {
    let entry = |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: "sparsecbm".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: String::new(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata.into_iter().map(entry).collect(),
    }
}
