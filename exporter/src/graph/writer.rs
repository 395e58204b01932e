use std::collections::HashMap;

use sparsecbm::Result;
use sparsecbm::onnx::{DataType, DimensionValue, GraphProto};
use sparsecbm::schema::{Semantics, Variable};

use super::builder::Builder;
use super::{bilstm, transformer};
use crate::backbone::Body;
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
    /// The value of [`Writer::pool_weight`], once it is written.
    pub(super) pool_weight: Option<String>,
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

    /// What the names of its parts begin with.
    pub(super) fn prefix(&self) -> String {
        format!("{}/", self.concept)
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
        pool_weight: None,
    };
    writer.declare();
    let branches = match schema.semantics {
        Semantics::AsIntended => schema.concept_count(),
        // One branch, under mask 0, feeds the heads of all concepts.
        Semantics::AsExecuted => 1,
    };
    let concepts = &schema.concepts[..branches];
    let hidden = match &checkpoint.backbone.body {
        Body::Transformer(body) => {
            let shared = transformer::write_shared(body, &mut writer)?;
            writer.branches(concepts, |branch| transformer::write_branch(body, branch, &shared))?
        }
        Body::BiLstm(body) => {
            let shared = bilstm::write_shared(body, &mut writer)?;
            writer.branches(concepts, |branch| bilstm::write_branch(body, branch, &shared))?
        }
    };
    writer.concept_heads(&hidden)?;
    writer.label_head()?;
    Ok(writer.builder.finish("sparsecbm"))
}

impl<'a> Writer<'a> {
    /// Writes one branch for each of `concepts`, and gives their last hidden states.
    fn branches(
        &mut self,
        concepts: &'a [Variable],
        write: impl Fn(&mut Branch<'_, 'a>) -> Result<String>,
    ) -> Result<Vec<String>> {
        let mut hidden = Vec::new();
        for (mask, concept) in concepts.iter().enumerate() {
            hidden.push(write(&mut Branch { writer: self, mask, concept: &concept.name })?);
        }
        Ok(hidden)
    }
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
