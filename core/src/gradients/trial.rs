use super::{Gradients, Point};
use crate::edit::LayerPatch;
use crate::{Error, ErrorKind, MaskBits, MaskPatch, Model, Result, Tokens};

/// One concept's mask that can be changed and looked at bit by bit, without a new model.
#[derive(Clone)]
pub struct Trial {
    gradients: Gradients,
    concept: usize,
    masks: Vec<TrialMask>,
    /// The bits of each matrix before any change.
    start: Vec<Vec<u8>>,
}

/// The mask of one matrix in a [`Trial`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialMask {
    /// The linear layer's name in the backbone.
    pub name: String,
    /// Rows of blocks.
    pub blocks: usize,
    /// Columns.
    pub columns: usize,
    /// Height of the blocks that one bit stands for.
    pub block_rows: usize,
    /// `[blocks, ⌈columns / 8⌉]`, lowest bit first.
    pub(super) bits: Vec<u8>,
}

impl TrialMask {
    /// Mask `mask`, of 0 to K − 1, of a matrix.
    ///
    /// # Panics
    /// Where there is no such mask.
    pub fn new(matrix: &MaskBits, mask: usize) -> TrialMask {
        TrialMask {
            name: matrix.name.clone(),
            blocks: matrix.blocks(),
            columns: matrix.columns,
            block_rows: matrix.block_rows,
            bits: matrix.mask(mask).to_vec(),
        }
    }

    /// Whether the mask keeps the block in row `row` of blocks and column `column`.
    pub fn keeps(&self, row: usize, column: usize) -> bool {
        self.bits[row * self.columns.div_ceil(8) + column / 8] >> (column % 8) & 1 == 1
    }

    /// How many bits it keeps.
    pub fn kept(&self) -> usize {
        self.bits.iter().map(|byte| byte.count_ones() as usize).sum()
    }
}

impl Trial {
    /// The mask of `concept` in `model`, which is the gradients' own with any patches.
    ///
    /// # Errors
    /// `Input` where the model has no such concept, is another one than the gradients', or holds its masks
    /// folded into the weights.
    pub fn new(gradients: &Gradients, model: &Model, concept: &str) -> Result<Trial> {
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
        let matrices = model.matrices()?;
        let masks: Vec<_> = matrices.iter().map(|matrix| TrialMask::new(matrix, mask)).collect();
        let start = masks.iter().map(|mask| mask.bits.clone()).collect();
        Ok(Trial { gradients: gradients.clone(), concept, masks, start })
    }

    /// The masks, as they are now, in the order of the backbone.
    pub fn masks(&self) -> &[TrialMask] {
        &self.masks
    }

    /// Flips a bit: prunes what is kept, grows what is not.
    ///
    /// # Panics
    /// Where there is no such matrix or place.
    pub fn flip(&mut self, matrix: usize, row: usize, column: usize) {
        let mask = &mut self.masks[matrix];
        assert!(row < mask.blocks && column < mask.columns, "a place outside the matrix");
        mask.bits[row * mask.columns.div_ceil(8) + column / 8] ^= 1 << (column % 8);
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
        let mut layers = Vec::new();
        for (mask, start) in self.masks.iter().zip(&self.start) {
            let mut layer = LayerPatch { name: mask.name.clone(), ..LayerPatch::default() };
            let width = mask.columns.div_ceil(8);
            let bytes = mask.bits.iter().zip(start).enumerate();
            for (index, (now, before)) in bytes.filter(|(_, (now, before))| now != before) {
                for bit in (0..8).filter(|bit| (now ^ before) >> bit & 1 == 1) {
                    let place = [index / width, index % width * 8 + bit];
                    let list = match before >> bit & 1 {
                        1 => &mut layer.pruned,
                        _ => &mut layer.grown,
                    };
                    list.push(place);
                }
            }
            if !(layer.pruned.is_empty() && layer.grown.is_empty()) {
                layers.push(layer);
            }
        }
        let schema = self.gradients.model().schema();
        MaskPatch::new(&schema.concepts[self.concept].name, layers)
    }

    fn points(&self, texts: &[&Tokens]) -> Vec<Point> {
        let ids = |tokens: &&Tokens| tokens.tokens.iter().map(|token| token.id.into()).collect();
        let model = self.gradients.model();
        texts.iter().map(|tokens| Point::text(model.sequence(ids(tokens)))).collect()
    }
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("concept", &self.concept).finish_non_exhaustive()
    }
}
