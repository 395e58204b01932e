//! Every form of the exported file, from every tiny checkpoint, through the exporter's own check.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sparsecbm::{ErrorKind, onnx};
use sparsecbm_exporter::{Checkpoint, ExportOptions, Layout, MaskForm, WeightForm, export};

const WEIGHTS: [WeightForm; 3] = [WeightForm::F32, WeightForm::F16, WeightForm::Int8];
const MASKS: [MaskForm; 2] = [MaskForm::Folded, MaskForm::Packed];

/// The root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn checkpoint(name: &str) -> PathBuf {
    repository().join("tests/models").join(name)
}

/// The small models of `tests/models/registry.json`, every backbone with its variants, and whether each has the batched
/// layout.
fn checkpoints() -> Vec<(String, bool)> {
    let registry = fs::read(repository().join("tests/models/registry.json")).expect("it is there");
    let models: Vec<Value> = serde_json::from_slice(&registry).expect("it is JSON");
    let text = |model: &Value, field: &str| model[field].as_str().expect("a text").to_string();
    let small = models.iter().filter(|model| text(model, "folder").starts_with("tests/models/"));
    small.map(|model| (text(model, "name"), model["batched"] == true)).collect()
}

/// Exports every checkpoint that has `layout` in every form.
fn check_every_form(layout: Layout) {
    for (name, batched) in checkpoints() {
        if layout == Layout::Batched && !batched {
            continue;
        }
        let checkpoint = Checkpoint::open(checkpoint(&name)).expect("the checkpoint is sound");
        for weights in WEIGHTS {
            for masks in MASKS {
                let place = format!("{name} {weights:?} {masks:?} {layout:?}");
                let options = ExportOptions { weights, masks, layout, ..ExportOptions::default() };
                let exported =
                    export(&checkpoint, &options).unwrap_or_else(|e| panic!("{place}: {e}"));
                let check =
                    exported.report.check.expect("exports are checked unless told otherwise");
                for (output, difference) in check.differences.by_output() {
                    assert!(difference <= 1e-4, "{place}: {output} {difference}");
                }
                assert_eq!(check.rounding.is_some(), weights != WeightForm::F32);
            }
        }
    }
}

#[test]
fn every_form_gives_what_the_checkpoint_gives() {
    check_every_form(Layout::Branches);
}

#[test]
fn every_form_in_one_batch_gives_what_the_checkpoint_gives() {
    check_every_form(Layout::Batched);
}

#[test]
fn models_that_cannot_be_batched_are_refused() {
    for (name, _) in checkpoints().into_iter().filter(|(_, batched)| !batched) {
        let checkpoint = Checkpoint::open(checkpoint(&name)).expect("the checkpoint is sound");
        let options = ExportOptions { layout: Layout::Batched, ..ExportOptions::default() };
        let error = export(&checkpoint, &options).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Input, "{name}");
        assert!(error.to_string().contains("layout batched"), "{name}: {error}");
    }
}

#[test]
fn half_precision_weights_are_exported_exactly() {
    // The tiny checkpoint's own weights are f32; the other's are BF16 and fit f16.
    for (name, exact) in [("tiny", false), ("tiny-executed", true)] {
        let checkpoint = Checkpoint::open(checkpoint(name)).expect("the checkpoint is sound");
        let exported = export(&checkpoint, &ExportOptions::default()).expect("it can be exported");
        let rounding =
            exported.report.check.and_then(|check| check.rounding).expect("f16 may round");
        let moved = rounding.by_output().map(|(_, difference)| difference);
        assert_eq!(moved == [0.0; 4], exact, "{name}: {rounding:?}");
    }
}

#[test]
fn rounding_to_bytes_moves_probabilities_little() {
    for name in ["tiny", "tiny-executed"] {
        let checkpoint = Checkpoint::open(checkpoint(name)).expect("the checkpoint is sound");
        for masks in MASKS {
            let options =
                ExportOptions { weights: WeightForm::Int8, masks, ..ExportOptions::default() };
            let exported = export(&checkpoint, &options).expect("it can be exported");
            let rounding =
                exported.report.check.and_then(|check| check.rounding).expect("int8 rounds");
            // Measured: 0.014 to 0.039 with these random weights.
            assert!(rounding.concept_values < 0.05, "{name} {masks:?}: {rounding:?}");
        }
    }
}

#[test]
fn statistics_count_the_masks() {
    let checkpoint =
        Checkpoint::open(checkpoint("tiny-executed")).expect("the checkpoint is sound");
    let masks = checkpoint.mask_statistics().expect("masks can be read");
    assert_eq!(masks.layers.len(), 6);
    for layer in &masks.layers {
        assert_eq!(layer.block_rows, 1);
        // Random masks that keep each weight with probability 1/2: either of two keeps 3/4.
        for density in &layer.density {
            assert!((density - 0.5).abs() < 0.05, "{layer:?}");
        }
        assert!((layer.used - 0.75).abs() < 0.05, "{layer:?}");
    }
    assert_eq!((masks.overlap[0][0], masks.overlap[1][1]), (1.0, 1.0));
    assert_eq!(masks.overlap[0][1], masks.overlap[1][0]);
    let overlap = masks.mean_overlap().expect("there are two concepts");
    assert!((overlap - 1.0 / 3.0).abs() < 0.03, "{overlap}");
}

#[test]
fn dead_rows_are_left_out_of_folded_files() {
    let checkpoint = Checkpoint::open(checkpoint("gpt2-rows")).expect("the checkpoint is sound");
    let exported = |masks| {
        let options = ExportOptions { weights: WeightForm::F32, masks, ..ExportOptions::default() };
        export(&checkpoint, &options).expect("it can be exported")
    };
    let (folded, packed) = (exported(MaskForm::Folded), exported(MaskForm::Packed));
    assert_eq!(packed.report.removed_weights, 0);
    let options = ExportOptions {
        masks: MaskForm::Folded,
        layout: Layout::Batched,
        ..ExportOptions::default()
    };
    let batched = export(&checkpoint, &options).expect("it can be exported");
    assert_eq!(batched.report.removed_weights, 0, "one product has the rows of every concept");
    let masks = &folded.report.mask_statistics;
    let kept: f64 = masks.density.iter().sum();
    let linear: usize = masks.layers.iter().map(|layer| layer.rows * layer.columns).sum();
    let dead = (masks.density.len() as f64 - kept) * linear as f64;
    assert_eq!(folded.report.removed_weights as f64, dead.round(), "every row is dead or whole");
    let in_file: usize = onnx::decode(folded.to_bytes().expect("it can be made").into(), "folded")
        .expect("it is ONNX")
        .graph
        .iter()
        .flat_map(|graph| &graph.initializer)
        .filter(|tensor| tensor.name.contains("/h.") && tensor.name.ends_with(".weight"))
        .map(|tensor| tensor.raw_data.len() / 4)
        .sum();
    assert_eq!(in_file, masks.density.len() * linear - folded.report.removed_weights);
}
