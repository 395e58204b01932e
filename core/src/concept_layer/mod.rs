//! The concept layer: from concept logits and overrides to the label, for every engine. The formulas are those
//! of `docs/reference/checkpoint.md`.

mod answers;
mod contributions;
mod heads;
mod value;

use answers::Answers;
use heads::Heads;
pub(crate) use value::Override;
pub use value::{ConceptValue, Question};

use crate::error::Result;
use crate::onnx::ModelProto;
use crate::schema::Schema;

/// The heads above the concept logits. Arrays are row-major, a concept's row C wide (see [`Schema::class_count`]).
pub(crate) struct ConceptLayer {
    heads: Heads,
    shape: Shape,
    /// T: the label head's logits are divided by it.
    temperature: f32,
    /// `[K, C]`: the baseline of contributions.
    mean_logits: Vec<f32>,
    /// `[K, C]`
    mean_probabilities: Vec<f32>,
}

/// How concepts and their classes lie in arrays `[K, C]`.
#[derive(Clone, Copy)]
struct Shape {
    concepts: usize,
    classes: usize,
}

/// What the concept layer says of one text; row-major.
#[derive(Clone)]
pub(crate) struct Forward {
    /// `concept_values`, `[K, C]`.
    pub concept_values: Vec<f32>,
    /// `label_logits`, `[L]`.
    pub label_logits: Vec<f32>,
}

impl ConceptLayer {
    /// Reads the heads of a model.
    ///
    /// # Errors
    /// `Model` where a head is missing or is not of the schema's shape.
    pub fn read(model: &ModelProto, schema: &Schema) -> Result<ConceptLayer> {
        let shape = Shape::of(schema);
        let calibration = &schema.calibration;
        Ok(ConceptLayer {
            heads: Heads::read(model, schema)?,
            shape,
            temperature: calibration.temperature,
            mean_logits: padded(&calibration.mean_concept_logits, shape.classes),
            mean_probabilities: padded(&calibration.mean_concept_probabilities, shape.classes),
        })
    }

    /// `[K, C]`: the concept logits of a text without any position, whose pooled state is 0.
    pub fn logits_of_nothing(&self) -> &[f32] {
        &self.heads.concept_bias
    }

    /// The label for concept logits `[K, C]`, with each concept's override, if it has one.
    pub fn forward(&self, logits: &[f32], overrides: &[Option<Override>]) -> Forward {
        let mut own = Vec::with_capacity(logits.len());
        let mut values = Vec::with_capacity(logits.len());
        for (row, given) in logits.chunks(self.shape.classes).zip(overrides) {
            let probabilities = softmax(row);
            values.extend_from_slice(given.as_ref().map_or(&*probabilities, |o| &o.probabilities));
            own.extend(probabilities);
        }
        let label_logits = match &self.heads.answers {
            Answers::Replace(class_logits) => {
                let mut fed = logits.to_vec();
                for (k, given) in overridden(overrides) {
                    let row = class_logits.fed(self.shape, k, &given.probabilities);
                    fed[self.shape.row(k)].copy_from_slice(&row);
                }
                self.label(&fed)
            }
            Answers::Effect(weight) => {
                let change: Vec<f32> =
                    values.iter().zip(&own).map(|(after, before)| after - before).collect();
                let effects = weight.chunks(change.len()).map(|row| dot(row, &change));
                self.label(logits).into_iter().zip(effects).map(|(a, b)| a + b).collect()
            }
            Answers::SupposeCorrect(answers) => {
                let mut label = self.label(logits);
                for (k, given) in overridden(overrides) {
                    let change =
                        answers.change(self.shape, k, given, &own[self.shape.row(k)], logits);
                    for (logit, change) in label.iter_mut().zip(change) {
                        *logit += change as f32;
                    }
                }
                label
            }
        };
        Forward { concept_values: values, label_logits }
    }

    /// `[L]`: (W·c + b) / T.
    fn label(&self, fed: &[f32]) -> Vec<f32> {
        let rows = self.heads.label.chunks(fed.len()).zip(&self.heads.label_bias);
        rows.map(|(row, bias)| (dot(row, fed) + bias) / self.temperature).collect()
    }
}

impl Shape {
    fn of(schema: &Schema) -> Shape {
        Shape { concepts: schema.concept_count(), classes: schema.class_count() }
    }

    /// K · C.
    fn width(self) -> usize {
        self.concepts * self.classes
    }

    /// Where concept k stands.
    fn row(self, k: usize) -> std::ops::Range<usize> {
        k * self.classes..(k + 1) * self.classes
    }

    /// `[L]`: concept k's columns of a head `[L, K * C]` times a vector `[C]`.
    fn product(self, head: &[f32], k: usize, vector: &[f64]) -> Vec<f64> {
        let row = |row: &[f32]| {
            row[self.row(k)].iter().zip(vector).map(|(&weight, v)| f64::from(weight) * v).sum()
        };
        head.chunks(self.width()).map(row).collect()
    }
}

/// The concepts that have an override.
fn overridden(overrides: &[Option<Override>]) -> impl Iterator<Item = (usize, &Override)> {
    overrides.iter().enumerate().filter_map(|(k, given)| Some((k, given.as_ref()?)))
}

/// Rows of each concept's own length as one array `[K, width]`, with 0 for classes that a concept does not have.
fn padded(rows: &[Vec<f32>], width: usize) -> Vec<f32> {
    let mut all = vec![0.0; rows.len() * width];
    for (to, row) in all.chunks_mut(width).zip(rows) {
        to[..row.len()].copy_from_slice(row);
    }
    all
}

/// exp(x) / Σ exp(x), safe for large x.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| e / sum).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn difference(values: &[f32], from: &[f32]) -> Vec<f64> {
    values.iter().zip(from).map(|(&a, &b)| f64::from(a) - f64::from(b)).collect()
}
