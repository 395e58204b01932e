//! The search for edits of masks: what it finds turns the concept on the model itself, keeps the sparsity and
//! is small; and everything that is wrong is told.

use std::ops::ControlFlow;
use std::time::Duration;

use prost::Message;
use sparsecbm::edit::{Edit, EditOptions, EditOutcome, EditProgress, EditTask};
use sparsecbm::gradients::MaskEditor;
use sparsecbm::onnx::ModelProto;
use sparsecbm::{EngineChoice, ErrorKind, Gradients, LoadOptions, Model, Prediction};
use sparsecbm_exporter::{ExportOptions, MaskForm, WeightForm};
use sparsecbm_tests::{
    exported, exported_gradients, graph_engine, largest_difference, pause, with_pauses,
};

const TINY: &str = "tests/models/tiny";
const EXECUTED: &str = "tests/models/tiny-executed";
const SHIPPED: &str = "examples/models/cebab";
const TEXT: &str = "The food was delicious, but so loud that we could not hear each other.";
/// The largest difference between engines.
const TOLERANCE: f32 = 1e-4;

fn on(engine: EngineChoice) -> LoadOptions {
    LoadOptions::default().with_engine(engine)
}

/// A model, and its gradients on an engine.
fn load(name: &str, model: EngineChoice, gradients: EngineChoice) -> (Model, Gradients) {
    let options = ExportOptions::default();
    let model = Model::from_bytes(exported(name, &options), &on(model)).expect("the model loads");
    let bytes = exported_gradients(name, &options);
    let gradients = Gradients::from_bytes(bytes, &model, &on(gradients)).expect("they load");
    (model, gradients)
}

fn go_on(_: EditProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A class that the model does not read, and the concept's name.
fn another_class(prediction: &Prediction, k: usize) -> (String, String) {
    let concept = prediction.concepts().nth(k).expect("the concept is there");
    let classes = &prediction.model().schema().concepts[k].classes;
    let class = &classes[(concept.class_index + 1) % classes.len()];
    (concept.name.into(), class.clone())
}

fn edit_to_another(model: &Model, gradients: &Gradients, text: &str, k: usize) -> Edit {
    let prediction = model.predict(text).expect("runs");
    let (concept, class) = another_class(&prediction, k);
    let mut task = EditTask::new(model, &concept).expect("the concept is there");
    task.example(&prediction, &class).expect("the class is there");
    let mut options = EditOptions::default();
    // The smallest model's masks keep a hundred bits.
    options.max_share = 0.2;
    gradients.edit(&task, &options, go_on).expect("the search runs")
}

#[test]
fn an_edit_turns_the_concept_on_the_model_itself() {
    let engine = graph_engine();
    for (name, on_model) in [
        (TINY, EngineChoice::Tract),
        (SHIPPED, EngineChoice::Sparse),
        (EXECUTED, EngineChoice::Sparse),
        ("tests/models/gpt2", engine),
    ] {
        let (model, gradients) = load(name, on_model, engine);
        let before = model.predict(TEXT).expect("runs");
        for k in 0..model.schema().concept_count() {
            let place = format!("{name}, gradients on {engine}, concept {k}");
            let edit = edit_to_another(&model, &gradients, TEXT, k);
            assert_eq!(edit.outcome, EditOutcome::Turned, "{place}: {edit:?}");
            let change = &edit.examples[0];
            assert_eq!(change.class_after, change.wanted, "{place}");
            let edited = model.with_patches(std::slice::from_ref(&edit.patch)).expect("it fits");
            let after = edited.predict(TEXT).expect("runs");
            let concept = after.concepts().nth(k).expect("the concept is there");
            assert_eq!(concept.class, change.wanted, "{place}");
            assert!(largest_difference(concept.logits, &change.logits_after) <= TOLERANCE);
            let label = after.label().probabilities;
            let told = &change.label_probabilities_after;
            assert!(largest_difference(label, told) <= TOLERANCE, "{place}");
            assert_eq!(change.label_before, before.label().class, "{place}");

            // As many bits are grown as pruned, and no other mask is touched.
            let count = |of: fn(&sparsecbm::edit::LayerFlips) -> usize| -> usize {
                edit.layers.iter().map(of).sum()
            };
            assert_eq!(count(|layer| layer.pruned), count(|layer| layer.grown), "{place}");
            assert_eq!(edit.flips, edit.patch.flips());
            let (old, new) = (model.masks(), edited.masks());
            for (before, after) in old.density.iter().zip(&new.density) {
                assert!((before - after).abs() < 1e-12, "{place}: density");
            }
            println!("{place}: {} bits of {} in {} runs", edit.flips, edit.kept, edit.runs);
        }
    }
}

/// tract runs such a graph one text at a time.
#[test]
fn a_recurrent_model_is_edited_too() {
    let engine = graph_engine();
    let (model, gradients) = load("tests/models/bilstm", engine, engine);
    let edit = edit_to_another(&model, &gradients, TEXT, 0);
    assert_eq!(edit.outcome, EditOutcome::Turned, "{engine}: {edit:?}");
    let wanted = edit.examples[0].wanted.clone();
    let edited = model.with_patches(&[edit.patch]).expect("it fits");
    let both = edited.predict_batch(&[TEXT, "good"]).expect("runs");
    assert_eq!(both[0].concepts().next().expect("a concept").class, wanted, "{engine}");
    let concept = &model.schema().concepts[0].name;
    let editor = MaskEditor::new(&gradients, &edited, concept).expect("the concept is there");
    let logits = editor.logits(&[both[0].tokenized(), both[1].tokenized()]).expect("runs");
    for (prediction, logits) in both.iter().zip(&logits) {
        let own = prediction.concept_logits().row(0).to_vec();
        assert!(largest_difference(logits, &own) <= TOLERANCE, "{engine}");
    }
}

#[test]
fn no_smaller_number_along_the_ranking_turns_it() {
    let (model, gradients) = load(SHIPPED, EngineChoice::Sparse, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let (concept, class) = another_class(&prediction, 0);
    let mut task = EditTask::new(&model, &concept).expect("the concept is there");
    task.example(&prediction, &class).expect("the class is there");
    let mut tried = Vec::new();
    let edit = gradients.edit(&task, &EditOptions::default(), |progress| {
        tried.push((progress.flips, progress.turned));
        ControlFlow::Continue(())
    });
    let edit = edit.expect("the search runs");
    assert!(edit.flips > 2, "one pair is not enough here: {edit:?}");
    assert!(tried.contains(&(edit.flips - 2, 0)), "{} bits: {tried:?}", edit.flips);
}

#[test]
fn the_gradient_tells_what_a_bit_does() {
    let (model, gradients) = load(SHIPPED, EngineChoice::Sparse, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let tokens = [prediction.tokenized()];
    let concept = &model.schema().concepts[0].name;
    let editor = MaskEditor::new(&gradients, &model, concept).expect("the concept is there");
    let before = editor.logits(&tokens).expect("runs").swap_remove(0);
    // The difference of two logits, which is what turns a class.
    let slopes = editor.mask_gradients(&tokens, &[vec![1.0, -1.0, 0.0]]).expect("runs");
    let difference = |logits: &[f32]| logits[0] - logits[1];
    let (mut checked, mut exact) = (0, 0);
    for (matrix, slopes) in slopes.iter().enumerate() {
        let mask = &editor.masks()[matrix];
        // For the strongest the curve bends most: one of those behind them.
        let mut ranked: Vec<usize> = (0..slopes.len()).collect();
        ranked.sort_by(|&a, &b| slopes[b].abs().total_cmp(&slopes[a].abs()));
        let bit = ranked[100];
        let (row, column) = (bit / mask.columns(), bit % mask.columns());
        let direction = if mask.keeps(row, column) { -1.0 } else { 1.0 };
        let mut flipped = editor.clone();
        flipped.flip(matrix, row, column);
        let after = flipped.logits(&tokens).expect("runs").swap_remove(0);
        let found = difference(&after) - difference(&before);
        // A bit is no small change: the mean of the slopes at both of its ends leaves out how the curve bends.
        let slopes_after = flipped.mask_gradients(&tokens, &[vec![1.0, -1.0, 0.0]]).expect("runs");
        let told = direction * 0.5 * (slopes[bit] + slopes_after[matrix][bit]);
        let name = mask.layer();
        let error = (found - told).abs() / told.abs();
        println!("{name}: {found} and {told}, {error:.4}");
        // Where a bit moves a neuron over the bend of its activation, more than elsewhere.
        assert!(error < 0.2, "{name}: {found} and {told}");
        exact += usize::from(error < 0.02);
        checked += 1;
    }
    assert_eq!(checked, model.masks().layers.len());
    assert!(4 * exact >= 3 * checked, "{exact} of {checked} matrices are told to 2 %");
}

#[test]
fn several_examples_are_turned_and_guards_stay() {
    let (model, gradients) = load(SHIPPED, EngineChoice::Sparse, graph_engine());
    let texts = [
        "The noise was terrible.",
        "So loud that we had to shout.",
        "It was noisy and crowded, we left early.",
    ];
    let guards = ["A quiet, lovely place.", "The soup was cold.", "Great service!", ""];
    let mut task = EditTask::new(&model, "noise").expect("the concept is there");
    for prediction in model.predict_batch(&texts).expect("runs") {
        task.example(&prediction, "unknown").expect("the class is there");
    }
    let kept = model.predict_batch(&guards).expect("runs");
    kept.iter().for_each(|guard| task.guard(guard).expect("of the model"));
    let edit = gradients.edit(&task, &EditOptions::default(), go_on).expect("the search runs");
    assert_eq!(edit.outcome, EditOutcome::Turned, "{edit:?}");
    assert_eq!((edit.guards, edit.broken.len()), (guards.len(), 0));
    let edited = model.with_patches(&[edit.patch]).expect("it fits");
    for prediction in edited.predict_batch(&texts).expect("runs") {
        assert_eq!(prediction.concept("noise").expect("there").class, "unknown");
    }
    for (after, before) in edited.predict_batch(&guards).expect("runs").iter().zip(&kept) {
        let class = |prediction: &Prediction| prediction.concept("noise").unwrap().class_index;
        assert_eq!(class(after), class(before));
    }
}

#[test]
fn edits_build_on_patches_and_are_undone() {
    let (model, gradients) = load(SHIPPED, EngineChoice::Sparse, EngineChoice::Tract);
    let first = edit_to_another(&model, &gradients, TEXT, 0);
    let once = model.with_patches(std::slice::from_ref(&first.patch)).expect("it fits");
    let second = edit_to_another(&once, &gradients, TEXT, 0);
    let patches = [first.patch.clone(), second.patch];
    let twice = once.with_patches(&patches).expect("they fit");
    let class = |model: &Model| {
        let prediction = model.predict(TEXT).expect("runs");
        prediction.concepts().next().expect("a concept").class_index
    };
    assert_ne!(class(&once), class(&model));
    assert_ne!(class(&twice), class(&once));
    let undone = twice.with_patches(&[]).expect("nothing to fit");
    let logits = |model: &Model| model.predict(TEXT).expect("runs").concept_logits().to_owned();
    assert_eq!(logits(&undone), logits(&model));
}

#[test]
fn a_search_can_be_ended() {
    let (model, gradients) = load(TINY, EngineChoice::Tract, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let (concept, class) = another_class(&prediction, 0);
    let mut task = EditTask::new(&model, &concept).expect("the concept is there");
    task.example(&prediction, &class).expect("the class is there");
    let mut options = EditOptions::default();
    options.time_limit = Some(Duration::ZERO);
    let edit = gradients.edit(&task, &options, go_on).expect("the search runs");
    assert_eq!((edit.outcome, edit.flips), (EditOutcome::Stopped, 0));
    let stop = |_| ControlFlow::Break(());
    let edit = gradients.edit(&task, &EditOptions::default(), stop).expect("the search runs");
    assert_eq!((edit.outcome, edit.flips, edit.runs), (EditOutcome::Stopped, 0, 1));
}

/// Between its runs the search waits for what it told, and finds the same.
#[test]
fn a_search_with_pauses_waits_for_what_it_told() {
    let (model, gradients) = load(TINY, EngineChoice::Tract, EngineChoice::Tract);
    let found = edit_to_another(&model, &gradients, TEXT, 0);
    let prediction = model.predict(TEXT).expect("runs");
    let (concept, class) = another_class(&prediction, 0);
    let mut task = EditTask::new(&model, &concept).expect("the concept is there");
    task.example(&prediction, &class).expect("the class is there");
    let mut options = EditOptions::default();
    options.max_share = 0.2;
    let mut told = 0;
    let search = gradients.edit_with_pauses(&task, &options, async |now| {
        told += 1;
        pause().await;
        go_on(now)
    });
    let (edit, pauses) = with_pauses(search);
    assert_eq!(edit.expect("the search runs"), found);
    assert!(told > 1 && pauses == told, "{pauses} pauses, told {told} times");
    let stop = async |_| {
        pause().await;
        ControlFlow::Break(())
    };
    let (edit, pauses) = with_pauses(gradients.edit_with_pauses(&task, &options, stop));
    assert_eq!((edit.expect("the search runs").outcome, pauses), (EditOutcome::Stopped, 1));
}

#[test]
fn what_is_right_already_needs_no_bit() {
    let (model, gradients) = load(TINY, EngineChoice::Tract, EngineChoice::Tract);
    let prediction = model.predict(TEXT).expect("runs");
    let concept = prediction.concepts().next().expect("a concept");
    let mut task = EditTask::new(&model, concept.name).expect("the concept is there");
    task.example(&prediction, concept.class).expect("the class is there");
    let edit = gradients.edit(&task, &EditOptions::default(), go_on).expect("the search runs");
    assert_eq!((edit.outcome, edit.flips), (EditOutcome::Turned, 0));
}

#[test]
fn tasks_that_make_no_sense_are_refused() {
    let (model, gradients) = load(TINY, EngineChoice::Tract, EngineChoice::Tract);
    let concept = model.schema().concepts[0].name.clone();
    let prediction = model.predict(TEXT).expect("runs");
    let refused = |result: sparsecbm::Result<()>, part: &str| {
        let error = result.expect_err(part);
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.to_string().contains(part), "no '{part}' in {error}");
    };
    refused(EditTask::new(&model, "no such concept").map(drop), "no such concept");
    let mut task = EditTask::new(&model, &concept).expect("the concept is there");
    let search = |task: &EditTask, options| gradients.edit(task, &options, go_on).map(drop);
    refused(search(&task, EditOptions::default()), "examples");
    refused(task.example(&prediction, "no such class"), "no such class");
    let (other, _) = load(TINY, EngineChoice::Tract, EngineChoice::Tract);
    let foreign = other.predict(TEXT).expect("runs");
    refused(task.guard(&foreign), "another model");
    let (_, class) = another_class(&prediction, 0);
    task.example(&prediction, &class).expect("the class is there");
    for share in [0.0, -1.0, 1.5, f64::NAN] {
        let mut options = EditOptions::default();
        options.max_share = share;
        refused(search(&task, options), "max_share");
    }
    let mut options = EditOptions::default();
    options.guard_weight = f32::NAN;
    refused(search(&task, options), "guard_weight");
    let mut options = EditOptions::default();
    options.rounds = 0;
    refused(search(&task, options), "rounds");

    // Folded masks cannot be edited.
    let options = ExportOptions { masks: MaskForm::Folded, ..ExportOptions::default() };
    let folded = Model::from_bytes(exported(TINY, &options), &on(EngineChoice::Tract));
    let folded = folded.expect("the model loads");
    let mut task = EditTask::new(&folded, &concept).expect("the concept is there");
    task.example(&folded.predict(TEXT).expect("runs"), &class).expect("the class is there");
    refused(search(&task, EditOptions::default()), "--masks packed");
}

#[test]
fn gradients_of_another_model_are_refused() {
    let options = ExportOptions::default();
    let engine = on(EngineChoice::Tract);
    let model = Model::from_bytes(exported(TINY, &options), &engine).expect("the model loads");
    let refused = |bytes: Vec<u8>, kind: ErrorKind, part: &str| {
        let error = Gradients::from_bytes(bytes, &model, &engine).expect_err(part);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "no '{part}' in {error}");
    };
    refused(exported_gradients(EXECUTED, &options), ErrorKind::Input, "sparsecbm.checkpoint");
    let other = ExportOptions { weights: WeightForm::F32, ..options.clone() };
    refused(exported_gradients(TINY, &other), ErrorKind::Input, "weights");
    refused(exported(TINY, &options), ErrorKind::Format, "sparsecbm.gradients.version");
    refused(b"not a file".to_vec(), ErrorKind::Format, "ONNX");
    let changed = |key: &str, value: &str| {
        let bytes = exported_gradients(TINY, &options);
        let mut file = ModelProto::decode(&*bytes).expect("an ONNX file");
        let entry = file.metadata_props.iter_mut().find(|entry| entry.key == key);
        entry.expect("an entry").value = value.into();
        file.encode_to_vec()
    };
    refused(changed("sparsecbm.gradients.version", "2.0"), ErrorKind::Version, "2.0");
    refused(changed("sparsecbm.gradients", "{"), ErrorKind::Format, "sparsecbm.gradients");
    let mut file = ModelProto::decode(&*exported_gradients(TINY, &options)).expect("an ONNX file");
    file.graph.as_mut().expect("a graph").output.clear();
    refused(file.encode_to_vec(), ErrorKind::Model, "concept_logits");
    let path = "no/such/model.gradients.onnx";
    let error = Gradients::load(path, &model, &engine).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains(path), "{error}");

    // A model that does not say where it is from.
    let mut file = ModelProto::decode(&*exported(TINY, &options)).expect("an ONNX file");
    file.metadata_props.retain(|entry| entry.key != "sparsecbm.checkpoint");
    let old = Model::from_bytes(file.encode_to_vec(), &engine).expect("the model loads");
    let error = Gradients::from_bytes(exported_gradients(TINY, &options), &old, &engine);
    assert_eq!(error.expect_err("refused").kind(), ErrorKind::Input);
}
