use serde::Serialize;

use super::task::EditTask;
use crate::concept_layer::softmax;
use crate::error::Result;
use crate::gradients::MaskEditor;
use crate::masks::MaskPatch;
use crate::prediction::{Prediction, argmax};

/// How the search for an edit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditOutcome {
    /// Every example is of the class it is to have, every guard of its own.
    Turned,
    /// They are not, with any number of bits within the limit: the patch has the smallest loss that was found.
    NotTurned,
    /// The time limit was reached, or `progress` ended the search: the patch is as far as it came.
    Stopped,
}

/// A change of one concept's mask, and what it does to the texts it was made for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Edit {
    /// How the search ended.
    pub outcome: EditOutcome,
    /// The concept.
    pub concept: String,
    /// How many bits are flipped: half of them pruned, half grown.
    pub flips: usize,
    /// How many bits the mask keeps, before and after.
    pub kept: usize,
    /// The matrices with flipped bits, in the order of the backbone.
    pub layers: Vec<LayerFlips>,
    /// What becomes of the examples.
    pub examples: Vec<TextChange>,
    /// How many guards there are.
    pub guards: usize,
    /// What becomes of the guards that do not keep their class.
    pub broken: Vec<TextChange>,
    /// How many runs of the model the search took.
    pub runs: usize,
    /// The change itself, for [`Model::with_patches`](crate::Model::with_patches).
    pub patch: MaskPatch,
}

/// How many bits of one matrix are flipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayerFlips {
    /// The linear layer's name in the backbone.
    pub name: String,
    /// Bits that are pruned.
    pub pruned: usize,
    /// Bits that are grown.
    pub grown: usize,
}

/// What an edit does to one text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TextChange {
    /// The text; `None` where token ids were given.
    pub text: Option<String>,
    /// The class that the concept is to have.
    pub wanted: String,
    /// The concept's class before.
    pub class_before: String,
    /// The concept's class after.
    pub class_after: String,
    /// `[C]`: the concept's logits before.
    pub logits_before: Vec<f32>,
    /// `[C]`: the concept's logits after.
    pub logits_after: Vec<f32>,
    /// The label before, under the prediction's overrides.
    pub label_before: String,
    /// The label after, under the same.
    pub label_after: String,
    /// `[L]`: the label's probabilities before.
    pub label_probabilities_before: Vec<f32>,
    /// `[L]`: the label's probabilities after.
    pub label_probabilities_after: Vec<f32>,
}

impl Edit {
    pub(super) fn new(
        task: &EditTask,
        editor: &MaskEditor,
        kept: usize,
        outcome: EditOutcome,
        runs: usize,
    ) -> Result<Edit> {
        let patch = editor.patch();
        let layers = patch.layers.iter().map(|layer| LayerFlips {
            name: layer.name.clone(),
            pruned: layer.pruned.len(),
            grown: layer.grown.len(),
        });
        let examples = task.examples.iter().map(|(prediction, class)| (prediction, *class));
        let guards = task.guards.iter().map(|guard| (guard, guard.own_class(task.concept)));
        let examples = changes(task, editor, examples.collect())?;
        let mut broken = changes(task, editor, guards.collect())?;
        broken.retain(|change| change.class_after != change.wanted);
        Ok(Edit {
            outcome,
            concept: patch.concept.clone(),
            flips: patch.flips(),
            kept,
            layers: layers.collect(),
            examples,
            guards: task.guards.len(),
            broken,
            runs,
            patch,
        })
    }
}

/// What edited masks do to texts that are each to have a class.
fn changes(
    task: &EditTask,
    editor: &MaskEditor,
    texts: Vec<(&Prediction, usize)>,
) -> Result<Vec<TextChange>> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let schema = task.model.schema();
    let tokens: Vec<_> = texts.iter().map(|(prediction, _)| prediction.tokenized()).collect();
    // The concepts whose heads read the mask.
    let reads = |k: &usize| schema.mask_of(*k) == schema.mask_of(task.concept);
    let read: Vec<usize> = (0..schema.concept_count()).filter(reads).collect();
    let logits = read.iter().map(|&k| editor.logits_of(k, &tokens)).collect::<Result<Vec<_>>>()?;
    let change = |(index, &(prediction, wanted)): (usize, &(&Prediction, usize))| {
        let mut all = prediction.concept_logits().to_owned();
        for (&k, logits) in read.iter().zip(&logits) {
            all.row_mut(k).iter_mut().zip(&logits[index]).for_each(|(to, from)| *to = *from);
        }
        let after = all.row(task.concept).to_vec();
        let flat: Vec<f32> = all.iter().copied().collect();
        let label_logits = prediction.label_logits_for(&flat);
        let label = prediction.label();
        let class = |index: usize| schema.concepts[task.concept].classes[index].clone();
        Ok(TextChange {
            text: prediction.text().map(str::to_string),
            wanted: class(wanted),
            class_before: class(prediction.own_class(task.concept)),
            class_after: class(argmax(&after)),
            logits_before: prediction.concept_logits().row(task.concept).to_vec(),
            logits_after: after,
            label_before: label.class.into(),
            label_after: schema.label.classes[argmax(&label_logits)].clone(),
            label_probabilities_before: label.probabilities.to_vec(),
            label_probabilities_after: softmax(&label_logits),
        })
    };
    texts.iter().enumerate().map(change).collect()
}
