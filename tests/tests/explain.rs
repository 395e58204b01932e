//! Explanations: the identities that they promise, and Captum's occlusion of the same checkpoints.

use std::ops::ControlFlow;

use ndarray::Axis;
use serde::Deserialize;
use serde_json::Value;
use sparsecbm::explain::{
    ExplainOptions, FaithfulnessOptions, OcclusionOptions, Policy, SuggestOptions,
};
use sparsecbm::{ConceptValue, ErrorKind, LoadOptions, Model, Prediction};
use sparsecbm_exporter::{ExportOptions, WeightForm};
use sparsecbm_tests::{Tensor, exported, largest_difference, repository};

const TINY: &str = "tests/models/tiny";
const EXECUTED: &str = "tests/models/tiny-executed";
const RAGGED: &str = "tests/models/ragged";
const CEBAB: &str = "examples/models/cebab";
const TEXTS: [&str; 4] = [
    "The movie was very good",
    "bad plot, unwatched acting!",
    "Great place 👍🏽 café au lait was très bon — $9.99!",
    "",
];

fn model(name: &str) -> Model {
    // The goldens are the checkpoint's own numbers, which half precision would round.
    let options = ExportOptions { weights: WeightForm::F32, ..ExportOptions::default() };
    let bytes = exported(name, &options);
    Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads")
}

/// Predictions of a model with every kind of intervention, with and without overrides.
fn predictions(name: &str) -> Vec<Prediction> {
    let model = model(name);
    let concepts = &model.schema().concepts;
    let (first, last) = (&concepts[0].name, &concepts[concepts.len() - 1].name);
    let mut soft = vec![0.0; concepts[concepts.len() - 1].classes.len()];
    (soft[0], soft[1]) = (0.25, 0.75);
    let of_text = |text: &&str| {
        let start = model.predict(text).expect("the text has an answer");
        let one = start.intervene([(first, ConceptValue::ClassIndex(1))]).expect("it holds");
        let values = [
            (first, ConceptValue::ClassIndex(0)),
            (last, ConceptValue::Probabilities(soft.clone())),
        ];
        let two = start.intervene(values).expect("they hold");
        [start, one, two]
    };
    TEXTS.iter().flat_map(of_text).collect()
}

#[test]
fn contributions_sum_to_the_label_logits() {
    for name in [TINY, EXECUTED, RAGGED, CEBAB] {
        for prediction in predictions(name) {
            let contributions = prediction.contributions();
            let mut sum = contributions.baseline.clone();
            for concept in &contributions.concepts {
                sum.iter_mut().zip(&concept.label_logits).for_each(|(sum, share)| *sum += share);
            }
            sum.iter_mut().zip(&contributions.rest).for_each(|(sum, rest)| *sum += rest);
            let difference = largest_difference(&sum, prediction.label().logits);
            assert!(difference <= 1e-4, "{name}: the sum is off by {difference}");
        }
    }
}

#[test]
fn the_share_of_an_override_is_what_it_changed() {
    for name in [TINY, EXECUTED, RAGGED, CEBAB] {
        for prediction in predictions(name) {
            let before = prediction.undo_all();
            let mut change = vec![0.0; before.label().logits.len()];
            for concept in prediction.contributions().concepts {
                if let Some(share) = concept.override_share {
                    change.iter_mut().zip(share).for_each(|(change, share)| *change += share);
                }
            }
            let logits = prediction.label().logits.iter().zip(before.label().logits);
            let real: Vec<f32> = logits.map(|(after, before)| after - before).collect();
            let difference = largest_difference(&change, &real);
            assert!(difference <= 1e-4, "{name}: the shares are off by {difference}");
        }
    }
}

#[test]
fn word_evidence_sums_to_the_concept_logits() {
    for name in [TINY, EXECUTED, CEBAB] {
        for prediction in predictions(name) {
            let evidence = prediction.word_evidence();
            for (k, concept) in evidence.concepts.iter().enumerate() {
                let sums: Vec<f32> = (0..concept.classes.len())
                    .map(|c| {
                        concept.evidence[c].iter().sum::<f32>()
                            + concept.special[c]
                            + concept.bias[c]
                    })
                    .collect();
                let logits = prediction.concept_logits().index_axis(Axis(0), k).to_vec();
                let difference = largest_difference(&sums, &logits);
                assert!(difference <= 1e-4, "{name}: the sum is off by {difference}");
            }
        }
    }
}

#[test]
fn words_have_their_place_in_the_text() {
    let model = model(CEBAB);
    for text in TEXTS {
        let prediction = model.predict(text).expect("the text has an answer");
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut covered = Vec::new();
        for word in prediction.words() {
            assert_eq!(text[word.utf8.clone().expect("a text has places")], word.text);
            let utf16 = &units[word.utf16.clone().expect("a text has places")];
            assert_eq!(String::from_utf16(utf16).expect("whole characters"), word.text);
            covered.extend(word.positions);
        }
        let inside: Vec<usize> = (1..prediction.tokens().len() - 1).collect();
        assert_eq!(covered, inside, "every token but the special ones belongs to one word");
    }
}

#[test]
fn the_counterfactual_flips_the_label_and_no_smaller_one_does() {
    let mut found = 0;
    for name in [TINY, EXECUTED, RAGGED, CEBAB] {
        for prediction in predictions(name) {
            let label = prediction.label().class_index;
            let by_hand = smallest_flip(&prediction);
            match prediction.counterfactual() {
                None => assert_eq!(by_hand, None, "{name}: no set of changes gives another label"),
                Some(counterfactual) => {
                    found += 1;
                    let changes = &counterfactual.changes;
                    assert_eq!(Some(changes.len()), by_hand, "{name}: the smallest set of changes");
                    let values =
                        changes.iter().map(|c| (&c.concept, ConceptValue::ClassIndex(c.to_index)));
                    let after = prediction.intervene(values).expect("the changes hold");
                    assert_ne!(after.label().class_index, label);
                    assert_eq!(after.label().class, counterfactual.label);
                    for change in changes {
                        assert_eq!(
                            prediction.concept(&change.concept).expect("it is there").class,
                            change.from
                        );
                    }
                }
            }
        }
    }
    assert!(found >= 10, "only {found} counterfactuals were tried");
}

/// The size of the smallest set of concept changes that gives another label: every set is tried.
fn smallest_flip(prediction: &Prediction) -> Option<usize> {
    let schema = prediction.model().schema();
    let classes: Vec<usize> = schema.concepts.iter().map(|concept| concept.classes.len()).collect();
    let now: Vec<usize> = prediction.concepts().map(|concept| concept.class_index).collect();
    let flips = |code: usize| {
        let below = |k: usize| classes[..k].iter().product::<usize>();
        let asserted = (0..classes.len()).map(|k| code / below(k) % classes[k]);
        let changes: Vec<(usize, usize)> =
            asserted.enumerate().filter(|&(k, class)| class != now[k]).collect();
        let names = changes
            .iter()
            .map(|&(k, class)| (&schema.concepts[k].name, ConceptValue::ClassIndex(class)));
        let after = prediction.intervene(names).expect("the changes hold");
        (after.label().class_index != prediction.label().class_index).then_some(changes.len())
    };
    (0..classes.iter().product()).filter_map(flips).min()
}

#[test]
fn occluding_nothing_changes_nothing() {
    let prediction = model(TINY).predict(TEXTS[0]).expect("the text has an answer");
    let mut options = OcclusionOptions::default();
    options.max_words = Some(0);
    let occlusion = prediction.occlusion(&options, |_| ControlFlow::Continue(())).expect("no runs");
    assert!(occlusion.words.is_empty() && !occlusion.complete);
    // Each word replaced by its own token: nothing is lost.
    let id = prediction.tokens()[1].id;
    let same = prediction.model().predict_tokens(&[id, id, id]).expect("ids have an answer");
    let mut options = OcclusionOptions::default();
    options.replacement = Some(id);
    let occlusion =
        same.occlusion(&options, |_| ControlFlow::Continue(())).expect("the model runs");
    assert!(occlusion.complete && occlusion.words.len() == 3);
    let rows =
        occlusion.concepts.iter().flat_map(|c| c.logits.iter()).chain(&occlusion.label_logits);
    assert!(rows.flatten().all(|&lost| lost.abs() <= 1e-5));
}

#[test]
fn occlusion_can_be_ended_early_and_keeps_the_words_with_the_most_evidence() {
    let text = "good bad ".repeat(10);
    let prediction = model(TINY).predict(&text).expect("the text has an answer");
    let ended_early = |windows: &[usize], runs: usize| {
        let mut options = OcclusionOptions::default();
        options.windows = windows.into();
        let mut heard = Vec::new();
        let occlusion = prediction.occlusion(&options, |progress| {
            heard.push(progress.done);
            ControlFlow::Break(())
        });
        assert_eq!(heard, [runs], "one batch of runs was done");
        occlusion.expect("the model runs")
    };
    // Windows that lie side by side come first: every word has a value.
    let by_windows = ended_early(&[5, 1], 4);
    assert!(!by_windows.complete && by_windows.words.len() == 20);
    let occlusion = ended_early(&[1], 16);
    assert!(!occlusion.complete && occlusion.words.len() == 16);
    assert!(
        occlusion.words.windows(2).all(|pair| pair[0].positions.end <= pair[1].positions.start)
    );
}

#[test]
fn windows_of_no_word_are_refused() {
    let prediction = model(TINY).predict(TEXTS[0]).expect("the text has an answer");
    for windows in [vec![], vec![5, 0]] {
        let mut options = OcclusionOptions::default();
        options.windows = windows;
        let error =
            prediction.occlusion(&options, |_| ControlFlow::Continue(())).expect_err("refused");
        assert_eq!((error.kind(), error.place()), (ErrorKind::Input, "windows of occlusion"));
    }
}

#[test]
fn a_replacement_that_the_vocabulary_lacks_is_refused() {
    let prediction = model(TINY).predict(TEXTS[0]).expect("the text has an answer");
    let mut options = OcclusionOptions::default();
    options.replacement = Some(u32::MAX);
    let error = prediction.occlusion(&options, |_| ControlFlow::Continue(())).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Input);
}

/// `tests/goldens/occlusion.json`, which `tests/goldens/occlusion.py` writes.
#[derive(Deserialize)]
struct CaptumSet {
    model: String,
    cases: Vec<CaptumCase>,
}

#[derive(Deserialize)]
struct CaptumCase {
    text: String,
    /// Positions of each word: start and end.
    words: Vec<(usize, usize)>,
    concept_logits: Tensor,
    label_logits: Tensor,
    windows: WindowsCase,
}

/// By windows of several words.
#[derive(Deserialize)]
struct WindowsCase {
    widths: Vec<usize>,
    concept_logits: Tensor,
    label_logits: Tensor,
}

#[test]
fn occlusion_equals_captums_and_pytorchs() {
    let path = repository().join("tests/goldens/occlusion.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let sets: Vec<CaptumSet> =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    assert_eq!(sets.len(), 3);
    for set in sets {
        let model = model(&set.model);
        for case in set.cases {
            let prediction = model.predict(&case.text).expect("the text has an answer");
            let windows = &case.windows;
            for (widths, concepts, label) in [
                (vec![1], &case.concept_logits, &case.label_logits),
                (windows.widths.clone(), &windows.concept_logits, &windows.label_logits),
            ] {
                let mut options = OcclusionOptions::default();
                options.windows = widths;
                let occlusion = prediction
                    .occlusion(&options, |_| ControlFlow::Continue(()))
                    .expect("the model runs");
                let words: Vec<(usize, usize)> =
                    occlusion.words.iter().map(|w| (w.positions.start, w.positions.end)).collect();
                assert_eq!(words, case.words, "words of {:?}", case.text);
                let logits: Vec<f32> =
                    occlusion.concepts.iter().flat_map(|c| c.logits.concat()).collect();
                let label_logits = occlusion.label_logits.concat();
                for (found, golden) in [(logits, concepts), (label_logits, label)] {
                    let difference = largest_difference(&found, &golden.data);
                    assert!(
                        difference <= 1e-4,
                        "{}: {:?} by {:?} differs by {difference}",
                        set.model,
                        case.text,
                        options.windows
                    );
                }
            }
        }
    }
}

#[test]
fn curves_begin_and_end_with_the_whole_text_and_with_none_of_it() {
    let prediction = model(TINY).predict(TEXTS[1]).expect("the text has an answer");
    let concept = prediction.concepts().next().expect("there is a concept");
    let count = prediction.words().len();
    let forth: Vec<usize> = (0..count).collect();
    let back: Vec<usize> = (0..count).rev().collect();
    let options = FaithfulnessOptions::default();
    let one = prediction.faithfulness(concept.name, "forth", &forth, &options).expect("it runs");
    let two = prediction.faithfulness(concept.name, "back", &back, &options).expect("it runs");
    let whole = concept.probabilities[concept.class_index];
    assert!((one.deletion[0] - whole).abs() <= 1e-5);
    assert!((one.insertion.last().unwrap() - whole).abs() <= 1e-5);
    assert!((one.deletion.last().unwrap() - one.insertion[0]).abs() <= 1e-5);
    // What is left after deleting from the front is what is put back from the end.
    let mirrored: Vec<f32> = two.insertion.iter().rev().copied().collect();
    assert!(largest_difference(&one.deletion, &mirrored) <= 1e-5);
    let twice = [0, 0, 1];
    let error = prediction.faithfulness(concept.name, "", &twice, &options).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[test]
fn suggestions_are_ranked_and_leave_out_what_is_known() {
    for prediction in predictions(TINY) {
        for policy in Policy::ALL {
            let suggestions = prediction.suggest_interventions(&policy.into()).expect("it ranks");
            let unknown = prediction.concepts().filter(|concept| !concept.overridden).count();
            assert_eq!(suggestions.len(), unknown);
            assert!(
                suggestions.windows(2).all(|pair| pair[0].score >= pair[1].score),
                "{policy:?}"
            );
        }
    }
    let prediction = model(TINY).predict(TEXTS[0]).expect("the text has an answer");
    let mut options = SuggestOptions::from(Policy::Uncertainty);
    let first = prediction.suggest_interventions(&options).expect("it ranks").remove(0);
    options.costs.insert(first.concept.clone(), 1e6);
    let last = prediction.suggest_interventions(&options).expect("it ranks").pop().expect("three");
    assert_eq!(last.concept, first.concept, "what is expensive to ask is asked last");
    options.costs.insert(first.concept, -1.0);
    let error = prediction.suggest_interventions(&options).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[test]
fn an_explanation_is_json() {
    let mut options = ExplainOptions::default();
    options.occlusion = Some(OcclusionOptions::default());
    options.faithfulness = Some(FaithfulnessOptions::default());
    for prediction in predictions(TINY) {
        let explanation = prediction.explain(&options).expect("it is explained");
        let json = serde_json::to_value(&explanation).expect("it is JSON");
        for key in [
            "text",
            "contributions",
            "what_if",
            "counterfactual",
            "suggestions",
            "evidence",
            "occlusion",
        ] {
            assert!(json.get(key).is_some(), "'{key}' is there");
        }
        // What JSON says is what the model says: the text, the label that the contributions add up to, each concept and
        // what its other classes would change.
        assert_eq!(json["text"].as_str(), prediction.text());
        let numbers = |value: &Value| -> Vec<f64> {
            let number = |value: &Value| value.as_f64().expect("a number");
            value.as_array().expect("a list").iter().map(number).collect()
        };
        let contributions = &json["contributions"];
        let mut sum = numbers(&contributions["baseline"]);
        let parts = contributions["concepts"].as_array().expect("a list").iter();
        let parts: Vec<_> = parts.map(|concept| numbers(&concept["label_logits"])).collect();
        for part in parts.iter().chain([&numbers(&contributions["rest"])]) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        for (sum, &logit) in sum.iter().zip(prediction.label().logits) {
            assert!((sum - f64::from(logit)).abs() < 1e-4, "{sum} and {logit}");
        }
        for (k, concept) in prediction.concepts().enumerate() {
            assert_eq!(contributions["concepts"][k]["name"], concept.name);
            assert_eq!(contributions["concepts"][k]["class"], concept.class);
            let what_if = &json["what_if"][k];
            assert_eq!(what_if["concept"], concept.name);
            for outcome in what_if["outcomes"].as_array().expect("a list") {
                let class = outcome["class"].as_str().expect("a name");
                let other = prediction.intervene([(concept.name, class)]).expect("a class");
                assert_eq!(outcome["label"], other.label().class);
            }
        }
        let concepts = prediction.concepts().len();
        assert_eq!(explanation.what_if.len(), concepts);
        assert_eq!(explanation.faithfulness.len(), 2 * concepts);
    }
}
