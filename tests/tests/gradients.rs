//! Gradient files on an engine that runs graphs, against PyTorch's autograd and Captum.
//! `tests/python/check_gradients.py` does the same without this crate.

use std::collections::BTreeMap;

use sparsecbm::gradients::{GradientFile, Point};
use sparsecbm::onnx;
use sparsecbm::{EngineChoice, ErrorKind, LoadOptions, Mask, MaskSet};
use sparsecbm_exporter::{Checkpoint, ExportOptions, WeightForm};
use sparsecbm_tests::{
    GradientGoldens, Tensor, checkpoint, exported, exported_gradients, gradient_goldens,
    graph_engine, largest_difference,
};

/// Of a gradient as a share of its length, and of logits.
const TOLERANCE: f64 = 1e-3;

/// A gradient file with the masks of its checkpoint.
struct Gradients {
    file: GradientFile,
    matrices: Vec<MaskSet>,
}

impl Gradients {
    fn load(model: &str, engine: EngineChoice) -> Gradients {
        let options = ExportOptions { weights: WeightForm::F32, ..ExportOptions::default() };
        let bytes = exported_gradients(model, &options);
        let decoded = |bytes: Vec<u8>| onnx::decode(bytes.into(), model).expect("ONNX");
        let [gradients, exported] = [bytes.clone(), exported(model, &options)].map(decoded);
        for entry in ["sparsecbm.checkpoint", "sparsecbm.schema"] {
            let of = |model| onnx::metadata(model, entry).expect("an entry").to_string();
            assert_eq!(of(&gradients), of(&exported), "{model}: what ties the files together");
        }
        let options = LoadOptions::default().with_engine(engine);
        let file = GradientFile::from_bytes(bytes, &options);
        let file = file.unwrap_or_else(|e| panic!("{model}: {e}"));
        assert_eq!(file.device().engine, engine.to_string());
        let checkpoint = Checkpoint::open(checkpoint(model)).expect("the checkpoint");
        let matrices = checkpoint.mask_sets().collect::<Result<_, _>>().expect("the masks");
        Gradients { file, matrices }
    }

    fn masks(&self, mask: usize) -> Vec<Mask> {
        self.matrices.iter().map(|matrix| matrix.mask(mask)).collect()
    }
}

/// The rows of a golden input, with `alphas` instead of its own where some are given.
fn points(inputs: &BTreeMap<String, Tensor>, alphas: Option<&[f32]>) -> Vec<Point> {
    let whole = |values: &[f32]| values.iter().map(|&value| value as i64).collect::<Vec<_>>();
    let row = |row: usize, alpha: f32| {
        let attention = inputs["attention_mask"].row(row);
        let attended = attention.iter().filter(|&&attended| attended == 1.0).count();
        assert!(attention[..attended].iter().all(|&x| x == 1.0), "padding stands on the right");
        Point {
            ids: whole(inputs["input_ids"].row(row)),
            attended,
            baseline: whole(inputs["baseline_ids"].row(row)),
            alpha,
        }
    };
    match alphas {
        Some(alphas) => alphas.iter().map(|&alpha| row(0, alpha)).collect(),
        None => inputs["alpha"].data.iter().enumerate().map(|(n, &alpha)| row(n, alpha)).collect(),
    }
}

fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
    (0..tensor.shape[0]).map(|row| tensor.row(row).to_vec()).collect()
}

fn each_model(check: impl Fn(&GradientGoldens, &Gradients, &str)) {
    let engine = graph_engine();
    for goldens in gradient_goldens() {
        let gradients = Gradients::load(&goldens.model, engine);
        check(&goldens, &gradients, &format!("{} on {engine}", goldens.model));
    }
}

#[test]
fn gradients_are_those_of_autograd() {
    each_model(|goldens, Gradients { file, matrices }, place| {
        let mut largest = 0.0_f64;
        for case in &goldens.cases {
            let concept = case.inputs["concept"].data[0] as usize;
            let masks: Vec<_> = matrices.iter().map(|matrix| matrix.mask(case.masks)).collect();
            let (points, given) =
                (points(&case.inputs, None), rows(&case.inputs["logit_gradient"]));
            let logits = file.logits(concept, &masks, &points).expect("it runs").concat();
            largest = largest.max(largest_difference(&logits, &case.concept_logits.data).into());
            let embeddings = file.embedding_gradients(concept, &masks, &points, &given);
            let embeddings = embeddings.expect("it runs");
            let bits = file.mask_gradients(concept, &masks, &points, &given).expect("it runs");
            let names = masks.iter().map(|mask| format!("{}.mask_gradient", mask.layer()));
            let mut found: BTreeMap<String, Vec<f32>> = names.zip(bits).collect();
            let all = |part: fn(&sparsecbm::gradients::EmbeddingGradient) -> &Vec<f32>| {
                embeddings.iter().flat_map(part).copied().collect()
            };
            found.insert("embedding_gradient".into(), all(|found| &found.gradient));
            found.insert("embedding_change".into(), all(|found| &found.change));
            assert!(found.keys().eq(case.gradients.keys()), "{place}: outputs");
            for (name, golden) in &case.gradients {
                let error = golden.error(&found[name]);
                assert!(error < TOLERANCE, "{place}: {name}: {error:e}");
                largest = largest.max(error);
            }
        }
        println!("{place}: largest error {largest:.1e}");
        assert!(largest < TOLERANCE, "{place}: {largest:e}");
    });
}

#[test]
fn integrated_gradients_are_those_of_captum() {
    each_model(|goldens, gradients, place| {
        for case in &goldens.integrated {
            let middle = |step: usize| (step as f32 + 0.5) / case.steps as f32;
            let alphas: Vec<f32> = (0..case.steps).map(middle).collect();
            let points = points(&case.inputs, Some(&alphas));
            let classes = gradients.file.schema().class_count();
            let one = (0..classes).map(|class| f32::from(class == case.class)).collect();
            let (masks, given) = (gradients.masks(case.masks), vec![one; points.len()]);
            let file = &gradients.file;
            let found = file.embedding_gradients(case.concept, &masks, &points, &given);
            let positions = case.attributions.data.len();
            let mut sums = vec![0.0_f64; positions];
            for found in found.expect("it runs") {
                let width = found.gradient.len() / positions;
                let products = found.gradient.iter().zip(&found.change);
                for (index, (g, change)) in products.enumerate() {
                    sums[index / width] += f64::from(g * change) / case.steps as f64;
                }
            }
            let found: Vec<f32> = sums.iter().map(|&sum| sum as f32).collect();
            let expected = &case.attributions.data;
            let largest = expected.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            let error = f64::from(largest_difference(&found, expected) / largest);
            println!("{place}: integrated gradients differ by {error:.1e}");
            assert!(error < TOLERANCE, "{place}: {error:e}");
        }
    });
}

#[test]
fn what_does_not_fit_the_file_is_refused() {
    let gradients = Gradients::load("tests/models/tiny", EngineChoice::Tract);
    let (file, masks) = (&gradients.file, gradients.masks(0));
    let point = |baseline: usize, attended: usize| Point {
        ids: vec![2, 91, 3],
        attended,
        baseline: vec![0; baseline],
        alpha: 1.0,
    };
    let refused = |concept: usize, masks: &[Mask], point: Point, part: &str| {
        let error = file.logits(concept, masks, &[point]).expect_err(part);
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.place().contains(part), "no '{part}' in {error}");
    };
    file.logits(0, &masks, &[point(3, 3)]).expect("that fits");
    let concepts = file.schema().concept_count();
    refused(concepts, &masks, point(3, 3), "concept");
    refused(0, &masks[1..], point(3, 3), "masks");
    let other = Gradients::load("tests/models/tiny-executed", EngineChoice::Tract).masks(0);
    refused(0, &other, point(3, 3), "masks");
    refused(0, &masks, point(2, 3), "point");
    refused(0, &masks, point(3, 4), "point");
    for given in [vec![], vec![vec![1.0]], vec![vec![1.0, 0.0]; 2]] {
        let points = [point(3, 3)];
        let by_words = file.embedding_gradients(0, &masks, &points, &given).map(drop);
        let by_bits = file.mask_gradients(0, &masks, &points, &given).map(drop);
        for result in [by_words, by_bits] {
            let error = result.expect_err("one row of two numbers");
            assert!(error.place().contains("logit gradients"), "{error}");
        }
    }
}
