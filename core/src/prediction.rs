use std::sync::Arc;

use ndarray::{ArrayView2, ArrayView3};
use serde::Serialize;

use crate::engine::{Decision, Encoded, Overrides};
use crate::intervention::softmax;
use crate::tokenizer::{Token, Tokens};
use crate::{ConceptValue, Model, Result, Schema};

/// What a model says of one text, with the overrides that were made since.
///
/// A prediction never changes: [`intervene`](Prediction::intervene) and [`undo`](Prediction::undo)
/// return another one, which shares what the backbone computed.
#[derive(Clone)]
pub struct Prediction {
    reading: Arc<Reading>,
    /// `[K]`: the probabilities `[C]` of each overridden concept.
    overrides: Vec<Option<Vec<f32>>>,
    decision: Decision,
    label_probabilities: Vec<f32>,
}

/// What the backbone said of a text; overrides do not change it.
pub(crate) struct Reading {
    pub model: Model,
    pub tokens: Tokens,
    pub encoded: Encoded,
}

/// One concept of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConceptPrediction<'a> {
    /// The concept's name.
    pub name: &'a str,
    /// The most probable class.
    pub class: &'a str,
    /// Its index.
    pub class_index: usize,
    /// `[C]`: probabilities, after overrides.
    pub probabilities: &'a [f32],
    /// `[C]`: the model's own logits, before overrides.
    pub logits: &'a [f32],
    /// Whether the probabilities were given by an override.
    pub overridden: bool,
}

/// The label of a prediction, after overrides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LabelPrediction<'a> {
    /// The label's name.
    pub name: &'a str,
    /// The most probable class.
    pub class: &'a str,
    /// Its index.
    pub class_index: usize,
    /// `[L]`: softmax of the logits.
    pub probabilities: &'a [f32],
    /// `[L]`
    pub logits: &'a [f32],
    /// Mean of the class values under the probabilities, where every class name is a number.
    pub expected_value: Option<f32>,
}

impl Prediction {
    pub(crate) fn new(reading: Reading) -> Result<Prediction> {
        let untouched = vec![None; reading.model.schema().concept_count()];
        Prediction::decide(Arc::new(reading), untouched)
    }

    /// Runs the concept layer alone.
    fn decide(reading: Arc<Reading>, overrides: Vec<Option<Vec<f32>>>) -> Result<Prediction> {
        let engine = reading.model.engine_ref();
        let given = engine_overrides(reading.model.schema(), &overrides);
        let decision = engine.decide(&reading.encoded.concept_logits, &given)?;
        let label_probabilities = softmax(&decision.label_logits);
        Ok(Prediction { reading, overrides, decision, label_probabilities })
    }

    /// The label logits that other concept logits `[K, C]` give under this prediction's overrides.
    pub(crate) fn label_logits_for(&self, concept_logits: &[f32]) -> Result<Vec<f32>> {
        let given = engine_overrides(self.schema(), &self.overrides);
        Ok(self.model().engine_ref().decide(concept_logits, &given)?.label_logits)
    }

    /// The prediction with these concepts overridden, on top of the overrides there are.
    ///
    /// Only the concept layer runs again. Where a concept is named twice, the last value holds.
    ///
    /// ```no_run
    /// # fn main() -> sparsecbm::Result<()> {
    /// # let model = sparsecbm::Model::load("model.onnx", &Default::default())?;
    /// let prediction = model.predict("Good food, but so loud we had to shout.")?;
    /// let corrected = prediction.intervene([("noise", "positive")])?;
    /// assert_eq!(corrected.concept("noise")?.class, "positive");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Input` where the model has no such concept or class, or where probabilities are not
    /// probabilities; `Engine` where the engine fails.
    pub fn intervene<N, V>(&self, overrides: impl IntoIterator<Item = (N, V)>) -> Result<Prediction>
    where
        N: AsRef<str>,
        V: Into<ConceptValue>,
    {
        let schema = self.schema();
        let mut all = self.overrides.clone();
        for (name, value) in overrides {
            let k = schema.concept_index(name.as_ref())?;
            all[k] = Some(value.into().probabilities(&schema.concepts[k])?);
        }
        Prediction::decide(self.reading.clone(), all)
    }

    /// The prediction without the override of `concept`, if it has one.
    ///
    /// # Errors
    /// `Input` where the model has no such concept; `Engine` where the engine fails.
    pub fn undo(&self, concept: &str) -> Result<Prediction> {
        let mut rest = self.overrides.clone();
        rest[self.schema().concept_index(concept)?] = None;
        Prediction::decide(self.reading.clone(), rest)
    }

    /// The prediction without any override: bit for bit what the model said at first.
    ///
    /// # Errors
    /// `Engine` where the engine fails.
    pub fn undo_all(&self) -> Result<Prediction> {
        Prediction::decide(self.reading.clone(), vec![None; self.overrides.len()])
    }

    /// The model that made it.
    pub fn model(&self) -> &Model {
        &self.reading.model
    }

    /// The label, after overrides.
    pub fn label(&self) -> LabelPrediction<'_> {
        let variable = &self.schema().label;
        let class_index = largest(&self.label_probabilities);
        let mean = |values: Vec<f32>| {
            values.iter().zip(&self.label_probabilities).map(|(value, p)| value * p).sum()
        };
        LabelPrediction {
            name: &variable.name,
            class: &variable.classes[class_index],
            class_index,
            probabilities: &self.label_probabilities,
            logits: &self.decision.label_logits,
            expected_value: variable.class_values().map(mean),
        }
    }

    /// Every concept, in the schema's order, after overrides.
    pub fn concepts(&self) -> impl ExactSizeIterator<Item = ConceptPrediction<'_>> {
        (0..self.overrides.len()).map(|k| self.concept_at(k))
    }

    /// The concept called `name`, after overrides.
    ///
    /// # Errors
    /// `Input` where the model has no such concept.
    pub fn concept(&self, name: &str) -> Result<ConceptPrediction<'_>> {
        Ok(self.concept_at(self.schema().concept_index(name)?))
    }

    fn concept_at(&self, k: usize) -> ConceptPrediction<'_> {
        let variable = &self.schema().concepts[k];
        let classes = variable.classes.len();
        let row = k * classes..(k + 1) * classes;
        let probabilities = &self.decision.concept_values[row.clone()];
        let class_index = largest(probabilities);
        ConceptPrediction {
            name: &variable.name,
            class: &variable.classes[class_index],
            class_index,
            probabilities,
            logits: &self.reading.encoded.concept_logits[row],
            overridden: self.overrides[k].is_some(),
        }
    }

    /// The text; `None` where token ids were given.
    pub fn text(&self) -> Option<&str> {
        self.reading.tokens.text.as_deref()
    }

    /// The text as the model read it.
    pub fn tokenized(&self) -> &Tokens {
        &self.reading.tokens
    }

    /// The positions that the model read, special tokens included (S of them).
    pub fn tokens(&self) -> &[Token] {
        &self.reading.tokens.tokens
    }

    /// How many tokens at the end of the text did not fit into the model's `max_length` and were
    /// left out.
    pub fn dropped_tokens(&self) -> usize {
        self.reading.tokens.dropped
    }

    /// `[K, C]`: the model's own concept logits, before overrides.
    pub fn concept_logits(&self) -> ArrayView2<'_, f32> {
        self.concept_matrix(&self.reading.encoded.concept_logits)
    }

    /// `[K, C]`: concept probabilities, after overrides.
    pub fn concept_values(&self) -> ArrayView2<'_, f32> {
        self.concept_matrix(&self.decision.concept_values)
    }

    fn concept_matrix<'a>(&self, values: &'a [f32]) -> ArrayView2<'a, f32> {
        let shape = (self.schema().concept_count(), self.schema().class_count());
        ArrayView2::from_shape(shape, values).expect("the engine checked the length")
    }

    /// `[K, C, S]`: what each position adds to each concept logit, before overrides. The sum over the
    /// positions plus the concept head's bias is the logit, exactly: pooling and head are linear.
    pub fn token_evidence(&self) -> ArrayView3<'_, f32> {
        let (k, c) = (self.schema().concept_count(), self.schema().class_count());
        let evidence = &self.reading.encoded.token_evidence;
        ArrayView3::from_shape((k, c, evidence.len() / (k * c)), evidence)
            .expect("the engine checked the length")
    }

    fn schema(&self) -> &Schema {
        self.model().schema()
    }
}

/// As JSON: `label`, `concepts`, `tokens` and `dropped_tokens`.
impl Serialize for Prediction {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            label: LabelPrediction<'a>,
            concepts: Vec<ConceptPrediction<'a>>,
            tokens: &'a [Token],
            dropped_tokens: usize,
        }
        View {
            label: self.label(),
            concepts: self.concepts().collect(),
            tokens: self.tokens(),
            dropped_tokens: self.dropped_tokens(),
        }
        .serialize(serializer)
    }
}

impl std::fmt::Debug for Prediction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let concepts: Vec<_> = self.concepts().collect();
        f.debug_struct("Prediction")
            .field("label", &self.label())
            .field("concepts", &concepts)
            .finish()
    }
}

/// Overrides as the graph takes them.
fn engine_overrides(schema: &Schema, overrides: &[Option<Vec<f32>>]) -> Overrides {
    let classes = schema.class_count();
    let mut probabilities = vec![0.0; overrides.len() * classes];
    for (row, given) in probabilities.chunks_mut(classes).zip(overrides) {
        if let Some(given) = given {
            row.copy_from_slice(given);
        }
    }
    let mask = overrides.iter().map(|given| f32::from(given.is_some())).collect();
    Overrides { probabilities, mask }
}

/// The index of the largest value, the first of equals.
pub(crate) fn largest(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
