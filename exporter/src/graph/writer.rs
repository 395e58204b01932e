use std::collections::HashMap;

use sparsecbm::Result;
use sparsecbm::onnx::{DataType, DimensionValue, GraphProto};
use sparsecbm::schema::Semantics;

use super::builder::Builder;
use crate::checkpoint::Checkpoint;
use crate::weights::{MaskForm, WeightForm};

/// The operator set: 20 is the first with `Gelu`, and both ONNX Runtime 1.20 and tract know it.
pub(crate) const OPSET: i64 = 20;

/// What the shared blocks need to write themselves.
pub(crate) struct Writer<'a> {
    pub(super) builder: Builder,
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) weights: WeightForm,
    pub(super) masks: MaskForm,
    /// The float value of each shared weight that is written already, by layer.
    pub(super) shared_weights: HashMap<String, String>,
}

/// What all branches read.
pub(crate) struct Shared {
    /// `[batch, sequence, d]`: what goes into the first layer.
    pub(crate) embedded: String,
    /// `[batch, 1, 1, sequence]`: added to attention scores.
    pub(crate) attention_bias: String,
}

/// The backbone under one mask.
pub(crate) struct Branch<'w, 'a> {
    pub(super) writer: &'w mut Writer<'a>,
    /// Index of the mask.
    pub(super) mask: usize,
    /// What the names of the branch's nodes begin with.
    pub(super) concept: &'a str,
}

impl Branch<'_, '_> {
    /// The name of a part of this branch.
    pub(super) fn scope(&self, part: &str) -> String {
        format!("{}/{part}", self.concept)
    }
}

/// Writes the whole graph.
pub(crate) fn write(
    checkpoint: &Checkpoint,
    weights: WeightForm,
    masks: MaskForm,
) -> Result<GraphProto> {
    let schema = &checkpoint.schema;
    let mut writer = Writer {
        builder: Builder::default(),
        checkpoint,
        weights,
        masks,
        shared_weights: HashMap::new(),
    };
    writer.declare();
    let shared = checkpoint.backbone.write_shared(&mut writer)?;
    let branches = match schema.semantics {
        Semantics::AsIntended => schema.concept_count(),
        // One branch, under mask 0, feeds the heads of all concepts.
        Semantics::AsExecuted => 1,
    };
    let mut hidden = Vec::new();
    for (mask, concept) in schema.concepts[..branches].iter().enumerate() {
        let mut branch = Branch { writer: &mut writer, mask, concept: &concept.name };
        hidden.push(checkpoint.backbone.write_branch(&mut branch, &shared)?);
    }
    writer.concept_heads(&hidden)?;
    writer.label_head()?;
    Ok(writer.builder.finish("sparsecbm"))
}

impl Writer<'_> {
    fn declare(&mut self) {
        let schema = &self.checkpoint.schema;
        let size = |size: usize| DimensionValue::DimValue(size as i64);
        let (k, c) = (size(schema.concept_count()), size(schema.class_count()));
        let l = size(schema.label_count());
        let batch = DimensionValue::DimParam("batch".into());
        let sequence = DimensionValue::DimParam("sequence".into());
        let positions = [batch.clone(), sequence.clone()];
        let values = [batch.clone(), k.clone(), c.clone()];
        let builder = &mut self.builder;
        builder.input("input_ids", DataType::Int64, &positions);
        builder.input("attention_mask", DataType::Int64, &positions);
        builder.input("concept_override", DataType::Float, &values);
        builder.input("concept_override_mask", DataType::Float, &[batch.clone(), k.clone()]);
        builder.output("concept_logits", DataType::Float, &values);
        builder.output("concept_values", DataType::Float, &values);
        builder.output("label_logits", DataType::Float, &[batch.clone(), l]);
        builder.output("token_evidence", DataType::Float, &[batch, k, c, sequence]);
    }
}
