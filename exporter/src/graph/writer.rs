use std::collections::HashMap;

use sparsecbm::format::{nodes, tensors};
use sparsecbm::onnx::{DataType, DimensionValue};
use sparsecbm::schema::{Schema, Semantics};
use sparsecbm::{Error, ErrorKind, Result};

use super::builder::{Builder, GraphSpec};
use super::variables::Variables;
use super::{bilstm, transformer};
use crate::backbone::Body;
use crate::checkpoint::{Checkpoint, MaskSurvey};
use crate::layout::Layout;
use crate::options::ExportOptions;
use crate::weights::{MaskForm, WeightForm};

/// The operator set: 20 is the first with `Gelu`, and both ONNX Runtime 1.20 and tract know it.
pub(crate) const OPSET: i64 = 20;

/// What the shared blocks need to write themselves.
pub(crate) struct Writer<'a> {
    pub(super) builder: Builder,
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) weights: WeightForm,
    pub(super) masks: MaskForm,
    /// What is known of all masks; a graph whose masks are inputs needs none of it.
    pub(super) survey: Option<&'a MaskSurvey>,
    /// The float value of each shared weight that is written already, by layer.
    pub(super) shared_weights: HashMap<String, String>,
    /// The shapes of values by head that are written already, by number and size of the heads.
    pub(super) head_shapes: HashMap<[usize; 2], String>,
    /// The value of [`Writer::pool_weight`], once it is written.
    pub(super) pool_weight: Option<String>,
    /// Where gradients are to be taken: what they are taken by.
    pub(super) variables: Option<Variables>,
}

/// The backbone under one mask, or under all of them at once.
pub(crate) struct Branch<'w, 'a> {
    pub(super) writer: &'w mut Writer<'a>,
    pub(super) scope: MaskScope<'a>,
}

/// The masks of a branch, and with them the shape of its values.
#[derive(Clone, Copy)]
pub(crate) enum MaskScope<'a> {
    /// `[batch, sequence, n]`
    One {
        /// Index of the mask.
        mask: usize,
        /// What the names of the branch's nodes begin with.
        concept: &'a str,
    },
    /// `[K, batch · sequence, n]`: what one product of K matrices reads and gives. What is still the same
    /// under all masks is `[1, batch · sequence, n]`.
    All,
}

impl Branch<'_, '_> {
    /// The name of a part of this branch.
    pub(super) fn scope(&self, part: &str) -> String {
        self.prefix() + part
    }

    /// What the names of its parts begin with.
    pub(super) fn prefix(&self) -> String {
        match self.scope {
            MaskScope::One { concept, .. } => nodes::branch(concept),
            MaskScope::All => String::new(),
        }
    }
}

/// Writes the whole graph.
///
/// # Errors
/// `Input` where a weight does not fit the weight form or the model cannot be of the layout.
pub(crate) fn write(
    checkpoint: &Checkpoint,
    survey: &MaskSurvey,
    options: &ExportOptions,
) -> Result<GraphSpec> {
    let mut writer = Writer::new(checkpoint, options.weights, options.masks);
    writer.survey = Some(survey);
    writer.declare();
    match options.layout {
        Layout::Branches => {
            let hidden = writer.backbone(&used_masks(&checkpoint.schema))?;
            writer.concept_heads(&hidden)?;
        }
        Layout::Batched => {
            let hidden = writer.batched_backbone()?;
            writer.batched_concept_heads(&hidden)?;
        }
    }
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
    let hidden = writer.backbone(&[tensors::CONCEPT])?;
    let axis = writer.builder.integers(&[0]);
    let index = writer.builder.node(tensors::CONCEPT, "Squeeze", &[tensors::CONCEPT, &axis]);
    writer.concept_logits(tensors::CONCEPT, &index, &hidden[0])?;
    Ok((writer.builder, writer.variables.unwrap_or_default()))
}

impl<'a> Writer<'a> {
    fn new(checkpoint: &'a Checkpoint, weights: WeightForm, masks: MaskForm) -> Writer<'a> {
        Writer {
            builder: Builder::default(),
            checkpoint,
            weights,
            masks,
            survey: None,
            shared_weights: HashMap::new(),
            head_shapes: HashMap::new(),
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
        for (mask, &concept) in concepts.iter().enumerate() {
            let scope = MaskScope::One { mask, concept };
            hidden.push(write(&mut Branch { writer: self, scope })?);
        }
        Ok(hidden)
    }

    /// Writes the backbone under all masks at once, and gives the last hidden states.
    fn batched_backbone(&mut self) -> Result<String> {
        let checkpoint = self.checkpoint;
        let refused = |found: &str| {
            let place = "layout batched";
            Err(Error::new(ErrorKind::Input, place, found, "layout branches for such a model"))
        };
        if checkpoint.schema.semantics == Semantics::AsExecuted {
            return refused("as-executed semantics: one pass, under mask 0, for all concepts");
        }
        let Body::Transformer(body) = &checkpoint.backbone.body else {
            return refused("a backbone with masks on its last layer alone");
        };
        let shared = transformer::write_shared(body, self)?.batched(self);
        let branch = &mut Branch { writer: self, scope: MaskScope::All };
        transformer::write_branch(body, branch, &shared)
    }
}

impl Writer<'_> {
    /// Declares what one concept's logits are computed from, apart from its masks.
    fn declare_concept(&mut self) {
        let batch = DimensionValue::DimParam("batch".into());
        let positions = [batch.clone(), DimensionValue::DimParam("sequence".into())];
        let builder = &mut self.builder;
        for name in [tensors::INPUT_IDS, tensors::BASELINE_IDS, tensors::ATTENTION_MASK] {
            builder.input(name, DataType::Int64, &positions);
        }
        builder.input(tensors::ALPHA, DataType::Float, &[batch]);
        builder.input(tensors::CONCEPT, DataType::Int64, &[DimensionValue::DimValue(1)]);
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
        builder.input(tensors::INPUT_IDS, DataType::Int64, &positions);
        builder.input(tensors::ATTENTION_MASK, DataType::Int64, &positions);
        builder.input(tensors::CONCEPT_OVERRIDE, DataType::Float, &values);
        builder.input(tensors::CONCEPT_OVERRIDE_MASK, DataType::Float, &[batch.clone(), k.clone()]);
        builder.output(tensors::CONCEPT_LOGITS, DataType::Float, &values);
        builder.output(tensors::CONCEPT_VALUES, DataType::Float, &values);
        builder.output(tensors::LABEL_LOGITS, DataType::Float, &[batch.clone(), l]);
        builder.output(tensors::TOKEN_EVIDENCE, DataType::Float, &[batch, k, c, sequence]);
    }
}

/// The concepts under whose masks the backbone runs, the first ones.
fn used_masks(schema: &Schema) -> Vec<&str> {
    let branches = match schema.semantics {
        Semantics::AsIntended => schema.concept_count(),
        // One branch, under mask 0, feeds the heads of all concepts.
        Semantics::AsExecuted => 1,
    };
    schema.concepts[..branches].iter().map(|concept| concept.name.as_str()).collect()
}
