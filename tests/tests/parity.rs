//! The golden vectors from PyTorch through the Rust crate, on every engine and in every form of the
//! exported file that keeps the checkpoint's numbers.

use sparsecbm::onnx;
use sparsecbm::schema::Pooling;
use sparsecbm::sparse::InstructionSet;
use sparsecbm::{EngineChoice, ErrorKind, LoadOptions, Model, Prediction};
use sparsecbm_exporter::{ExportOptions, Layout, MaskForm, WeightForm};
use sparsecbm_tests::{Case, Goldens, REGISTRY, exported, graph_engine, largest_difference};

const TOLERANCE: f32 = 1e-4;

/// The forms of the file that keep the checkpoint's numbers.
const FORMS: [(WeightForm, MaskForm, Layout); 5] = [
    (WeightForm::F32, MaskForm::Packed, Layout::Branches),
    (WeightForm::F32, MaskForm::Folded, Layout::Branches),
    (WeightForm::F32, MaskForm::Packed, Layout::Batched),
    (WeightForm::F32, MaskForm::Folded, Layout::Batched),
    (WeightForm::F16, MaskForm::Packed, Layout::Branches),
];

/// The engine that runs graphs; where that is tract, also the sparse kernels under each instruction set that this
/// processor has.
fn engines() -> Vec<LoadOptions> {
    let on = |engine| LoadOptions::default().with_engine(engine);
    let mut engines = vec![on(graph_engine())];
    if graph_engine() == EngineChoice::Tract {
        for set in InstructionSet::available() {
            let mut options = on(EngineChoice::Sparse);
            options.sparse.instructions = Some(set);
            engines.push(options);
        }
    }
    engines
}

fn for_each_model(check: impl Fn(&Model, &Goldens, &str)) {
    for known in REGISTRY.iter() {
        let name = &known.name;
        let goldens = Goldens::read(name);
        for (weights, masks, layout) in FORMS {
            if weights == WeightForm::F16 && !known.half
                || layout == Layout::Batched && !known.batched
            {
                continue;
            }
            let options = ExportOptions { weights, masks, layout, ..ExportOptions::default() };
            let bytes = exported(&goldens.model, &options);
            for options in engines() {
                let engine = options.engine;
                let place = format!("{name} {weights:?} {masks:?} {layout:?} {engine:?}");
                match Model::from_bytes(bytes.clone(), &options) {
                    Ok(model) => check(&model, &goldens, &format!("{place} {}", model.device())),
                    Err(e) => {
                        // The sparse kernels must refuse the others.
                        let known = engine != EngineChoice::Sparse
                            || (known.sparse && layout == Layout::Branches);
                        let refused = e.kind() == ErrorKind::Unavailable;
                        assert!(refused && !known, "{place}: {e}");
                    }
                }
            }
        }
    }
}

/// Every output of one row of a case beside the golden one.
fn compare(prediction: &Prediction, case: &Case, row: usize, place: &str) {
    let flat = |name: &str| case.outputs[name].row(row);
    let evidence = prediction.token_evidence();
    let (rows, positions) =
        (flat("token_evidence"), *case.outputs["token_evidence"].shape.last().unwrap());
    // The golden batch is padded on the right; what is not pooled must be 0 there.
    let mut own = Vec::new();
    for (golden, found) in rows.chunks(positions).zip(evidence.rows()) {
        own.extend_from_slice(&golden[..found.len()]);
        assert!(golden[found.len()..].iter().all(|&x| x == 0.0), "{place}: evidence of padding");
    }
    let label = prediction.label();
    let outputs = [
        (
            "concept_logits",
            prediction.concept_logits().iter().copied().collect(),
            flat("concept_logits"),
        ),
        (
            "concept_values",
            prediction.concept_values().iter().copied().collect(),
            flat("concept_values"),
        ),
        ("label_logits", label.logits.to_vec(), flat("label_logits")),
        ("token_evidence", evidence.iter().copied().collect::<Vec<f32>>(), &own),
    ];
    for (name, found, expected) in outputs {
        let difference = largest_difference(&found, expected);
        assert!(difference <= TOLERANCE, "{place}: {name} differs by {difference}");
    }
}

#[test]
fn token_ids_and_texts_give_the_golden_outputs() {
    for_each_model(|model, goldens, place| {
        for case in &goldens.cases {
            check_token_ids(model, case, place);
            check_texts(model, case, place);
        }
    });
}

fn check_token_ids(model: &Model, case: &Case, place: &str) {
    for row in 0..case.rows() {
        let overridden = |prediction: Prediction| {
            let overrides = case.overrides(row, &classes(model)).into_iter();
            let name = |k: usize| &model.schema().concepts[k].name;
            prediction.overridden(overrides.map(|(k, question, p)| (question, name(k), p)))
        };
        let prediction = model
            .predict_tokens(&case.token_ids(row))
            .and_then(overridden)
            .unwrap_or_else(|e| panic!("{place}: {}: {e}", case.name));
        compare(&prediction, case, row, &format!("{place}: {}, row {row}", case.name));
    }
}

/// The number of classes of each concept.
fn classes(model: &Model) -> Vec<usize> {
    model.schema().concepts.iter().map(|concept| concept.classes.len()).collect()
}

/// Texts alone and in a batch, where the case is made of texts without overrides.
fn check_texts(model: &Model, case: &Case, place: &str) {
    let Some(texts) = &case.texts else { return };
    if (0..case.rows()).any(|row| !case.overrides(row, &classes(model)).is_empty()) {
        return;
    }
    let batch = model.predict_batch(texts).expect("the batch is predicted");
    for (row, (text, in_batch)) in texts.iter().zip(&batch).enumerate() {
        let alone = model.predict(text).expect("the text is predicted");
        for prediction in [&alone, in_batch] {
            compare(prediction, case, row, &format!("{place}: {}, row {row}", case.name));
        }
    }
}

#[test]
fn padded_models_read_padding() {
    let goldens = Goldens::read("tiny-executed");
    let bytes = exported(&goldens.model, &ExportOptions::default());
    let model = Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads");
    assert_eq!(model.schema().pooling, Pooling::PaddedMean);
    let prediction = model.predict("").expect("empty text has an answer");
    assert_eq!(prediction.token_evidence().dim().2, model.schema().max_length);
}

#[test]
fn a_text_without_tokens_has_the_biases() {
    // GPT-2's tokenizer adds no special tokens. The sparse kernels do not run rows that are kept whole.
    let on_graph = |options: &LoadOptions| options.engine != EngineChoice::Sparse;
    for options in engines().into_iter().filter(on_graph) {
        check_text_without_tokens("tests/models/gpt2-rows", &options);
    }
    // Its mean goes over padding.
    for options in engines() {
        check_text_without_tokens("tests/models/gpt2", &options);
    }
}

fn check_text_without_tokens(model: &str, options: &LoadOptions) {
    let bytes = exported(model, &ExportOptions::default());
    let graph = onnx::decode(bytes.clone().into(), model).expect("it was just written").graph;
    let bias = graph.expect("a graph").initializer;
    let bias = bias.iter().find(|tensor| tensor.name == "concept_head.bias").expect("a bias");
    let bias = bias.raw_data.chunks_exact(4);
    let bias: Vec<f32> =
        bias.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect();
    {
        let model = Model::from_bytes(bytes, options).expect("the model loads");
        let batch = model.predict_batch(&["good", "", "bad"]).expect("any text has an answer");
        let alone = model.predict("").expect("empty text has an answer");
        for prediction in [&batch[1], &alone] {
            assert!(prediction.tokens().is_empty());
            assert_eq!(prediction.concept_logits().iter().copied().collect::<Vec<_>>(), bias);
            assert_eq!(prediction.token_evidence().dim().2, 0);
            prediction.explain(&Default::default()).expect("it can be explained");
        }
        for (text, together) in [("good", &batch[0]), ("bad", &batch[2])] {
            let alone = model.predict(text).expect("the engine runs");
            assert_eq!(alone.tokens(), together.tokens());
            let logits = |prediction: &Prediction| -> Vec<f32> {
                prediction.concept_logits().iter().copied().collect()
            };
            let difference = largest_difference(&logits(&alone), &logits(together));
            assert!(difference <= TOLERANCE, "{text}: {difference}");
        }
    }
}
