//! The concept layer in plain Rust: the formulas of `docs/checkpoint.md`, for engines that run no graph.

use super::{Decision, Overrides};
use crate::explain::Heads;
use crate::intervention::softmax;
use crate::onnx::ModelProto;
use crate::{Result, Schema};

/// From concept logits and overrides to the label.
pub(crate) struct ConceptLayer {
    heads: Heads,
    /// T: the label head's logits are divided by it.
    temperature: f32,
    /// `[K][C][C]`: what a `replace` model feeds its label head for each asserted class.
    class_logits: Vec<Vec<Vec<f32>>>,
}

impl ConceptLayer {
    /// Reads the heads of a model.
    ///
    /// # Errors
    /// `Model` where a head is missing or is not of the schema's shape.
    pub(crate) fn load(model: &ModelProto, schema: &Schema) -> Result<ConceptLayer> {
        Ok(ConceptLayer {
            heads: Heads::read(model, schema)?,
            temperature: schema.calibration.temperature,
            class_logits: schema.calibration.class_logits.clone(),
        })
    }

    /// The label for concept logits `[K, C]`.
    pub(crate) fn decide(&self, concept_logits: &[f32], overrides: &Overrides) -> Decision {
        let concepts = self.class_logits.len();
        let classes = concept_logits.len() / concepts;
        let mut fed = concept_logits.to_vec();
        let mut own = Vec::with_capacity(fed.len());
        let mut values = Vec::with_capacity(fed.len());
        for k in 0..concepts {
            let row = k * classes..(k + 1) * classes;
            let probabilities = softmax(&concept_logits[row.clone()]);
            let given = (overrides.mask[k] != 0.0).then(|| &overrides.probabilities[row.clone()]);
            values.extend_from_slice(given.unwrap_or(&probabilities));
            own.extend(probabilities);
            if let (Some(given), None) = (given, &self.heads.effect) {
                for (c, logit) in fed[row].iter_mut().enumerate() {
                    let of_class = self.class_logits[k].iter().map(|logits| logits[c]);
                    *logit = given.iter().zip(of_class).map(|(p, logit)| p * logit).sum();
                }
            }
        }
        let change: Vec<f32> =
            values.iter().zip(&own).map(|(after, before)| after - before).collect();
        let label = self.heads.label.chunks(fed.len()).zip(&self.heads.label_bias).enumerate();
        let label_logits = label.map(|(l, (row, bias))| {
            let logit = (dot(row, &fed) + bias) / self.temperature;
            let effect = self.heads.effect.as_ref().map(|head| &head[l * fed.len()..][..fed.len()]);
            logit + effect.map_or(0.0, |row| dot(row, &change))
        });
        Decision { label_logits: label_logits.collect(), concept_values: values }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
