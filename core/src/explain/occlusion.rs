use std::ops::{ControlFlow, Range};

use serde::Serialize;

use super::words::{Word, descending, support};
use crate::error::{Error, ErrorKind, Result};
use crate::pauses::{at_once, without_pauses};
use crate::prediction::Prediction;

/// How many texts are given to the engine at once.
pub(super) const BATCH: usize = 16;

/// How words are masked out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OcclusionOptions {
    /// The token id that stands in for each token of a word. `None`: the tokenizer's mask token, else
    /// its unknown token, else its padding token.
    pub replacement: Option<u32>,
    /// How many words at a time are masked out, each width on its own: windows of that many words, at every place of
    /// the text. A concept is said in phrases, so windows find its words better than single ones do.
    pub windows: Vec<usize>,
    /// At most this many words get a value: those with the most evidence for or against any class of any
    /// concept. `None`: all.
    pub max_words: Option<usize>,
}

impl Default for OcclusionOptions {
    /// Windows of nine and five words, and single words.
    fn default() -> OcclusionOptions {
        OcclusionOptions { replacement: None, windows: vec![9, 5, 1], max_words: None }
    }
}

/// How far a computation of many runs has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Runs done.
    pub done: usize,
    /// Runs in all.
    pub total: usize,
}

/// What the model loses with each word: its logits less those of the text with words masked out, on average over
/// the windows that hold the word, then over the widths.
///
/// Unlike evidence, which says where the concept's value was read off, this counts what a word does to
/// the reading of the others; it is what a model is really sensitive to, and costs a run a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Occlusion {
    /// The W words that have a value, in the order of the text.
    pub words: Vec<Word>,
    /// Whether these are all words of the text, each by all windows that were asked for.
    pub complete: bool,
    /// One entry a concept, in the schema's order.
    pub concepts: Vec<ConceptOcclusion>,
    /// `[L][W]`: what each label logit loses, under the prediction's overrides.
    pub label_logits: Vec<Vec<f32>>,
    /// The token id that stood in for each token of a word.
    #[serde(skip)]
    pub(super) replacement: u32,
    /// Whether it was ended before all runs were done.
    #[serde(skip)]
    pub(super) ended: bool,
}

/// What one concept loses with each word.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConceptOcclusion {
    /// The concept's name.
    pub name: String,
    /// `[C]`: its class names.
    pub classes: Vec<String>,
    /// `[C][W]`: what each logit loses, before overrides.
    pub logits: Vec<Vec<f32>>,
}

impl Occlusion {
    /// Where the values of those of `words` stand that have one.
    pub(super) fn indices(&self, words: &[Word]) -> Vec<usize> {
        let held = |word: &Word| words.iter().any(|one| one.positions == word.positions);
        (0..self.words.len()).filter(|&index| held(&self.words[index])).collect()
    }
}

impl ConceptOcclusion {
    /// `[W]`: how much each word speaks for `class` rather than for the others.
    pub fn support(&self, class: usize) -> Vec<f32> {
        support(&self.logits, class)
    }
}

impl Prediction {
    /// Masks out words and measures what the concept and label logits lose.
    ///
    /// After every few runs `progress` is called; where it breaks, the result is the best of the runs so far: windows
    /// that lie side by side come first, so that each word soon has a value, and words with much evidence before
    /// others.
    ///
    /// # Errors
    /// `Input` where a window is of no word, or the vocabulary lacks the replacement; `Engine` where the engine fails.
    pub fn occlusion(
        &self,
        options: &OcclusionOptions,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Occlusion> {
        without_pauses(self.occlusion_with_pauses(options, at_once(progress)))
    }

    pub(super) async fn occlusion_with_pauses(
        &self,
        options: &OcclusionOptions,
        mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Occlusion> {
        let replacement = self.replacement(options.replacement)?;
        if options.windows.is_empty() || options.windows.contains(&0) {
            let found = format!("{:?}", options.windows);
            let expected = "numbers of words, at least 1 each";
            return Err(Error::new(ErrorKind::Input, "windows of occlusion", found, expected));
        }
        let words = self.words();
        let mut chosen = self.by_evidence(&words);
        chosen.truncate(options.max_words.unwrap_or(usize::MAX));
        let windows = windows(&options.windows, words.len(), &chosen);
        let total = windows.len();
        let mut lost = Lost::new(options.windows.len(), words.len());
        // The windows that give each word its first value are told of as soon as they are done.
        let first = windows.iter().take_while(|window| window.width == 0 && window.beside).count();
        let (first, others) = windows.split_at(first);
        for batch in first.chunks(BATCH).chain(others.chunks(BATCH)) {
            let texts = batch
                .iter()
                .map(|window| self.ids_without(&words, window.words.clone(), replacement));
            for (window, without) in batch.iter().zip(self.model().encode_ids(texts.collect())?) {
                let label = self.label_logits_for(&without.concept_logits);
                lost.add(window, self.losses(&without.concept_logits, &label));
            }
            if progress(Progress { done: lost.runs, total }).await.is_break() {
                break;
            }
        }
        let complete = lost.runs == total && chosen.len() == words.len();
        chosen.sort_unstable();
        let values: Vec<(usize, Vec<f32>)> =
            chosen.into_iter().filter_map(|word| Some((word, lost.of(word)?))).collect();
        let schema = self.model().schema();
        let row = |index: usize| values.iter().map(|(_, losses)| losses[index]).collect();
        let concepts = schema.concepts.iter().enumerate().map(|(k, concept)| ConceptOcclusion {
            name: concept.name.clone(),
            classes: concept.classes.clone(),
            logits: (0..concept.classes.len()).map(|c| row(k * schema.class_count() + c)).collect(),
        });
        let of_concepts = schema.concept_count() * schema.class_count();
        Ok(Occlusion {
            complete,
            concepts: concepts.collect(),
            label_logits: (0..schema.label_count()).map(|l| row(of_concepts + l)).collect(),
            words: values.iter().map(|(word, _)| words[*word].clone()).collect(),
            replacement,
            ended: lost.runs < total,
        })
    }

    /// `[K · C + L]`: what all logits lose where these are left.
    fn losses(&self, concept_logits: &[f32], label_logits: &[f32]) -> Vec<f32> {
        let own = self.concept_logits();
        let now = own.iter().chain(self.label().logits);
        let left = concept_logits.iter().chain(label_logits);
        now.zip(left).map(|(now, left)| now - left).collect()
    }

    /// The id that stands in for masked-out tokens.
    pub(super) fn replacement(&self, given: Option<u32>) -> Result<u32> {
        let size = self.model().vocabulary_size();
        match given {
            Some(id) if id as usize >= size => Err(Error::new(
                ErrorKind::Input,
                "replacement of occluded tokens",
                format!("id {id}"),
                format!("an id of the vocabulary, below {size}"),
            )),
            Some(id) => Ok(id),
            None => Ok(self.model().mask_id()),
        }
    }

    /// The input with the tokens of some words replaced.
    pub(super) fn ids_without(
        &self,
        words: &[Word],
        out: impl IntoIterator<Item = usize>,
        replacement: u32,
    ) -> Vec<i64> {
        let mut ids: Vec<i64> = self.tokens().iter().map(|token| token.id.into()).collect();
        for word in out {
            ids[words[word].positions.clone()].fill(replacement.into());
        }
        ids
    }

    /// The words, those with the largest evidence for any class of any concept first.
    fn by_evidence(&self, words: &[Word]) -> Vec<usize> {
        let evidence = self.word_evidence();
        let size = |word: usize| {
            let rows = evidence.concepts.iter().flat_map(|concept| &concept.evidence);
            rows.map(|row| row[word].abs()).fold(0.0, f32::max)
        };
        descending(&(0..words.len()).map(size).collect::<Vec<f32>>())
    }
}

/// Words that are masked out together.
struct Window {
    /// Index of the width.
    width: usize,
    /// Whether it is one of those that lie side by side.
    beside: bool,
    words: Range<usize>,
}

/// All windows of the widths that hold one of the `chosen` words, which stand in the order of their weight. Those at
/// the ends of the text hang over, so that each word is in as many windows as they are wide. Every width begins with
/// windows that lie side by side.
fn windows(widths: &[usize], words: usize, chosen: &[usize]) -> Vec<Window> {
    let mut rank = vec![usize::MAX; words];
    for (place, &word) in chosen.iter().enumerate() {
        rank[word] = place;
    }
    let mut all = Vec::new();
    for (index, &width) in widths.iter().enumerate() {
        let width = width.min(words.max(1));
        let mut of_width: Vec<(usize, Window)> = (1..words + width)
            .filter_map(|end| {
                let held = end.saturating_sub(width)..end.min(words);
                let best = rank[held.clone()].iter().copied().min()?;
                // Each word is in one window whose end is a multiple of the width, or in the one beyond the last.
                let beside = end % width == 0;
                let window = Window { width: index, beside, words: held };
                (best < usize::MAX).then_some((best, window))
            })
            .collect();
        of_width.sort_by_key(|(best, window)| (!window.beside, *best));
        all.extend(of_width.into_iter().map(|(_, window)| window));
    }
    all
}

/// Sums of what logits lost, for each width and word.
struct Lost {
    runs: usize,
    words: usize,
    /// `[widths · words]`: how many windows held the word, and the sums of their losses.
    sums: Vec<(usize, Vec<f32>)>,
}

impl Lost {
    fn new(widths: usize, words: usize) -> Lost {
        Lost { runs: 0, words, sums: vec![(0, Vec::new()); widths * words] }
    }

    fn add(&mut self, window: &Window, losses: Vec<f32>) {
        self.runs += 1;
        for word in window.words.clone() {
            let (count, sum) = &mut self.sums[window.width * self.words + word];
            *count += 1;
            sum.resize(losses.len(), 0.0);
            for (sum, loss) in sum.iter_mut().zip(&losses) {
                *sum += loss;
            }
        }
    }

    /// The mean over the widths of the mean over the windows that held the word; `None` where none did.
    fn of(&self, word: usize) -> Option<Vec<f32>> {
        let mut mean: Option<Vec<f32>> = None;
        let held = self.sums.iter().skip(word).step_by(self.words).filter(|(count, _)| *count > 0);
        let widths = held.clone().count() as f32;
        for (count, sum) in held {
            let mean = mean.get_or_insert_with(|| vec![0.0; sum.len()]);
            for (mean, sum) in mean.iter_mut().zip(sum) {
                *mean += sum / *count as f32 / widths;
            }
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_in_as_many_windows_as_they_are_wide() {
        let all = windows(&[3, 1], 7, &[6, 0, 1, 2, 3, 4, 5]);
        for (index, width) in [3, 1].into_iter().enumerate() {
            let of_width = || all.iter().filter(move |window| window.width == index);
            for word in 0..7 {
                let holding = of_width().filter(|window| window.words.contains(&word));
                assert_eq!(holding.count(), width, "word {word}, width {width}");
            }
        }
        // The first ones lie side by side, those of the word that weighs most before others.
        let first: Vec<Range<usize>> = all.iter().take(3).map(|w| w.words.clone()).collect();
        assert_eq!(first, [6..7, 0..3, 3..6]);
    }

    #[test]
    fn windows_without_a_chosen_word_are_left_out() {
        let all = windows(&[2], 5, &[0]);
        let held: Vec<Range<usize>> = all.into_iter().map(|window| window.words).collect();
        assert_eq!(held, [0..2, 0..1]);
        assert!(windows(&[5, 1], 0, &[]).is_empty());
    }

    #[test]
    fn a_word_has_the_mean_over_widths_of_means_over_windows() {
        let mut lost = Lost::new(2, 2);
        assert_eq!(lost.of(0), None);
        let window = |width, words| Window { width, beside: true, words };
        lost.add(&window(0, 0..2), vec![4.0]);
        lost.add(&window(0, 0..1), vec![2.0]);
        lost.add(&window(1, 0..1), vec![1.0]);
        assert_eq!(lost.of(0), Some(vec![2.0]));
        assert_eq!(lost.of(1), Some(vec![4.0]));
    }
}
