use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use sparsecbm::explain::{Occlusion, OcclusionOptions, Word, combined};
use sparsecbm::{Prediction, Result};

use crate::eval::{Review, average_precision, human_edits, roc_area};

/// How well a method ranks the words that people changed when they changed what a review says of a concept: there the
/// concept stands. Over edits of concepts that the review speaks of, on average.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditedWords {
    /// What ranks the words of the original, for the class that the concept has there.
    pub method: String,
    /// How many edits.
    pub edits: usize,
    /// Mean average precision; a random order has the share of words that were changed.
    pub average_precision: f64,
    /// Mean area under the ROC curve; a random order has 0.5.
    pub roc_area: f64,
    /// Runs of the model for a review, on average.
    pub runs: f64,
}

/// Measures evidence, single words and windows on at most `sample` edits, spread evenly over the data. An original
/// whose concept is of a class called `unknown` says nothing of it, and is left out. Empty where the data has no edits.
///
/// # Errors
/// `Engine` where the engine fails.
pub fn edited_words(
    predictions: &[Prediction],
    reviews: &[Review],
    sample: usize,
) -> Result<Vec<EditedWords>> {
    let said = |original: usize, concept: usize| {
        let class = reviews[original].concepts[concept]?;
        let classes = &predictions[original].model().schema().concepts[concept].classes;
        (classes[class] != "unknown").then_some(class)
    };
    let edits: Vec<_> = human_edits(reviews)
        .into_iter()
        .filter_map(|edit| Some((said(edit.original, edit.concept)?, edit)))
        .collect();
    let mut found: BTreeMap<String, EditedWords> = BTreeMap::new();
    for index in super::spread(edits.len(), sample) {
        let (class, edit) = &edits[index];
        let original = &predictions[edit.original];
        let words = original.words();
        let changed = changed(&words, &predictions[edit.edited].words());
        // An order of nothing but changed words, or of none, tells no method from another.
        if changed.iter().all(|&c| c) || !changed.contains(&true) {
            continue;
        }
        for (method, support, runs) in supports(original, edit.concept, *class)? {
            let total = found.entry(method.clone()).or_insert(EditedWords {
                method,
                edits: 0,
                average_precision: 0.0,
                roc_area: 0.0,
                runs: 0.0,
            });
            total.edits += 1;
            total.average_precision += average_precision(&support, &changed);
            total.roc_area += roc_area(&support, &changed);
            total.runs += runs as f64;
        }
    }
    let mean = |mut total: EditedWords| {
        let edits = total.edits as f64;
        total.average_precision /= edits;
        total.roc_area /= edits;
        total.runs /= edits;
        total
    };
    Ok(found.into_values().map(mean).collect())
}

/// What each method says for `class`, a value a word, and how many runs of the model it took.
fn supports(
    prediction: &Prediction,
    concept: usize,
    class: usize,
) -> Result<Vec<(String, Vec<f32>, usize)>> {
    let by_windows = |width: usize| -> Result<(Vec<f32>, usize)> {
        let (occlusion, runs) = occluded(prediction, width)?;
        Ok((occlusion.concepts[concept].support(class), runs))
    };
    let (single, five, nine) = (by_windows(1)?, by_windows(5)?, by_windows(9)?);
    // Several widths are the mean of each, so that none has to run again.
    let of_several = |widths: &[&(Vec<f32>, usize)]| {
        let supports: Vec<&[f32]> = widths.iter().map(|(support, _)| support.as_slice()).collect();
        (mean_of(&supports), widths.iter().map(|(_, runs)| runs).sum::<usize>())
    };
    let (two, three) = (of_several(&[&single, &five]), of_several(&[&single, &five, &nine]));
    let found = prediction.word_evidence();
    let evidence = found.concepts[concept].support(class);
    let both = combined(prediction.text(), &found.words, &three.0, &evidence);
    let both = (both, three.1);
    let all = [
        ("random", (vec![0.0; evidence.len()], 0)),
        ("evidence", (evidence, 0)),
        ("single words", single),
        ("windows of 5", five),
        ("windows of 5, and single words", two),
        ("windows of 9 and 5, and single words", three),
        ("these, evidence and sentences: what reasons are chosen by", both),
    ];
    Ok(all.into_iter().map(|(method, (support, runs))| (method.into(), support, runs)).collect())
}

/// Occlusion by windows of one width, and how many runs of the model it took.
pub(super) fn occluded(prediction: &Prediction, width: usize) -> Result<(Occlusion, usize)> {
    let mut options = OcclusionOptions::default();
    options.windows = vec![width];
    let mut runs = 0;
    let occlusion = prediction.occlusion(&options, |progress| {
        runs = progress.done;
        ControlFlow::Continue(())
    })?;
    Ok((occlusion, runs))
}

/// What several widths say of each word, on average: occlusion by all of them, with no window run again.
pub(super) fn mean_of(supports: &[&[f32]]) -> Vec<f32> {
    let of_word = |word: usize| supports.iter().map(|support| support[word]).sum::<f32>();
    (0..supports[0].len()).map(|word| of_word(word) / supports.len() as f32).collect()
}

/// Which words of the original are gone or replaced in the edit.
fn changed(original: &[Word], edited: &[Word]) -> Vec<bool> {
    let texts = |words: &[Word]| -> Vec<String> {
        words.iter().map(|word| word.text.to_lowercase()).collect()
    };
    let mut changed = vec![false; original.len()];
    for op in capture_diff_slices(Algorithm::Myers, &texts(original), &texts(edited)) {
        if let DiffOp::Delete { .. } | DiffOp::Replace { .. } = op {
            changed[op.old_range()].fill(true);
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_an_edit_replaced_or_took_away_are_changed() {
        let words = |text: &str| -> Vec<Word> {
            let word =
                |text: &str| Word { text: text.into(), utf8: None, utf16: None, positions: 0..0 };
            text.split(' ').map(word).collect()
        };
        let before = words("The food was very good but loud");
        let after = words("the food was bad but loud and pricey");
        assert_eq!(changed(&before, &after), [false, false, false, true, true, false, false]);
    }
}
