//! Integrated gradients: what Captum says, sums that are the logits, and what is refused.

use std::ops::ControlFlow;

use serde::Deserialize;
use sparsecbm::explain::{ExplainOptions, IntegratedOptions, Progress};
use sparsecbm::{EngineChoice, ErrorKind, Gradients, LoadOptions, Model};
use sparsecbm_exporter::{ExportOptions, WeightForm};
use sparsecbm_tests::{
    Tensor, exported, exported_gradients, graph_engine, largest_difference, pause, repository,
    with_pauses,
};

const TINY: &str = "tests/models/tiny";
const SHIPPED: &str = "examples/models/cebab";
const TEXT: &str = "The movie was very good";
/// As a share of the largest attribution.
const TOLERANCE: f32 = 1e-3;

/// What Captum says of one text (`tests/goldens/renew`).
#[derive(Deserialize)]
struct Golden {
    model: String,
    text: String,
    steps: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    concept: usize,
    /// `[C, S]`
    attributions: Tensor,
}

fn goldens() -> Vec<Golden> {
    let path = repository().join("tests/goldens/integrated.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"))
}

fn load(name: &str, weights: WeightForm, engine: EngineChoice) -> (Model, Gradients) {
    let options = ExportOptions { weights, ..ExportOptions::default() };
    let load = LoadOptions::default().with_engine(engine);
    let model = Model::from_bytes(exported(name, &options), &load).expect("the model loads");
    let bytes = exported_gradients(name, &options);
    let gradients = Gradients::from_bytes(bytes, &model, &load).expect("the gradients load");
    (model, gradients)
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn attributions_are_those_of_captum() {
    let engine = graph_engine();
    for golden in goldens() {
        let (model, gradients) = load(&golden.model, WeightForm::F32, engine);
        let mut options = IntegratedOptions::new(&gradients);
        options.steps = golden.steps;
        let prediction = model.predict(&golden.text).expect("runs");
        let found = prediction.integrated_gradients(&options, go_on).expect("runs");
        for case in &golden.cases {
            let place = format!("{} on {engine}, concept {}", golden.model, case.concept);
            let found = found.concepts[case.concept].positions.concat();
            let expected = &case.attributions.data;
            let largest = expected.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            let error = largest_difference(&found, expected) / largest;
            println!("{place}: {error:.1e}");
            assert!(error < TOLERANCE, "{place}: {error:e}");
        }
    }
}

#[test]
fn words_special_tokens_and_baseline_sum_to_the_logits() {
    let (model, gradients) = load(SHIPPED, WeightForm::F16, graph_engine());
    let prediction = model.predict(TEXT).expect("runs");
    let found = prediction.integrated_gradients(&IntegratedOptions::new(&gradients), go_on);
    let found = found.expect("runs");
    assert!(found.complete);
    assert_eq!(found.words, prediction.words());
    assert_eq!(found.baseline_piece, "[MASK]");
    for (k, concept) in found.concepts.iter().enumerate() {
        for (class, words) in concept.attributions.iter().enumerate() {
            let sum = words.iter().sum::<f32>() + concept.special[class] + concept.baseline[class];
            let logit = prediction.concept_logits()[[k, class]];
            let error = concept.convergence_error[class];
            assert!((sum - logit).abs() <= error + 1e-3, "{}: {sum} for {logit}", concept.name);
            assert!(error < 0.01 * logit.abs().max(1.0), "{}: {error}", concept.name);
        }
    }
}

#[test]
fn the_convergence_error_falls_with_the_steps() {
    let (model, gradients) = load(SHIPPED, WeightForm::F16, graph_engine());
    let prediction = model.predict(TEXT).expect("runs");
    let error = |steps| {
        let mut options = IntegratedOptions::new(&gradients);
        options.steps = steps;
        let found = prediction.integrated_gradients(&options, go_on).expect("runs");
        let errors = found.concepts.iter().flat_map(|concept| concept.convergence_error.clone());
        errors.fold(0.0, f32::max)
    };
    let (one, many) = (error(1), error(32));
    assert!(many < 0.1 * one, "{one} with one step, {many} with 32");
}

#[test]
fn token_ids_give_what_their_text_gives() {
    let (model, gradients) = load(TINY, WeightForm::F32, EngineChoice::Tract);
    let options = IntegratedOptions::new(&gradients);
    let of_text = model.predict(TEXT).expect("runs");
    let ids: Vec<u32> = of_text.tokens().iter().map(|token| token.id).collect();
    let of_ids = model.predict_tokens(&ids).expect("runs");
    let [one, other] = [&of_text, &of_ids]
        .map(|prediction| prediction.integrated_gradients(&options, go_on).expect("runs"));
    for (one, other) in one.concepts.iter().zip(&other.concepts) {
        assert_eq!(one.positions, other.positions);
    }
}

#[test]
fn a_patched_model_is_explained_as_it_is() {
    use sparsecbm::edit::EditTask;
    let (model, gradients) = load(TINY, WeightForm::F32, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let concept = prediction.concepts().next().expect("a concept");
    let classes = &model.schema().concepts[0].classes;
    let mut task = EditTask::new(&model, concept.name).expect("the concept is there");
    let class = &classes[1 - concept.class_index];
    task.example(&prediction, class).expect("the class is there");
    let edit = gradients.edit(&task, &Default::default(), |_| ControlFlow::Continue(()));
    let edited = model.with_patches(&[edit.expect("runs").patch]).expect("it fits");
    let after = edited.predict(TEXT).expect("runs");
    let found = after.integrated_gradients(&IntegratedOptions::new(&gradients), go_on);
    let concept = &found.expect("runs").concepts[0];
    for class in 0..2 {
        let sum: f32 = concept.attributions[class].iter().sum();
        let sum = sum + concept.special[class] + concept.baseline[class];
        let error = concept.convergence_error[class] + 1e-3;
        assert!((sum - after.concept_logits()[[0, class]]).abs() <= error);
    }
}

#[test]
fn explanations_hold_them_where_asked_and_test_their_order() {
    let (model, gradients) = load(TINY, WeightForm::F32, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let plain = prediction.explain(&ExplainOptions::default()).expect("runs");
    assert!(plain.integrated.is_none());
    let mut options = ExplainOptions::default();
    options.integrated = Some(IntegratedOptions::new(&gradients));
    options.faithfulness = Some(Default::default());
    let mut told = Vec::new();
    let explanation = prediction.explain_with_progress(&options, |progress| {
        told.push((progress.done, progress.total));
        ControlFlow::Continue(())
    });
    let explanation = explanation.expect("runs");
    let total = model.schema().concept_count() * model.schema().class_count();
    assert_eq!(told, (1..=total).map(|done| (done, total)).collect::<Vec<_>>());
    let concepts = explanation.integrated.expect("asked for").concepts.len();
    assert_eq!(concepts, model.schema().concept_count());
    let methods: Vec<&str> = explanation.faithfulness.iter().map(|f| &*f.method).collect();
    assert_eq!(methods, ["evidence", "integrated"].repeat(concepts));
}

#[test]
fn an_early_end_keeps_whole_concepts() {
    let (model, gradients) = load(TINY, WeightForm::F32, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let options = IntegratedOptions::new(&gradients);
    let after = |runs: usize| {
        let stop = |progress: Progress| match progress.done >= runs {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let found = prediction.integrated_gradients(&options, stop).expect("runs");
        (found.concepts.len(), found.complete)
    };
    let concepts = model.schema().concept_count();
    assert_eq!(after(1), (0, false));
    assert_eq!(after(2), (1, false));
    assert_eq!(after(3), (1, false));
    assert_eq!(after(2 * concepts), (concepts, true));
}

#[test]
fn integration_with_pauses_gives_the_same() {
    let (model, gradients) = load(TINY, WeightForm::F32, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let options = IntegratedOptions::new(&gradients);
    let integration = prediction.integrated_gradients_with_pauses(&options, async |now| {
        pause().await;
        go_on(now)
    });
    let (found, pauses) = with_pauses(integration);
    let expected = prediction.integrated_gradients(&options, go_on).expect("runs");
    assert_eq!(found.expect("runs"), expected);
    assert_eq!(pauses, model.schema().concept_count() * model.schema().class_count());
}

#[test]
fn what_cannot_be_integrated_is_refused() {
    let (model, gradients) = load(TINY, WeightForm::F32, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let refused = |options: &IntegratedOptions, prediction: &sparsecbm::Prediction, part: &str| {
        let error = prediction.integrated_gradients(options, go_on).expect_err(part);
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.to_string().contains(part), "no '{part}' in {error}");
    };
    let mut options = IntegratedOptions::new(&gradients);
    options.steps = 0;
    refused(&options, &prediction, "steps");
    let mut options = IntegratedOptions::new(&gradients);
    options.baseline = Some(u32::MAX);
    refused(&options, &prediction, "vocabulary");
    let (other, _) = load(SHIPPED, WeightForm::F16, EngineChoice::Tract);
    let foreign = other.predict(TEXT).expect("runs");
    refused(&IntegratedOptions::new(&gradients), &foreign, "another model");
}
