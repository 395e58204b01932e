use std::collections::HashMap;

use sparsecbm::Result;
use sparsecbm::onnx::{DataType, DimensionValue, GraphProto};
use sparsecbm::schema::Semantics;

use super::builder::Builder;
use super::variables::Variables;
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
    /// Where gradients are to be taken: what they are taken by.
    pub(super) variables: Option<Variables>,
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
    let mut writer = Writer::new(checkpoint, weights, masks);
    writer.declare();
    let branches = match schema.semantics {
        Semantics::AsIntended => schema.concept_count(),
        // One branch, under mask 0, feeds the heads of all concepts.
        Semantics::AsExecuted => 1,
    };
    let concepts = &schema.concepts[..branches];
    let names: Vec<&str> = concepts.iter().map(|concept| concept.name.as_str()).collect();
    let hidden = writer.backbone(&names)?;
    writer.concept_heads(&hidden)?;
    writer.label_head()?;
    Ok(writer.builder.finish("sparsecbm"))
}

/// Writes the logits of one concept, whose number and masks are inputs, and tells what gradients of them can
/// be taken by.
pub(crate) fn write_concept(
    checkpoint: &Checkpoint,
    weights: WeightForm,
) -> Result<(Builder, Variables)> {
    let mut writer = Writer::new(checkpoint, weights, MaskForm::Packed);
    writer.variables = Some(Variables::default());
    writer.declare_concept();
    let hidden = writer.backbone(&["concept"])?;
    let axis = writer.builder.integers(&[0]);
    let index = writer.builder.node("concept", "Squeeze", &["concept", &axis]);
    writer.concept_logits("concept", &index, &hidden[0])?;
    Ok((writer.builder, writer.variables.unwrap_or_default()))
}

impl<'a> Writer<'a> {
    fn new(checkpoint: &'a Checkpoint, weights: WeightForm, masks: MaskForm) -> Writer<'a> {
        Writer {
            builder: Builder::default(),
            checkpoint,
            weights,
            masks,
            shared_weights: HashMap::new(),
            pool_weight: None,
            variables: None,
        }
    }

    /// Writes the backbone, one branch for each of `concepts`, and gives their last hidden states.
    fn backbone(&mut self, concepts: &[&'a str]) -> Result<Vec<String>> {
        match &self.checkpoint.backbone.body {
            Body::Transformer(body) => {
                let shared = transformer::write_shared(body, self)?;
                self.branches(concepts, |branch| transformer::write_branch(body, branch, &shared))
            }
            Body::BiLstm(body) => {
                let shared = bilstm::write_shared(body, self)?;
                self.branches(concepts, |branch| bilstm::write_branch(body, branch, &shared))
            }
        }
    }

    fn branches(
        &mut self,
        concepts: &[&'a str],
        write: impl Fn(&mut Branch<'_, 'a>) -> Result<String>,
    ) -> Result<Vec<String>> {
        let mut hidden = Vec::new();
        for (mask, concept) in concepts.iter().enumerate() {
            hidden.push(write(&mut Branch { writer: self, mask, concept })?);
        }
        Ok(hidden)
    }
}

impl Writer<'_> {
    /// Declares what one concept's logits are computed from, apart from its masks.
    fn declare_concept(&mut self) {
        let batch = DimensionValue::DimParam("batch".into());
        let positions = [batch.clone(), DimensionValue::DimParam("sequence".into())];
        let builder = &mut self.builder;
        for name in ["input_ids", "baseline_ids", "attention_mask"] {
            builder.input(name, DataType::Int64, &positions);
        }
        builder.input("alpha", DataType::Float, &[batch]);
        builder.input("concept", DataType::Int64, &[DimensionValue::DimValue(1)]);
    }

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
