//! What an override does: the same through the crate and through the raw graph, undone exactly, and
//! refused with a clear message where it makes no sense.

use sparsecbm::{ConceptValue, ErrorKind, LoadOptions, Model, Prediction, Question};
use sparsecbm_exporter::ExportOptions;
use sparsecbm_tests::{Goldens, exported, largest_difference};
use tract_onnx::prelude::*;

const SETS: [&str; 4] = ["tiny", "tiny-executed", "ragged", "cebab"];

fn model(goldens: &Goldens) -> Model {
    let bytes = exported(&goldens.model, &ExportOptions::default());
    Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads")
}

fn prediction(model: &Model, goldens: &Goldens) -> Prediction {
    model.predict_tokens(&goldens.cases[0].token_ids(0)).expect("the golden ids are predicted")
}

fn first_concept(model: &Model) -> (String, String) {
    let concept = &model.schema().concepts[0];
    (concept.name.clone(), concept.classes[0].clone())
}

/// Runs the whole graph as any ONNX runtime would, all four inputs given.
fn raw_label_logits(goldens: &Goldens, ids: &[u32], overrides: &[f32], mask: &[f32]) -> Vec<f32> {
    let bytes = exported(&goldens.model, &ExportOptions::default());
    let (k, c) = (mask.len(), overrides.len() / mask.len());
    let ids: Vec<i64> = ids.iter().map(|&id| id.into()).collect();
    let facts = [
        i64::fact([1, ids.len()]),
        i64::fact([1, ids.len()]),
        f32::fact([1, k, c]),
        f32::fact([1, k]),
    ];
    let mut graph = tract_onnx::onnx()
        .with_ignore_value_info(true)
        .with_ignore_output_shapes(true)
        .model_for_read(&mut bytes.as_slice())
        .expect("tract reads the file");
    for (index, fact) in facts.into_iter().enumerate() {
        graph.set_input_fact(index, fact.into()).expect("the graph has four inputs");
    }
    let plan =
        graph.into_optimized().and_then(|graph| graph.into_runnable()).expect("tract runs it");
    let outputs = plan
        .run(tvec![
            Tensor::from_shape(&[1, ids.len()], &ids).unwrap().into_tvalue(),
            Tensor::from_shape(&[1, ids.len()], &vec![1i64; ids.len()]).unwrap().into_tvalue(),
            Tensor::from_shape(&[1, k, c], overrides).unwrap().into_tvalue(),
            Tensor::from_shape(&[1, k], mask).unwrap().into_tvalue(),
        ])
        .expect("the graph runs");
    outputs[2].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec()
}

#[test]
fn a_class_override_equals_the_raw_graph_inputs() {
    // The other golden set pads its input to the maximum length, which the raw inputs here do not.
    for name in ["tiny", "ragged", "cebab"] {
        let goldens = Goldens::read(name);
        let model = model(&goldens);
        let (k, c) = (model.schema().concept_count(), model.schema().class_count());
        let (first, class) = first_concept(&model);
        let last = model.schema().concepts[k - 1].clone();
        let one = prediction(&model, &goldens)
            .suppose([(&first, class.as_str())])
            .expect("the override holds");
        let both = one.correct([(&last.name, 1)]).expect("the override holds");
        let (mut values, mut mask) = (vec![0.0; k * c], vec![0.0; k]);
        (values[0], mask[0]) = (1.0, 1.0);
        let ids = goldens.cases[0].token_ids(0);
        let compare = |overridden: &Prediction, values: &[f32], mask: &[f32]| {
            let raw = raw_label_logits(&goldens, &ids, values, mask);
            let difference = largest_difference(overridden.label().logits, &raw);
            assert!(difference <= 1e-5, "{name}: label logits differ by {difference}");
        };
        compare(&one, &values, &mask);
        (values[(k - 1) * c + 1], mask[k - 1]) = (1.0, 2.0);
        compare(&both, &values, &mask);
    }
}

#[test]
fn supposing_and_correcting_are_two_answers_or_one() {
    for (name, two) in [("tiny", false), ("tiny-executed", false), ("ragged", true)] {
        let goldens = Goldens::read(name);
        let model = model(&goldens);
        let (concept, class) = first_concept(&model);
        let start = prediction(&model, &goldens);
        let supposed = start.suppose([(&concept, class.as_str())]).expect("it holds");
        let corrected = start.correct([(&concept, class.as_str())]).expect("it holds");
        assert_eq!(supposed.label().logits != corrected.label().logits, two, "{name}");
        assert_eq!(
            supposed.concept(&concept).expect("it is there").question,
            Some(Question::Suppose)
        );
        assert_eq!(
            corrected.concept(&concept).expect("it is there").question,
            Some(Question::Correct)
        );
        // The later override of a concept holds.
        let again = supposed.correct([(&concept, class.as_str())]).expect("it holds");
        assert_eq!(again.label().logits, corrected.label().logits, "{name}");
    }
}

#[test]
fn mixed_answers_add_up_in_any_order() {
    let goldens = Goldens::read("ragged");
    let start = prediction(&model(&goldens), &goldens);
    let one = start
        .suppose([("seen", "yes"), ("acting", "bad")])
        .and_then(|p| p.correct([("pace", "fast")]));
    let two = start
        .correct([("pace", "fast")])
        .and_then(|p| p.suppose([("acting", "bad")]))
        .and_then(|p| p.suppose([("seen", "yes")]));
    let (one, two) = (one.expect("they hold"), two.expect("they hold"));
    assert_eq!(one.label(), two.label());
    let without = one.undo("pace").expect("undo").label().logits.to_vec();
    let never = start.suppose([("seen", "yes"), ("acting", "bad")]).expect("they hold");
    assert_eq!(without, never.label().logits);
}

#[test]
fn concepts_have_classes_of_their_own_number() {
    let goldens = Goldens::read("ragged");
    let model = model(&goldens);
    let start = prediction(&model, &goldens);
    let counts: Vec<usize> = start.concepts().map(|concept| concept.probabilities.len()).collect();
    assert_eq!(counts, [2, 3, 5]);
    assert_eq!(model.schema().class_count(), 5);
    for (concept, row) in start.concepts().zip(start.concept_values().rows()) {
        let sum: f32 = concept.probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-6, "{}: {sum}", concept.name);
        assert!(row.iter().skip(concept.probabilities.len()).all(|&p| p == 0.0));
    }
    let error = start.suppose([("seen", 2)]).expect_err("'seen' has two classes");
    assert_eq!(error.to_string(), "class index for concept 'seen': found 2, expected 0 to 1");
    assert!(start.label().expected_value.is_some(), "the label's order is given");
}

#[test]
fn every_way_to_say_a_class_is_the_same() {
    for name in SETS {
        let goldens = Goldens::read(name);
        let model = model(&goldens);
        let (concept, class) = first_concept(&model);
        let mut one_hot = vec![0.0; model.schema().concepts[0].classes.len()];
        one_hot[0] = 1.0;
        let ways = [
            ConceptValue::Class(class.clone()),
            ConceptValue::ClassIndex(0),
            ConceptValue::Probabilities(one_hot.clone()),
        ];
        let short: [ConceptValue; 3] = [(&class).into(), 0.into(), (&*one_hot).into()];
        assert_eq!(short, ways, "{name}: each way has a short form");
        assert_eq!(
            [ConceptValue::from(class), one_hot.into()],
            [&ways[0], &ways[2]].map(Clone::clone)
        );
        let start = prediction(&model, &goldens);
        let labels = ways.map(|way| {
            start.intervene([(&concept, way)]).expect("the override holds").label().logits.to_vec()
        });
        assert_eq!(labels[0], labels[1]);
        assert_eq!(labels[0], labels[2]);
        assert_ne!(
            labels[0],
            start.label().logits,
            "{name}: the override changes the label logits"
        );
    }
}

#[test]
fn undo_gives_back_the_same_bits() {
    for name in SETS {
        let goldens = Goldens::read(name);
        let model = model(&goldens);
        let start = prediction(&model, &goldens);
        let names: Vec<&str> = model.schema().concepts.iter().map(|c| c.name.as_str()).collect();
        let all = names.iter().map(|name| (name, ConceptValue::ClassIndex(1)));
        let changed = start.intervene(all).expect("the overrides hold");
        let one_by_one = names.iter().fold(changed.clone(), |p, name| p.undo(name).expect("undo"));
        for back in [changed.undo_all(), one_by_one] {
            assert_eq!(back.label().logits, start.label().logits);
            assert_eq!(back.concept_values(), start.concept_values());
        }
    }
}

#[test]
fn the_order_of_overrides_does_not_matter() {
    let goldens = Goldens::read("cebab");
    let model = model(&goldens);
    let start = prediction(&model, &goldens);
    let one = start.intervene([("noise", "positive"), ("food", "negative")]).expect("they hold");
    let two = start
        .intervene([("food", "negative")])
        .and_then(|p| p.intervene([("noise", "positive")]))
        .expect("they hold");
    assert_eq!(one.label(), two.label());
}

#[test]
fn senseless_overrides_are_refused() {
    let goldens = Goldens::read("cebab");
    let start = prediction(&model(&goldens), &goldens);
    let probabilities = |values: &[f32]| ConceptValue::Probabilities(values.to_vec());
    let cases = [
        ("taste", "positive".into(), "concept: found 'taste', expected one of 'food', "),
        ("noise", "loud".into(), "class of 'noise': found 'loud', expected one of 'negative', "),
        (
            "noise",
            ConceptValue::ClassIndex(3),
            "class index for concept 'noise': found 3, expected 0 to 2",
        ),
        (
            "noise",
            probabilities(&[0.5, 0.5]),
            "values for concept 'noise': found 2 values, expected 3",
        ),
        (
            "noise",
            probabilities(&[0.5, 0.6, 0.5]),
            "probabilities for concept 'noise': found [0.5, 0.6, 0.5]",
        ),
        ("noise", probabilities(&[1.5, -0.5, 0.0]), "probabilities for concept 'noise'"),
        ("noise", probabilities(&[f32::NAN, 0.5, 0.5]), "probabilities for concept 'noise'"),
        (
            "noise",
            ConceptValue::Logits(vec![0.0, f32::INFINITY, 0.0]),
            "logits for concept 'noise'",
        ),
    ];
    for (concept, value, message) in cases {
        let error = start.intervene([(concept, value)]).expect_err("the override is refused");
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().starts_with(message), "{error} should start with {message}");
    }
}
