//! The phrases that are shown as reasons: what is told of them is what the model does without them.

use std::ops::ControlFlow;

use sparsecbm::explain::{ExplainOptions, Explanation, OcclusionOptions, Phrase};
use sparsecbm::{ConceptValue, EngineChoice, LoadOptions, Model, Prediction, Question};
use sparsecbm_exporter::{ExportOptions, WeightForm};
use sparsecbm_tests::exported;

const TINY: &str = "tests/models/tiny";
const RAGGED: &str = "tests/models/ragged";
const CEBAB: &str = "examples/models/cebab";
const REVIEW: &str = "Très bien 🎉 wonderful pasta and a kind waiter, but the music was so loud that we had to shout.";

fn model(name: &str) -> Model {
    let form = ExportOptions { weights: WeightForm::F32, ..ExportOptions::default() };
    let engine = LoadOptions::default().with_engine(EngineChoice::Sparse);
    Model::from_bytes(exported(name, &form), &engine).expect("it loads")
}

fn by_windows() -> ExplainOptions {
    let mut options = ExplainOptions::default();
    options.occlusion = Some(OcclusionOptions::default());
    options
}

fn explained(prediction: &Prediction) -> Explanation {
    prediction.explain(&by_windows()).expect("it is explained")
}

/// Predictions of models of every kind, with and without overrides.
fn predictions() -> Vec<Prediction> {
    let of_model = |name: &&str| {
        let model = model(name);
        let concept = &model.schema().concepts[0].name;
        let start = model.predict(REVIEW).expect("it has an answer");
        let class = || [(concept, ConceptValue::ClassIndex(0))];
        let supposed = start.suppose(class()).expect("a class");
        let corrected = start.correct(class()).expect("a class");
        [start, supposed, corrected]
    };
    [TINY, RAGGED, CEBAB].iter().flat_map(of_model).collect()
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit.exp() / sum).collect()
}

/// What `phrase` tells of concept k is what follows where its logits lose `lost`.
fn check_effects(prediction: &Prediction, k: usize, phrase: &Phrase, lost: &[f32]) {
    let classes = prediction.model().schema().concepts[k].classes.len();
    let mut logits = prediction.concept_logits().to_owned();
    let own: Vec<f32> = logits.row(k).to_vec()[..classes].to_vec();
    let class = (0..classes).max_by(|&a, &b| own[a].total_cmp(&own[b])).expect("a class");
    let others: f32 = (0..classes).filter(|&c| c != class).map(|c| lost[c]).sum();
    let support = lost[class] - others / (classes - 1) as f32;
    assert!((phrase.support - support).abs() < 1e-3, "{} and {support}", phrase.support);
    logits.row_mut(k).iter_mut().zip(lost).for_each(|(logit, lost)| *logit -= lost);
    let left = logits.row(k).to_vec()[..classes].to_vec();
    let probability = softmax(&own)[class] - softmax(&left)[class];
    assert!((phrase.probability - probability).abs() < 1e-4);
    let Some(change) = &phrase.label else { return };
    // Through the concept layer, as for a text that has these logits; which is known without overrides.
    if prediction.concepts().any(|concept| concept.overridden) {
        return;
    }
    let label = prediction.label();
    let left = prediction.model().label_probabilities(logits.view()).expect("they have its shape");
    assert_eq!(change.class, label.class);
    let gained = label.probabilities[label.class_index] - left[label.class_index];
    assert!((change.probability - gained).abs() < 1e-4);
    let values = prediction.model().schema().label.class_values();
    assert_eq!(change.expected_value.is_some(), values.is_some());
    if let (Some(change), Some(values)) = (change.expected_value, values) {
        let mean = |p: &[f32]| values.iter().zip(p).map(|(value, p)| value * p).sum::<f32>();
        assert!((change - (mean(label.probabilities) - mean(&left))).abs() < 1e-3);
    }
}

#[test]
fn a_phrase_tells_what_the_model_does_without_it() {
    let mut seen = 0;
    for prediction in predictions() {
        let explanation = explained(&prediction);
        for (k, reason) in explanation.reasons.iter().enumerate() {
            for phrase in &reason.phrases {
                let mut ids: Vec<u32> = prediction.tokens().iter().map(|token| token.id).collect();
                for word in &explanation.evidence.words[phrase.words.clone()] {
                    ids[word.positions.clone()].fill(mask_id(prediction.model()));
                }
                let without = prediction.model().predict_tokens(&ids).expect("they are ids");
                let lost = &prediction.concept_logits() - &without.concept_logits();
                check_effects(&prediction, k, phrase, &lost.row(k).to_vec());
                seen += 1;
            }
        }
    }
    assert!(seen >= 8, "only {seen} phrases were shown");
}

/// The token that stands in for masked words: the first of these that the vocabulary has.
fn mask_id(model: &Model) -> u32 {
    let found = ["[MASK]", "<mask>", "[UNK]"].iter().find_map(|piece| {
        let tokens = model.tokenize(piece).expect("it is read").tokens;
        tokens.iter().find(|token| token.piece == *piece).map(|token| token.id)
    });
    found.expect("a token to mask with")
}

#[test]
fn by_evidence_a_phrase_has_the_sum_of_its_words() {
    let mut seen = 0;
    for prediction in predictions() {
        let explanation = prediction.explain(&ExplainOptions::default()).expect("it is explained");
        for (k, reason) in explanation.reasons.iter().enumerate() {
            for phrase in &reason.phrases {
                let rows = explanation.evidence.concepts[k].evidence.iter();
                let lost: Vec<f32> =
                    rows.map(|row| row[phrase.words.clone()].iter().sum()).collect();
                check_effects(&prediction, k, phrase, &lost);
                seen += 1;
            }
        }
    }
    assert!(seen >= 8, "only {seen} phrases were shown");
}

#[test]
fn phrases_have_their_place_in_the_text_and_are_few() {
    let units: Vec<u16> = REVIEW.encode_utf16().collect();
    for prediction in predictions() {
        let explanation = explained(&prediction);
        let words = &explanation.evidence.words;
        for reason in &explanation.reasons {
            let count =
                |sign: f32| reason.phrases.iter().filter(|p| p.support * sign > 0.0).count();
            assert!(count(1.0) <= 3 && count(-1.0) <= 1 && count(0.0) == 0);
            let shown = |sign: f32| {
                let of_side = reason.phrases.iter().filter(|p| p.support * sign > 0.0);
                of_side.map(|phrase| phrase.words.len()).sum::<usize>()
            };
            // A third of them, and a word between two that are joined.
            let few = 3.max(words.len() / 3) + 2;
            assert!(
                shown(1.0) <= few && shown(-1.0) <= few,
                "of {} words: {reason:?}",
                words.len()
            );
            for phrase in &reason.phrases {
                assert_eq!(REVIEW[phrase.utf8.clone().expect("a text has places")], phrase.text);
                let utf16 = &units[phrase.utf16.clone().expect("a text has places")];
                assert_eq!(String::from_utf16(utf16).expect("whole characters"), phrase.text);
                assert!(phrase.text.starts_with(&words[phrase.words.start].text));
                assert!(phrase.text.ends_with(&words[phrase.words.end - 1].text));
            }
        }
    }
}

#[test]
fn the_shipped_model_names_the_words_that_a_person_would() {
    let prediction = model(CEBAB).predict(REVIEW).expect("it has an answer");
    let explanation = explained(&prediction);
    let reason = |name: &str| {
        explanation.reasons.iter().find(|reason| reason.concept == name).expect("a concept")
    };
    let first = |name| &reason(name).phrases.first().expect("a phrase").text;
    assert_eq!(reason("noise").class, "negative");
    assert!(
        first("noise").contains("loud") && !first("noise").contains("pasta"),
        "{}",
        first("noise")
    );
    assert!(
        first("food").contains("pasta") && !first("food").contains("loud"),
        "{}",
        first("food")
    );
    let loud = reason("noise").phrases[0].label.as_ref().expect("it is not overridden");
    assert!(loud.expected_value.expect("stars") < -0.05, "noise costs stars");
}

#[test]
fn nothing_is_shown_where_nothing_stands_out() {
    let model = model(CEBAB);
    for text in ["", "!!!", "🙂"] {
        let prediction = model.predict(text).expect("it has an answer");
        for reason in explained(&prediction).reasons {
            let probability: f32 = reason.phrases.iter().map(|p| p.probability.abs()).sum();
            assert!(reason.phrases.is_empty() || probability >= 0.01, "{text}: {reason:?}");
        }
    }
    let quiet = model.predict("Service was outstanding! Food was good").expect("an answer");
    let reasons = explained(&quiet).reasons;
    let noise = reasons.iter().find(|reason| reason.concept == "noise").expect("a concept");
    assert_eq!((noise.class.as_str(), noise.phrases.len()), ("unknown", 0));
}

#[test]
fn a_supposed_concept_has_no_words_and_a_corrected_one_those_that_were_read() {
    let start = model(CEBAB).predict(REVIEW).expect("it has an answer");
    let texts = |explanation: &Explanation, k: usize| -> Vec<String> {
        explanation.reasons[k].phrases.iter().map(|phrase| phrase.text.clone()).collect()
    };
    let as_read = explained(&start);
    for (k, concept) in start.concepts().enumerate() {
        let other = [(concept.name, (concept.class_index + 1) % concept.probabilities.len())];
        let supposed = explained(&start.suppose(other).expect("a class"));
        let corrected = explained(&start.correct(other).expect("a class"));
        assert!(texts(&supposed, k).is_empty());
        assert_eq!(supposed.reasons[k].question, Some(Question::Suppose));
        assert_eq!(corrected.reasons[k].question, Some(Question::Correct));
        for reason in [&supposed.reasons[k], &corrected.reasons[k]] {
            assert_eq!(reason.class, concept.class, "what it read itself");
        }
        for (of, reason) in corrected.reasons.iter().enumerate() {
            assert!(reason.phrases.iter().all(|phrase| phrase.label.is_some() == (of != k)));
            assert_eq!(texts(&corrected, of), texts(&as_read, of));
        }
    }
}

#[test]
fn what_was_cut_off_is_no_reason() {
    let model = model(TINY);
    let text = "The movie was very good and the plot was bad. ".repeat(200);
    let prediction = model.predict(&text).expect("it has an answer");
    assert!(prediction.dropped_tokens() > 0);
    let mut options = by_windows();
    options.occlusion.as_mut().expect("it is there").max_words = Some(12);
    let explanation = prediction.explain(&options).expect("it is explained");
    let end = prediction.words().last().and_then(|word| word.utf8.clone()).expect("a word").end;
    for phrase in explanation.reasons.iter().flat_map(|reason| &reason.phrases) {
        assert!(phrase.utf8.as_ref().expect("a place").end <= end);
    }
}

#[test]
fn token_ids_have_phrases_of_pieces_and_never_special_ones() {
    for name in [TINY, CEBAB] {
        let model = model(name);
        let text = model.predict(REVIEW).expect("it has an answer");
        let ids: Vec<u32> = text.tokens().iter().map(|token| token.id).collect();
        let prediction = model.predict_tokens(&ids).expect("they are ids");
        let explanation = explained(&prediction);
        assert!(
            name == TINY || explanation.reasons.iter().any(|reason| !reason.phrases.is_empty())
        );
        for phrase in explanation.reasons.iter().flat_map(|reason| &reason.phrases) {
            assert_eq!((&phrase.utf8, &phrase.utf16), (&None, &None));
            let words = &explanation.evidence.words[phrase.words.clone()];
            let pieces: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            assert_eq!(phrase.text, pieces.join(" "));
            assert!(!phrase.text.contains("[CLS]") && !phrase.text.contains("[SEP]"));
        }
    }
}

#[test]
fn an_early_end_shows_what_was_found_by_then() {
    let prediction = model(CEBAB).predict(REVIEW).expect("it has an answer");
    let mut runs = 0;
    let early = prediction.explain_with_progress(&by_windows(), |progress| {
        runs += 1;
        assert!(progress.done <= progress.total);
        ControlFlow::Break(())
    });
    let early = early.expect("it is explained");
    assert_eq!(runs, 1, "the windows that lie side by side, and no run for phrases");
    let noise = early.reasons.iter().find(|reason| reason.concept == "noise").expect("a concept");
    assert!(noise.phrases[0].text.contains("loud"), "{noise:?}");
    assert!(early.reasons.iter().any(|reason| !reason.phrases.is_empty()));
    // Until the phrases are masked out themselves, the windows that hold their words stand for them.
    let occlusion = early.occlusion.expect("asked for");
    assert!(!occlusion.complete);
    for (k, reason) in early.reasons.iter().enumerate() {
        for phrase in &reason.phrases {
            let rows = occlusion.concepts[k].logits.iter();
            let count = phrase.words.len() as f32;
            let mean = |row: &Vec<f32>| row[phrase.words.clone()].iter().sum::<f32>() / count;
            check_effects(&prediction, k, phrase, &rows.map(mean).collect::<Vec<f32>>());
        }
    }
    let alone = prediction.occlusion(&OcclusionOptions::default(), |_| ControlFlow::Continue(()));
    let alone = prediction.reasons(Some(&alone.expect("it runs")), |_| ControlFlow::Continue(()));
    assert_eq!(alone.expect("it runs"), explained(&prediction).reasons);
}
