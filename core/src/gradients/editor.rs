use super::{Gradients, Point};
use crate::error::{Error, ErrorKind, Result};
use crate::masks::{LayerPatch, Mask, MaskPatch};
use crate::model::Model;
use crate::tokenizer::Tokens;

/// One concept's mask that can be changed and looked at bit by bit, without a new model.
#[derive(Clone)]
pub struct MaskEditor {
    gradients: Gradients,
    concept: usize,
    masks: Vec<Mask>,
    /// The same before any change.
    start: Vec<Mask>,
}

impl MaskEditor {
    /// The mask of `concept` in `model`, which is the gradients' own with any patches.
    ///
    /// # Errors
    /// `Input` where the model has no such concept, is another one than the gradients', or holds its masks
    /// folded into the weights.
    pub fn new(gradients: &Gradients, model: &Model, concept: &str) -> Result<MaskEditor> {
        if model.origin().checkpoint != gradients.model().origin().checkpoint {
            return Err(Error::new(
                ErrorKind::Input,
                "model",
                "another model than the gradients were loaded with",
                "a model of the same checkpoint, with or without patches",
            ));
        }
        let concept = model.schema().concept_index(concept)?;
        let mask = model.schema().mask_of(concept);
        let masks: Vec<Mask> = model.mask_sets()?.iter().map(|set| set.mask(mask)).collect();
        let start = masks.clone();
        Ok(MaskEditor { gradients: gradients.clone(), concept, masks, start })
    }

    /// The masks, as they are now, in the order of the backbone.
    pub fn masks(&self) -> &[Mask] {
        &self.masks
    }

    /// Flips a bit: prunes what is kept, grows what is not.
    ///
    /// # Panics
    /// Where there is no such matrix or bit.
    pub fn flip(&mut self, matrix: usize, row: usize, column: usize) {
        self.masks[matrix].flip(row, column);
    }

    /// `[C]` for each text: the concept's logits under the masks as they are now.
    ///
    /// # Errors
    /// `Engine` where the engine fails.
    pub fn logits(&self, texts: &[&Tokens]) -> Result<Vec<Vec<f32>>> {
        self.logits_of(self.concept, texts)
    }

    /// The same of another concept, whose head reads this mask.
    pub(crate) fn logits_of(&self, concept: usize, texts: &[&Tokens]) -> Result<Vec<Vec<f32>>> {
        self.gradients.file().logits(concept, &self.masks, &self.points(texts))
    }

    /// For each matrix `[blocks, columns]`: the gradient of Σ `logit_gradients` · logits, summed over the
    /// texts, by each bit of the mask, as if bits were numbers. `logit_gradients` is `[C]` for each text:
    /// for cross entropy the probabilities less 1 for the class that is wanted.
    ///
    /// # Errors
    /// `Input` where the number of gradients is not that of the texts and classes; `Engine` where the engine
    /// fails.
    pub fn mask_gradients(
        &self,
        texts: &[&Tokens],
        logit_gradients: &[Vec<f32>],
    ) -> Result<Vec<Vec<f32>>> {
        let points = self.points(texts);
        let file = self.gradients.file();
        file.mask_gradients(self.concept, &self.masks, &points, logit_gradients)
    }

    /// What was changed since the beginning.
    pub fn patch(&self) -> MaskPatch {
        let both = self.start.iter().zip(&self.masks);
        let layers =
            both.filter_map(|(before, after)| LayerPatch::between(before, after)).collect();
        let schema = self.gradients.model().schema();
        MaskPatch::new(&schema.concepts[self.concept].name, layers)
    }

    fn points(&self, texts: &[&Tokens]) -> Vec<Point> {
        let ids = |tokens: &&Tokens| tokens.tokens.iter().map(|token| token.id.into()).collect();
        let model = self.gradients.model();
        texts.iter().map(|tokens| Point::text(model.sequence(ids(tokens)))).collect()
    }
}

impl std::fmt::Debug for MaskEditor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MaskEditor").field("concept", &self.concept).finish_non_exhaustive()
    }
}
