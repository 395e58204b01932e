use bytes::Bytes;
use serde::Serialize;
use sparsecbm::Result;
use sparsecbm::format::{metadata, tensors};
use sparsecbm::onnx::{DataType, DimensionValue};

use super::backward::differentiate;
use super::check::{GradientCheck, check};
use crate::checkpoint::{self, Checkpoint};
use crate::export::exporter;
use crate::graph::{GraphSpec, OPSET, Variables, write_concept};
use crate::options::ExportOptions;
use crate::streaming::StreamingModel;
use crate::weights::WeightForm;

/// A gradient file. Weights are still in the checkpoint: they are read when the file is written.
#[derive(Debug, Clone)]
pub struct ExportedGradients<'a> {
    pub(crate) model: StreamingModel<'a>,
    /// What is written.
    pub report: GradientReport,
}

impl ExportedGradients<'_> {
    /// The ONNX file in memory, everything inside.
    ///
    /// # Errors
    /// As [`ExportedGradients::write_beside`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.model.to_bytes()
    }
}

/// What was written into a gradient file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GradientReport {
    /// Size of the file.
    pub bytes: usize,
    /// What the check found; `None` where none was asked for.
    pub check: Option<GradientCheck>,
}

/// How a gradient file was written: `sparsecbm.gradients` in its metadata.
#[derive(Serialize)]
struct Description<'a> {
    exporter: String,
    weights: WeightForm,
    opset: i64,
    backbone: &'a str,
    embedding_size: usize,
    layers: Vec<MaskInput<'a>>,
}

/// A layer whose mask is an input.
#[derive(Serialize)]
struct MaskInput<'a> {
    name: &'a str,
    rows: usize,
    columns: usize,
    block_rows: usize,
}

impl MaskInput<'_> {
    fn of(
        checkpoint::MaskedLayer { layer, block_rows }: &checkpoint::MaskedLayer,
    ) -> MaskInput<'_> {
        MaskInput {
            name: &layer.name,
            rows: layer.rows,
            columns: layer.columns,
            block_rows: *block_rows,
        }
    }
}

/// Makes one ONNX file of the gradients of a checkpoint's concept logits, and checks it. Of `options` the masks'
/// form does not matter: masks are inputs of this file.
///
/// # Errors
/// `Input` where a weight does not fit the weight form, `Model` where the check finds logits or gradients that are
/// not the checkpoint's.
pub fn export_gradients<'a>(
    checkpoint: &'a Checkpoint,
    options: &ExportOptions,
) -> Result<ExportedGradients<'a>> {
    let description = Description {
        exporter: exporter(),
        weights: options.weights,
        opset: OPSET,
        backbone: checkpoint.backbone(),
        embedding_size: checkpoint.backbone.word_table().columns,
        layers: checkpoint.layers.iter().map(MaskInput::of).collect(),
    };
    let entries = [
        (metadata::GRADIENTS_VERSION, metadata::GRADIENTS_FORMAT.into()),
        (metadata::SCHEMA, checkpoint.schema_json.clone()),
        (metadata::CHECKPOINT, checkpoint.digest(&checkpoint.survey()?)?),
        (
            metadata::GRADIENTS,
            serde_json::to_string(&description).expect("names and numbers are JSON"),
        ),
    ];
    let model = StreamingModel::new(checkpoint, write(checkpoint, options.weights)?, entries);
    let check = match options.check {
        true => Some(check(checkpoint, &Bytes::from(model.to_bytes()?), options)?),
        false => None,
    };
    let report = GradientReport { bytes: model.encoded_len(), check };
    Ok(ExportedGradients { model, report })
}

fn write(checkpoint: &Checkpoint, weights: WeightForm) -> Result<GraphSpec> {
    let (mut builder, Variables { words, masks }) = write_concept(checkpoint, weights)?;
    let words = words.expect("a backbone reads words");
    let size = |size: usize| DimensionValue::DimValue(size as i64);
    let batch = DimensionValue::DimParam("batch".into());
    let sequence = DimensionValue::DimParam("sequence".into());
    let logits = [batch.clone(), size(checkpoint.schema.class_count())];
    builder.input(tensors::LOGIT_GRADIENT, DataType::Float, &logits);

    let mut variables = vec![words.between.as_str()];
    variables.extend(masks.iter().map(|(_, mask)| mask.as_str()));
    let gradients =
        differentiate(&mut builder, tensors::CONCEPT_LOGITS, tensors::LOGIT_GRADIENT, &variables)?;

    let embeddings = [batch, sequence, size(checkpoint.backbone.word_table().columns)];
    builder.output(tensors::CONCEPT_LOGITS, DataType::Float, &logits);
    for (name, value) in
        [(tensors::EMBEDDING_GRADIENT, &gradients[0]), (tensors::EMBEDDING_CHANGE, &words.change)]
    {
        builder.node_to(name, "Identity", &[value]);
        builder.output(name, DataType::Float, &embeddings);
    }
    for ((name, _), gradient) in masks.iter().zip(&gradients[1..]) {
        let checkpoint::MaskedLayer { layer, block_rows } = checkpoint.layer(name);
        let output = tensors::mask_gradient(name);
        if *block_rows == 1 {
            builder.node_to(&output, "Identity", &[gradient]);
        } else {
            let axis = builder.integers(&[1]);
            builder.node_to(&output, "Squeeze", &[gradient, &axis]);
        }
        let shape = [size(layer.rows / block_rows), size(layer.columns)];
        builder.output(&output, DataType::Float, &shape);
    }
    Ok(builder.finish("sparsecbm gradients"))
}
