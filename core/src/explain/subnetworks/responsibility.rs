use std::collections::BTreeSet;

use serde::Serialize;

use super::split;
use crate::error::Result;
use crate::format::nodes;
use crate::model::Model;

/// Which part of a concept's subnetwork is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SwitchedOff {
    /// The weights that no other concept keeps.
    Exclusive,
    /// In each matrix as many weights as `Exclusive` has there, spread evenly over those that other
    /// concepts keep too: what to compare it with.
    Shared,
}

/// What a concept loses when the part of its subnetwork that no other shares is switched off.
///
/// Other concepts lose nothing, by construction: their masks stay as they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Responsibility {
    /// The concept's name.
    pub concept: String,
    /// Share of the concept's weights that no other concept keeps.
    pub exclusive: f64,
    /// On how many texts it was measured.
    pub texts: usize,
    /// Without the exclusive weights.
    pub without_exclusive: Loss,
    /// Without as many of the shared weights.
    pub without_shared: Loss,
}

/// How predictions of a concept change when weights are switched off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// Share of the texts for which the concept's class is another one.
    pub class_changed: f64,
    /// How much the probability of the class that was read falls, on average over the texts.
    pub probability_lost: f64,
}

impl Model {
    /// The model with a part of one concept's subnetwork switched off, on the same engine. In a model of `as-executed`
    /// semantics no weight is exclusive, and the model stays as it is.
    ///
    /// # Errors
    /// `Input` where the model has no such concept; as [`Model::subnetworks`] and [`Model::from_bytes`].
    pub fn without(&self, concept: &str, part: SwitchedOff) -> Result<Model> {
        let schema = self.schema();
        let k = schema.concept_index(concept)?;
        let mask = schema.mask_of(k);
        let mut masks = self.stored_masks()?;
        let mut changed = BTreeSet::new();
        for set in masks.iter_mut().map(|masks| &mut masks.set) {
            let (alone, shared) = split(schema, set, k);
            let off = match part {
                SwitchedOff::Exclusive => alone,
                SwitchedOff::Shared => shared.spread(alone.kept()),
            };
            if off.kept() > 0 {
                set.replace(mask, &set.mask(mask).and_not(&off));
                changed.insert(nodes::of_concept(&schema.concepts[mask].name, set.layer()));
            }
        }
        match changed.is_empty() {
            true => Ok(self.clone()),
            false => self.with_masks(&masks, &changed),
        }
    }

    /// Measures on `texts` what `concept` loses when the part of its subnetwork that no other concept
    /// shares is switched off, beside losing as many shared weights. Makes two other models.
    ///
    /// # Errors
    /// As [`Model::without`] and [`Model::predict_batch`].
    pub fn responsibility<T: AsRef<str>>(
        &self,
        concept: &str,
        texts: &[T],
    ) -> Result<Responsibility> {
        let k = self.schema().concept_index(concept)?;
        let whole = self.predict_batch(texts)?;
        let loss = |part: SwitchedOff| -> Result<Loss> {
            let less = self.without(concept, part)?.predict_batch(texts)?;
            let (mut changed, mut lost) = (0usize, 0.0);
            for (before, after) in whole.iter().zip(&less) {
                let (before, after) = (before.concept(concept)?, after.concept(concept)?);
                let class = before.class_index;
                changed += usize::from(after.class_index != class);
                lost += f64::from(before.probabilities[class] - after.probabilities[class]);
            }
            let count = whole.len().max(1) as f64;
            Ok(Loss { class_changed: changed as f64 / count, probability_lost: lost / count })
        };
        Ok(Responsibility {
            concept: concept.into(),
            exclusive: self.subnetworks()?.report().exclusive[k],
            texts: texts.len(),
            without_exclusive: loss(SwitchedOff::Exclusive)?,
            without_shared: loss(SwitchedOff::Shared)?,
        })
    }
}
