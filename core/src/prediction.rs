use std::sync::Arc;

use ndarray::{ArrayView2, ArrayView3};
use serde::Serialize;

use crate::concept_layer::{ConceptValue, Forward, Override, Question, softmax};
use crate::engine::Encoded;
use crate::error::Result;
use crate::model::Model;
use crate::schema::Schema;
use crate::tokenizer::{Token, Tokens};

/// What a model says of one text, with the overrides that were made since.
///
/// A prediction never changes: [`suppose`](Prediction::suppose), [`correct`](Prediction::correct) and
/// [`undo`](Prediction::undo) return another one, which shares what the backbone computed.
#[derive(Clone)]
pub struct Prediction {
    encoding: Arc<Encoding>,
    /// `[K]`
    overrides: Vec<Option<Override>>,
    forward: Forward,
    label_probabilities: Vec<f32>,
}

/// What the backbone said of a text; overrides do not change it.
pub(crate) struct Encoding {
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
    /// Probabilities, after overrides, one per class of the concept.
    pub probabilities: &'a [f32],
    /// The model's own logits, before overrides, one per class of the concept.
    pub logits: &'a [f32],
    /// Whether the probabilities were given by an override.
    pub overridden: bool,
    /// Which question the override asks, if there is one.
    pub question: Option<Question>,
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
    pub(crate) fn new(encoding: Encoding) -> Prediction {
        let untouched = vec![None; encoding.model.schema().concept_count()];
        Prediction::with(Arc::new(encoding), untouched)
    }

    /// Runs the concept layer alone.
    fn with(encoding: Arc<Encoding>, overrides: Vec<Option<Override>>) -> Prediction {
        let layer = encoding.model.concept_layer();
        let forward = layer.forward(&encoding.encoded.concept_logits, &overrides);
        let label_probabilities = softmax(&forward.label_logits);
        Prediction { encoding, overrides, forward, label_probabilities }
    }

    /// The label logits that other concept logits `[K, C]` give under this prediction's overrides.
    pub(crate) fn label_logits_for(&self, concept_logits: &[f32]) -> Vec<f32> {
        self.model().concept_layer().forward(concept_logits, &self.overrides).label_logits
    }

    /// `[K]`
    pub(crate) fn overrides(&self) -> &[Option<Override>] {
        &self.overrides
    }

    /// The prediction as it would be if these concepts were so, on top of the overrides there are: the label
    /// follows as it does when a person edits the text.
    ///
    /// Only the concept layer runs again. Supposed and corrected concepts may be mixed; their order does not
    /// matter. Where a concept is named twice, the last value holds.
    ///
    /// ```no_run
    /// # fn main() -> sparsecbm::Result<()> {
    /// # let model = sparsecbm::Model::load("model.onnx", &Default::default())?;
    /// let prediction = model.predict("Good food, but so loud we had to shout.")?;
    /// let quiet = prediction.suppose([("noise", "positive")])?;
    /// assert_eq!(quiet.concept("noise")?.class, "positive");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Input` where the model has no such concept or class, or where probabilities are not
    /// probabilities.
    pub fn suppose<N, V>(&self, values: impl IntoIterator<Item = (N, V)>) -> Result<Prediction>
    where
        N: AsRef<str>,
        V: Into<ConceptValue>,
    {
        self.overridden(asking(Question::Suppose, values))
    }

    /// The prediction once it is known that these concepts are so, on top of the overrides there are: the text
    /// is as it was, the model misread it. Else as [`Prediction::suppose`].
    ///
    /// # Errors
    /// As [`Prediction::suppose`].
    pub fn correct<N, V>(&self, values: impl IntoIterator<Item = (N, V)>) -> Result<Prediction>
    where
        N: AsRef<str>,
        V: Into<ConceptValue>,
    {
        self.overridden(asking(Question::Correct, values))
    }

    /// [`Prediction::suppose`] by its older name.
    ///
    /// # Errors
    /// As [`Prediction::suppose`].
    pub fn intervene<N, V>(&self, values: impl IntoIterator<Item = (N, V)>) -> Result<Prediction>
    where
        N: AsRef<str>,
        V: Into<ConceptValue>,
    {
        self.suppose(values)
    }

    /// The prediction with these concepts overridden, each for its own question: [`Prediction::suppose`] and
    /// [`Prediction::correct`] in one.
    ///
    /// # Errors
    /// As [`Prediction::suppose`].
    pub fn overridden<N, V>(
        &self,
        values: impl IntoIterator<Item = (Question, N, V)>,
    ) -> Result<Prediction>
    where
        N: AsRef<str>,
        V: Into<ConceptValue>,
    {
        let schema = self.schema();
        let mut all = self.overrides.clone();
        for (question, name, value) in values {
            let k = schema.concept_index(name.as_ref())?;
            let mut probabilities = value.into().probabilities(&schema.concepts[k])?;
            probabilities.resize(schema.class_count(), 0.0);
            all[k] = Some(Override { question, probabilities });
        }
        Ok(Prediction::with(self.encoding.clone(), all))
    }

    /// The prediction with concepts `k` asserted to be of classes `class`: pairs `(k, class)` of this model.
    pub(crate) fn asserting(&self, question: Question, classes: &[(usize, usize)]) -> Prediction {
        let mut all = self.overrides.clone();
        for &(k, class) in classes {
            let mut probabilities = vec![0.0; self.schema().class_count()];
            probabilities[class] = 1.0;
            all[k] = Some(Override { question, probabilities });
        }
        Prediction::with(self.encoding.clone(), all)
    }

    /// The prediction without the override of `concept`, if it has one.
    ///
    /// # Errors
    /// `Input` where the model has no such concept.
    pub fn undo(&self, concept: &str) -> Result<Prediction> {
        let mut rest = self.overrides.clone();
        rest[self.schema().concept_index(concept)?] = None;
        Ok(Prediction::with(self.encoding.clone(), rest))
    }

    /// The prediction without any override: bit for bit what the model said at first.
    pub fn undo_all(&self) -> Prediction {
        Prediction::with(self.encoding.clone(), vec![None; self.overrides.len()])
    }

    /// The model that made it.
    pub fn model(&self) -> &Model {
        &self.encoding.model
    }

    /// The label, after overrides.
    pub fn label(&self) -> LabelPrediction<'_> {
        let variable = &self.schema().label;
        let class_index = argmax(&self.label_probabilities);
        let mean = |values: Vec<f32>| {
            values.iter().zip(&self.label_probabilities).map(|(value, p)| value * p).sum()
        };
        LabelPrediction {
            name: &variable.name,
            class: &variable.classes[class_index],
            class_index,
            probabilities: &self.label_probabilities,
            logits: &self.forward.label_logits,
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
        let start = k * self.schema().class_count();
        let row = start..start + variable.classes.len();
        let probabilities = &self.forward.concept_values[row.clone()];
        let class_index = argmax(probabilities);
        ConceptPrediction {
            name: &variable.name,
            class: &variable.classes[class_index],
            class_index,
            probabilities,
            logits: &self.encoding.encoded.concept_logits[row],
            overridden: self.overrides[k].is_some(),
            question: self.overrides[k].as_ref().map(|given| given.question),
        }
    }

    /// The text; `None` where token ids were given.
    pub fn text(&self) -> Option<&str> {
        self.encoding.tokens.text.as_deref()
    }

    /// The text as the model read it.
    pub fn tokenized(&self) -> &Tokens {
        &self.encoding.tokens
    }

    /// The positions that the model read, special tokens included (S of them).
    pub fn tokens(&self) -> &[Token] {
        &self.encoding.tokens.tokens
    }

    /// How many tokens at the end of the text did not fit into the model's `max_length` and were
    /// left out.
    pub fn dropped_tokens(&self) -> usize {
        self.encoding.tokens.dropped
    }

    /// `[K, C]`: the model's own concept logits, before overrides. Where concepts have different numbers of classes,
    /// C is the largest and shorter rows end in padding, here and below: see [`Schema::class_count`].
    pub fn concept_logits(&self) -> ArrayView2<'_, f32> {
        self.concept_matrix(&self.encoding.encoded.concept_logits)
    }

    /// `[K, C]`: concept probabilities, after overrides.
    pub fn concept_values(&self) -> ArrayView2<'_, f32> {
        self.concept_matrix(&self.forward.concept_values)
    }

    fn concept_matrix<'a>(&self, values: &'a [f32]) -> ArrayView2<'a, f32> {
        let shape = (self.schema().concept_count(), self.schema().class_count());
        ArrayView2::from_shape(shape, values).expect("the length was checked")
    }

    /// `[K, C, S]`: what each position adds to each concept logit, before overrides. The sum over the
    /// positions plus the concept head's bias is the logit, exactly: pooling and head are linear.
    pub fn token_evidence(&self) -> ArrayView3<'_, f32> {
        let (k, c) = (self.schema().concept_count(), self.schema().class_count());
        let evidence = &self.encoding.encoded.token_evidence;
        ArrayView3::from_shape((k, c, evidence.len() / (k * c)), evidence)
            .expect("the length was checked")
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

/// Values that all ask the same.
fn asking<N, V>(
    question: Question,
    values: impl IntoIterator<Item = (N, V)>,
) -> impl Iterator<Item = (Question, N, V)> {
    values.into_iter().map(move |(name, value)| (question, name, value))
}

/// The index of the largest value, the first of equals.
pub(crate) fn argmax(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
