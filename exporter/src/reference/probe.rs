use ndarray::{Array1, Array2};
use sparsecbm::Result;
use sparsecbm::schema::Semantics;

use super::parameters::{Parameters, rounded};
use super::{Input, Reference, matrix};
use crate::backbone::LinearLayer;

/// One concept's logits of one input, as functions of what they are differentiated by.
pub(crate) struct Probe<'a> {
    reference: &'a Reference<'a>,
    concept: usize,
    input: &'a Input,
    parameters: Parameters,
    words: Array2<f32>,
}

impl<'a> Reference<'a> {
    /// Makes ready to evaluate concept k on `input`.
    pub(crate) fn probe(&'a self, concept: usize, input: &'a Input) -> Result<Probe<'a>> {
        let mask = match self.checkpoint.schema.semantics {
            Semantics::AsIntended => concept,
            Semantics::AsExecuted => 0,
        };
        let parameters = Parameters::of_mask(self.checkpoint, mask, self.rounding)?;
        let words = parameters.words(self.checkpoint.backbone.word_table(), &input.ids);
        Ok(Probe { reference: self, concept, input, parameters, words })
    }
}

impl Probe<'_> {
    /// `[C]`: the logits with `change`, `[S, E]`, added to the word embeddings.
    pub(crate) fn with_words(&self, change: &Array2<f32>) -> Array1<f32> {
        let words = &self.words + change;
        let k = self.concept;
        let (hidden, pool_weight) = self.reference.hidden(k, &self.parameters, &words, self.input);
        let heads = &self.reference.heads;
        heads.concept_weights[k].dot(&pool_weight.dot(&hidden)) + heads.concept_bias.row(k)
    }

    /// `[C]`: the logits with `change`, one number for each weight of a layer, `[out, in]`, added to what its
    /// mask multiplies the weights with.
    pub(crate) fn with_mask(&mut self, layer: &LinearLayer, change: &[f32]) -> Result<Array1<f32>> {
        let reference = self.reference;
        let weight = reference.checkpoint.weight(layer)?;
        let name = layer.weight_name();
        let weight = rounded(weight, layer.columns, &name, reference.rounding)?;
        let part = weight.iter().zip(change).map(|(weight, change)| weight * change).collect();
        let changed = self.parameters.matrix(&name) + &matrix(layer.rows, part);
        let own = self.parameters.exchange(layer, changed);
        let logits = self.with_words(&Array2::zeros(self.words.dim()));
        self.parameters.exchange(layer, own);
        Ok(logits)
    }
}
