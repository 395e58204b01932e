//! ONNX Runtime beside tract: the same answers, from many threads at once.

use std::thread;

use sparsecbm::{EngineChoice, LoadOptions, Model, Prediction};
use sparsecbm_exporter::{ExportOptions, WeightForm};
use sparsecbm_tests::{Goldens, exported, largest_difference, reviews};

/// The largest difference between the engines in any output. Both get the same stored weights, so it does not
/// depend on the form.
const TOLERANCE: f32 = 1e-4;

fn load(bytes: &[u8], engine: EngineChoice, sessions: Option<usize>) -> Model {
    let mut options = LoadOptions::default();
    options.engine = engine;
    options.ort.sessions = sessions.and_then(std::num::NonZeroUsize::new);
    Model::from_bytes(bytes.to_vec(), &options).expect("the model loads")
}

fn outputs(prediction: &Prediction) -> [Vec<f32>; 3] {
    [
        prediction.concept_logits().iter().copied().collect(),
        prediction.label().logits.to_vec(),
        prediction.token_evidence().iter().copied().collect(),
    ]
}

fn compare(one: &[Prediction], other: &[Prediction]) -> f32 {
    let pairs = one.iter().zip(other);
    let differences = pairs.flat_map(|(one, other)| {
        let (one, other) = (outputs(one), outputs(other));
        one.into_iter().zip(other).map(|(a, b)| largest_difference(&a, &b))
    });
    differences.fold(0.0, f32::max)
}

/// On every sixteenth validation review; tract needs minutes for all of them, which `REVIEWS_STEP=1` asks for.
#[test]
fn engines_agree_on_validation_reviews() {
    let step = std::env::var("REVIEWS_STEP").map_or(16, |step| step.parse().expect("a number"));
    let texts: Vec<String> = reviews().into_iter().step_by(step).collect();
    for weights in [WeightForm::F32, WeightForm::F16, WeightForm::Int8] {
        let options = ExportOptions { weights, ..ExportOptions::default() };
        let bytes = exported("examples/models/cebab", &options);
        let (tract, ort) =
            (load(&bytes, EngineChoice::Tract, None), load(&bytes, EngineChoice::OrtCpu, None));
        let mut largest = 0.0_f32;
        for texts in texts.chunks(64) {
            let [one, other] =
                [&tract, &ort].map(|model| model.predict_batch(texts).expect("runs"));
            largest = largest.max(compare(&one, &other));
        }
        let count = texts.len();
        println!(
            "{weights:?}: tract and ort-cpu differ by at most {largest:.1e} on {count} reviews"
        );
        assert!(largest <= TOLERANCE, "{weights:?}: {largest}");
    }
}

/// What docs/guide/engines.md states of rounded weights, on a sample of the shipped model's validation reviews.
#[test]
fn rounding_of_weights_stays_within_its_bounds() {
    let texts: Vec<String> = reviews().into_iter().step_by(16).collect();
    let predict = |weights| {
        let options = ExportOptions { weights, ..ExportOptions::default() };
        let bytes = exported("examples/models/cebab", &options);
        load(&bytes, EngineChoice::OrtCpu, None).predict_batch(&texts).expect("runs")
    };
    let exact = predict(WeightForm::F32);
    // The checkpoint itself holds weights of 16 bits.
    let half = compare(&exact, &predict(WeightForm::F16));
    let bytes = predict(WeightForm::Int8);
    let pairs = || exact.iter().zip(&bytes);
    let moved = |(one, other): (&Prediction, &Prediction)| {
        one.concepts().zip(other.concepts()).fold(0.0, |largest: f32, (one, other)| {
            largest.max(largest_difference(one.probabilities, other.probabilities))
        })
    };
    let largest = pairs().map(moved).fold(0.0, f32::max);
    let labels = pairs().filter(|(one, other)| one.label().class != other.label().class).count();
    println!(
        "f16: outputs differ by at most {half:.1e}; int8, {} reviews: probabilities of concepts by {largest:.3}, \
         {labels} labels",
        texts.len()
    );
    assert!(half <= 1e-5, "{half}");
    assert!(largest > 0.0 && largest <= 0.05, "{largest}");
    assert!(labels * 50 <= texts.len(), "{labels} of {} labels", texts.len());
}

#[test]
fn every_thread_gets_its_own_answer() {
    let goldens = Goldens::read("tiny");
    let bytes = exported(&goldens.model, &ExportOptions::default());
    let texts: Vec<String> = (0..40).map(|i| format!("{} good, {} bad", i, i * 7)).collect();
    // More callers than sessions: some wait.
    let model = load(&bytes, EngineChoice::OrtCpu, Some(2));
    let alone: Vec<Prediction> =
        texts.iter().map(|text| model.predict(text).expect("runs")).collect();
    thread::scope(|scope| {
        for worker in 0..8 {
            let (model, texts, alone) = (&model, &texts, &alone);
            scope.spawn(move || {
                for i in (0..texts.len()).cycle().skip(worker * 5).take(200) {
                    let prediction = model.predict(&texts[i]).expect("runs");
                    assert_eq!(compare(&[prediction], &alone[i..=i]), 0.0);
                }
            });
        }
    });
}

#[test]
fn long_batches_are_divided_and_keep_their_order() {
    let goldens = Goldens::read("tiny");
    let bytes = exported(&goldens.model, &ExportOptions::default());
    let model = load(&bytes, EngineChoice::OrtCpu, None);
    let texts: Vec<String> = (0..1500).map(|i| "word ".repeat(i % 30) + &i.to_string()).collect();
    let together = model.predict_batch(&texts).expect("runs");
    for i in (0..texts.len()).step_by(97) {
        let alone = model.predict(&texts[i]).expect("runs");
        assert!(compare(&[alone], &together[i..=i]) < TOLERANCE, "text {i}");
    }
    assert!(model.predict_batch::<&str>(&[]).expect("nothing to run").is_empty());
}
