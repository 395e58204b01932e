//! What only a machine with an NVIDIA GPU shows: `tests/parts/cuda`. The golden vectors on it are in `parity`.

use sparsecbm::{EngineChoice, ErrorKind, LoadOptions, Model, Prediction, Result};
use sparsecbm_exporter::{ExportOptions, Layout, WeightForm};
use sparsecbm_tests::{exported, largest_difference, reviews};

const SHIPPED: &str = "examples/models/cebab";
/// The largest difference from the processor in any output, in products of 32-bit floats.
const TOLERANCE: f32 = 1e-4;
const GPU: EngineChoice = EngineChoice::OrtCuda { device: 0 };

fn file(layout: Layout) -> Vec<u8> {
    let options = ExportOptions { weights: WeightForm::F32, layout, ..ExportOptions::default() };
    exported(SHIPPED, &options)
}

fn load(layout: Layout, options: &LoadOptions) -> Result<Model> {
    Model::from_bytes(file(layout), options)
}

fn on(engine: EngineChoice) -> LoadOptions {
    LoadOptions::default().with_engine(engine)
}

/// The largest difference of two predictions in any output.
fn difference(one: &Prediction, other: &Prediction) -> f32 {
    let outputs = |prediction: &Prediction| {
        let logits = prediction.concept_logits();
        let evidence = prediction.token_evidence();
        let both = logits.iter().chain(evidence.iter()).chain(prediction.label().logits);
        both.copied().collect::<Vec<f32>>()
    };
    largest_difference(&outputs(one), &outputs(other))
}

#[test]
fn every_validation_review_gets_the_processors_answer() {
    let reviews = reviews();
    let processor = load(Layout::Branches, &on(EngineChoice::OrtCpu)).expect("the model loads");
    let expected = processor.predict_batch(&reviews).expect("runs");
    for (layout, tf32) in
        [(Layout::Branches, false), (Layout::Batched, false), (Layout::Batched, true)]
    {
        let mut options = on(GPU);
        options.ort.cuda_tf32 = tf32;
        let model = load(layout, &options).expect("the model loads");
        let found = model.predict_batch(&reviews).expect("runs");
        let pairs = || found.iter().zip(&expected);
        let largest = pairs().map(|(a, b)| difference(a, b)).fold(0.0, f32::max);
        let labels = pairs().filter(|(a, b)| a.label().class != b.label().class).count();
        println!(
            "{layout:?}, TF32 {tf32}, {} reviews: largest difference {largest:.1e}, {labels} labels differ; {}",
            reviews.len(),
            model.device()
        );
        if !tf32 {
            assert!(largest <= TOLERANCE, "{layout:?}: {largest}");
            assert_eq!(labels, 0, "{layout:?}");
        } else {
            // Three decimal digits a product: closer than that would be no TensorFloat-32.
            assert!(largest > 1e-5 && largest < 0.1, "{largest}");
        }
    }
}

#[test]
fn nearly_every_node_runs_on_the_gpu() {
    for layout in [Layout::Branches, Layout::Batched] {
        let model = load(layout, &on(GPU)).expect("the model loads");
        let nodes = &model.device().nodes;
        let total: usize = nodes.values().sum();
        let on_gpu = nodes["CUDAExecutionProvider"];
        // The rest computes shapes, which belong on the processor.
        assert!(on_gpu * 10 >= total * 9, "{layout:?}: {nodes:?}");
    }
}

#[test]
fn another_gpu_than_there_is_is_refused() {
    let error = load(Layout::Batched, &on(EngineChoice::OrtCuda { device: 7 }));
    let error = error.expect_err("no machine of these tests has eight");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("ort-cuda:7"), "{error}");
}

#[test]
fn memory_is_limited_where_it_is_asked_for() {
    let mut options = on(GPU);
    // Less than the weights of all concepts take.
    options.ort.cuda_memory_limit = Some(1 << 20);
    let outcome =
        load(Layout::Batched, &options).and_then(|model| model.predict("The food was great."));
    let error = outcome.expect_err("the weights do not fit");
    println!("{error}");
    assert!([ErrorKind::Unavailable, ErrorKind::Engine].contains(&error.kind()), "{error}");
    options.ort.cuda_memory_limit = Some(1 << 30);
    let model = load(Layout::Batched, &options).expect("the weights fit");
    model.predict("The food was great.").expect("the text fits");
}

#[test]
fn many_threads_share_one_gpu() {
    let model = load(Layout::Batched, &on(GPU)).expect("the model loads");
    let texts: Vec<String> = (0..40).map(|i| format!("{i} good, {} bad", i * 7)).collect();
    let alone = model.predict_batch(&texts).expect("runs");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (model, texts, alone) = (&model, &texts, &alone);
            scope.spawn(move || {
                for i in (0..texts.len()).cycle().skip(worker * 10).take(50) {
                    let prediction = model.predict(&texts[i]).expect("runs");
                    assert!(difference(&prediction, &alone[i]) <= TOLERANCE, "text {i}");
                }
            });
        }
    });
}
