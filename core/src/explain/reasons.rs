use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use serde::Serialize;

use super::occlusion::{BATCH, Occlusion, Progress};
use super::phrases::phrases;
use super::words::{Word, WordEvidence, combined, of_others};
use crate::concept_layer::{Question, softmax};
use crate::error::Result;
use crate::pauses::{at_once, without_pauses};
use crate::prediction::Prediction;

/// How many phrases may speak for a concept's class, and how many against it.
const FOR: usize = 3;
const AGAINST: usize = 1;

/// A phrase is shown where it changes the probability by so much…
const MUCH: f32 = 0.1;

/// … or, where the model is so sure that hardly anything changes the probability, where it gives so much support and
/// changes the probability by a point at least.
const SUPPORT: f32 = 0.9;
const A_POINT: f32 = 0.01;

/// A phrase is left out where another of the same concept has this many times its support.
const TIMES: f32 = 3.0;

/// Why the model reads a concept as it does: the few phrases of the text that matter. What is to be shown is chosen
/// here, once, so that it is the same wherever it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// The concept's name.
    pub concept: String,
    /// The class that the model itself reads in the text, whatever the overrides.
    pub class: String,
    /// Its index.
    pub class_index: usize,
    /// Which question the concept's override asks, if it has one. Where it is supposed to be otherwise, no word is its
    /// reason; where it is corrected, the phrases are those that the model had read.
    pub question: Option<Question>,
    /// Phrases for the class, then phrases against it, each the one with most support first; none where nothing stands
    /// out.
    pub phrases: Vec<Phrase>,
}

/// Words that stand together, and what they do to a concept and through it to the label.
///
/// Where words were masked out, the model ran without this very phrase; where that was ended early, it is taken for
/// what the windows that hold its words give. Else its words' evidence was taken off the logits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Phrase {
    /// The words as they stand in the text; the tokens' pieces where token ids were given instead of a text.
    pub text: String,
    /// Indices of its words among those of [`WordEvidence::words`].
    pub words: Range<usize>,
    /// Where it is in the text, in bytes of UTF-8; `None` where token ids were given.
    pub utf8: Option<Range<usize>>,
    /// Where it is in the text, in UTF-16 code units.
    pub utf16: Option<Range<usize>>,
    /// What the class's logit loses without it, less the mean of what the other classes' lose; below 0: it speaks
    /// against the class.
    pub support: f32,
    /// What it adds to the class's probability.
    pub probability: f32,
    /// What it changes of the label through this concept alone; `None` for a corrected concept, whose label
    /// follows what was asserted of it.
    pub label: Option<LabelChange>,
}

/// What a phrase changes of the label, the other concepts as they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LabelChange {
    /// The predicted class.
    pub class: String,
    /// What the phrase adds to its probability.
    pub probability: f32,
    /// What the phrase adds to the label's expected value, where its classes are numbers.
    pub expected_value: Option<f32>,
}

/// The phrases of one concept that may be shown, before it is known what they do.
struct Candidates {
    /// For the class, and against it.
    sides: [Vec<Range<usize>>; 2],
}

/// What phrases give to the logits, each alone or some together: `[C]` for each concept.
type Given = HashMap<Vec<Range<usize>>, Vec<Vec<f32>>>;

impl Prediction {
    /// Why each concept is read as it is: one entry per concept, in the schema's order. Phrases are found by
    /// `occlusion` and evidence together where it has words, each then masked out by itself: a few runs of the
    /// model, but none where `occlusion` was itself ended early; else by evidence, without any run.
    ///
    /// After every few runs `progress` is called; where it breaks, phrases not yet masked out have what the windows
    /// gave.
    ///
    /// # Errors
    /// `Engine` where the engine fails.
    pub fn reasons(
        &self,
        occlusion: Option<&Occlusion>,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Reason>> {
        let evidence = self.word_evidence();
        without_pauses(self.reasons_with_pauses(&evidence, occlusion, at_once(progress)))
    }

    pub(super) async fn reasons_with_pauses(
        &self,
        evidence: &WordEvidence,
        occlusion: Option<&Occlusion>,
        progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Reason>> {
        let words = &evidence.words;
        let occlusion = occlusion.filter(|occlusion| !occlusion.words.is_empty());
        let concepts = self.overrides().len();
        let candidates: Vec<Candidates> = (0..concepts)
            .map(|k| match self.question(k) {
                Some(Question::Suppose) => Candidates { sides: [Vec::new(), Vec::new()] },
                _ => self.candidates(k, evidence, occlusion),
            })
            .collect();
        let wanted = wanted(&candidates);
        let mut given = match occlusion {
            Some(occlusion) => by_windows(words, occlusion, &wanted),
            None => by_evidence(evidence, &wanted),
        };
        if let Some(occlusion) = occlusion.filter(|occlusion| !occlusion.ended) {
            self.mask_out(words, &wanted, occlusion.replacement, &mut given, progress).await?;
        }
        let reason = |(k, candidates): (usize, &Candidates)| {
            let class = self.own_class(k);
            let concept = &self.model().schema().concepts[k];
            Reason {
                concept: concept.name.clone(),
                class: concept.classes[class].clone(),
                class_index: class,
                question: self.question(k),
                phrases: self.that_stand_out(k, words, candidates, &given),
            }
        };
        Ok(candidates.iter().enumerate().map(reason).collect())
    }

    fn question(&self, k: usize) -> Option<Question> {
        self.overrides()[k].as_ref().map(|given| given.question)
    }

    /// Phrases of which each word has much support, positive or negative.
    fn candidates(
        &self,
        k: usize,
        evidence: &WordEvidence,
        occlusion: Option<&Occlusion>,
    ) -> Candidates {
        let (words, class) = (&evidence.words, self.own_class(k));
        let special = |word: &Word| {
            let tokens = &self.tokens()[word.positions.clone()];
            tokens.iter().all(|token| self.model().is_special(token.id))
        };
        let without_special = |mut values: Vec<f32>| {
            let special = values.iter_mut().zip(words).filter(|(_, word)| special(word));
            special.for_each(|(value, _)| *value = 0.0);
            values
        };
        let own = without_special(evidence.concepts[k].support(class));
        let values = match occlusion {
            None => own,
            Some(occlusion) => {
                // Words are in the order of the text, and those of occlusion are some of them.
                let (mut lost, mut places) = (vec![0.0; words.len()], 0..words.len());
                for (word, value) in
                    occlusion.words.iter().zip(occlusion.concepts[k].support(class))
                {
                    let place = places.find(|&place| words[place].positions == word.positions);
                    lost[place.expect("a word of the text")] = value;
                }
                combined(self.text(), words, &without_special(lost), &own)
            }
        };
        let against: Vec<f32> = values.iter().map(|value| -value).collect();
        let chosen = |values: &[f32], most| phrases(self.text(), words, values, most);
        Candidates { sides: [chosen(&values, FOR), chosen(&against, AGAINST)] }
    }

    /// Masks out each of `wanted`: what it gives is the model's logits less those of the text without it.
    async fn mask_out(
        &self,
        words: &[Word],
        wanted: &[Vec<Range<usize>>],
        replacement: u32,
        given: &mut Given,
        mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        let classes = self.model().schema().class_count();
        let now = self.concept_logits();
        let mut done = 0;
        for batch in wanted.chunks(BATCH) {
            let without = |out: &Vec<Range<usize>>| {
                self.ids_without(words, out.iter().cloned().flatten(), replacement)
            };
            let encoded = self.model().encode_ids(batch.iter().map(without).collect())?;
            for (out, without) in batch.iter().zip(encoded) {
                let lost = now.iter().zip(&without.concept_logits).map(|(now, left)| now - left);
                let lost: Vec<f32> = lost.collect();
                given.insert(out.clone(), lost.chunks(classes).map(<[f32]>::to_vec).collect());
            }
            done += batch.len();
            if progress(Progress { done, total: wanted.len() }).await.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The phrases of concept k that are worth showing.
    fn that_stand_out(
        &self,
        k: usize,
        words: &[Word],
        candidates: &Candidates,
        given: &Given,
    ) -> Vec<Phrase> {
        let mut shown = Vec::new();
        for (side, sign) in candidates.sides.iter().zip([1.0, -1.0]) {
            let phrase = |words_of: &Range<usize>| {
                let lost = &given.get(std::slice::from_ref(words_of))?[k];
                let phrase = self.phrase(k, words, words_of.clone(), lost);
                (sign * phrase.support > 0.0).then_some(phrase)
            };
            let mut found: Vec<Phrase> = side.iter().filter_map(phrase).collect();
            found.sort_by(|a, b| (sign * b.support).total_cmp(&(sign * a.support)));
            let Some(best) = found.first() else { continue };
            let (most, of_best) = (sign * best.support, (best.support, best.probability));
            // What is said twice changes little when one of the two is masked out: both together count.
            let (support, probability) =
                given.get(side).map_or(of_best, |lost| self.without(k, &lost[k]));
            let surely = sign > 0.0 && support >= SUPPORT && probability >= A_POINT;
            if sign * probability >= MUCH || surely {
                found.retain(|phrase| sign * phrase.support * TIMES >= most);
                shown.extend(found);
            }
        }
        shown
    }

    fn phrase(&self, k: usize, words: &[Word], place: Range<usize>, lost: &[f32]) -> Phrase {
        let of = &words[place.clone()];
        let from_to = |range: fn(&Word) -> &Option<Range<usize>>| {
            Some(range(&of[0]).as_ref()?.start..range(&of[of.len() - 1]).as_ref()?.end)
        };
        let utf8 = from_to(|word| &word.utf8);
        let pieces = || of.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let text = self.text().zip(utf8.clone()).map(|(text, place)| text[place].to_string());
        let (support, probability) = self.without(k, lost);
        Phrase {
            text: text.unwrap_or_else(pieces),
            words: place,
            utf16: from_to(|word| &word.utf16),
            utf8,
            support,
            probability,
            label: match self.question(k) {
                None => Some(self.label_change(k, lost)),
                Some(_) => None,
            },
        }
    }

    /// What the class of concept k loses where its logits lose `lost`: support and probability.
    fn without(&self, k: usize, lost: &[f32]) -> (f32, f32) {
        let class = self.own_class(k);
        let logits = self.concept_logits().row(k).to_vec();
        let left: Vec<f32> = logits.iter().zip(lost).map(|(now, lost)| now - lost).collect();
        let lost = &lost[..self.model().schema().concepts[k].classes.len()];
        (of_others(lost, class), softmax(&logits)[class] - softmax(&left)[class])
    }

    /// What the label loses where the logits of concept k lose `lost`.
    fn label_change(&self, k: usize, lost: &[f32]) -> LabelChange {
        let mut logits = self.concept_logits().as_slice().expect("row-major").to_vec();
        let row = k * self.model().schema().class_count();
        logits[row..].iter_mut().zip(lost).for_each(|(logit, lost)| *logit -= lost);
        let left = softmax(&self.label_logits_for(&logits));
        let (label, variable) = (self.label(), &self.model().schema().label);
        let mean =
            |values: Vec<f32>| values.iter().zip(&left).map(|(value, p)| value * p).sum::<f32>();
        LabelChange {
            class: label.class.into(),
            probability: label.probabilities[label.class_index] - left[label.class_index],
            expected_value: label
                .expected_value
                .zip(variable.class_values().map(mean))
                .map(|(now, left)| now - left),
        }
    }
}

/// Each phrase alone, the first ones of all concepts before the second ones, then those of one side together.
fn wanted(candidates: &[Candidates]) -> Vec<Vec<Range<usize>>> {
    let mut wanted: Vec<Vec<Range<usize>>> = Vec::new();
    let sides = || candidates.iter().flat_map(|candidates| &candidates.sides);
    let alone =
        (0..FOR).flat_map(|n| sides().filter_map(move |side| Some(vec![side.get(n)?.clone()])));
    for out in alone.chain(sides().filter(|side| side.len() > 1).cloned()) {
        if !wanted.contains(&out) {
            wanted.push(out);
        }
    }
    wanted
}

/// By evidence: the sums over the words.
fn by_evidence(evidence: &WordEvidence, wanted: &[Vec<Range<usize>>]) -> Given {
    let of = |out: &Vec<Range<usize>>| {
        let sum =
            |row: &Vec<f32>| out.iter().map(|words| row[words.clone()].iter().sum::<f32>()).sum();
        let concepts = evidence.concepts.iter();
        concepts.map(|concept| concept.evidence.iter().map(sum).collect()).collect()
    };
    wanted.iter().map(|out| (out.clone(), of(out))).collect()
}

/// By the windows that held the words: the mean over a phrase's words, and the sum over phrases taken together.
fn by_windows(words: &[Word], occlusion: &Occlusion, wanted: &[Vec<Range<usize>>]) -> Given {
    let of = |out: &Vec<Range<usize>>| {
        let values: Vec<Vec<usize>> =
            out.iter().map(|phrase| occlusion.indices(&words[phrase.clone()])).collect();
        let mean = |row: &[f32], of: &[usize]| {
            of.iter().map(|&value| row[value]).sum::<f32>() / of.len().max(1) as f32
        };
        let sum = |row: &Vec<f32>| values.iter().map(|of| mean(row, of)).sum();
        let concepts = occlusion.concepts.iter();
        concepts.map(|concept| concept.logits.iter().map(sum).collect()).collect()
    };
    wanted.iter().map(|out| (out.clone(), of(out))).collect()
}
