//! Which weights each concept uses, read from exported files of both mask forms.

use sparsecbm::edit::LayerPatch;
use sparsecbm::explain::{SubnetworkReport, Subnetworks, SwitchedOff};
use sparsecbm::{ErrorKind, LoadOptions, MaskPatch, Model};
use sparsecbm_exporter::{ExportOptions, Layout, MaskForm, WeightForm};
use sparsecbm_tests::exported;

const TINY: &str = "tests/models/tiny";
/// Its folded form leaves out whole rows.
const ROWS: &str = "tests/models/gpt2-rows";
const EXECUTED: &str = "tests/models/tiny-executed";

fn options(masks: MaskForm, weights: WeightForm) -> ExportOptions {
    ExportOptions { masks, weights, ..ExportOptions::default() }
}

fn subnetworks(name: &str, masks: MaskForm) -> Subnetworks {
    Subnetworks::from_bytes(exported(name, &options(masks, WeightForm::F32)))
        .expect("masks are read")
}

#[test]
fn the_report_agrees_with_the_files_statistics() {
    let bytes = exported(TINY, &options(MaskForm::Packed, WeightForm::F32));
    let model = Model::from_bytes(bytes.clone(), &LoadOptions::default()).expect("the model loads");
    let report = Subnetworks::from_bytes(bytes).expect("masks are read").report();
    let statistics = model.masks();
    // Numbers that went through JSON may differ in their last digit.
    let same = |found: &[f64], stated: &[f64]| {
        assert_eq!(found.len(), stated.len());
        assert!(
            found.iter().zip(stated).all(|(a, b)| (a - b).abs() < 1e-12),
            "{found:?} {stated:?}"
        );
    };
    same(&report.density, &statistics.density);
    same(&report.overlap.concat(), &statistics.overlap.concat());
    for (found, stated) in report.layers.iter().zip(&statistics.layers) {
        assert_eq!(found.name, stated.name);
        same(&found.density, &stated.density);
        same(&[found.used], &[stated.used]);
    }
}

#[test]
fn patches_change_what_is_reported_as_they_change_the_model() {
    let bytes = exported(TINY, &options(MaskForm::Packed, WeightForm::F32));
    let model = Model::from_bytes(bytes.clone(), &LoadOptions::default()).expect("the model loads");
    let patch = |place: [usize; 2]| {
        let name = model.masks().layers[0].name.clone();
        let layer = LayerPatch { name, pruned: vec![place], ..LayerPatch::default() };
        MaskPatch::new(&model.schema().concepts[1].name, vec![layer])
    };
    let patches = (0..32).map(|column| [patch([0, column])]);
    let patched = patches.map(|patches| model.with_patches(&patches)).find_map(Result::ok);
    let patched = patched.expect("a row that keeps a weight");
    let report = patched.subnetworks().expect("masks are read").report();
    let before = model.subnetworks().expect("masks are read").report();
    assert_eq!(before, patched.original().subnetworks().expect("masks are read").report());
    assert_eq!(before, Subnetworks::from_bytes(bytes).expect("masks are read").report());
    assert!(report.density[1] < before.density[1]);
    for (found, stated) in report.density.iter().zip(&patched.masks().density) {
        assert!((found - stated).abs() < 1e-12, "{found} {stated}");
    }
    let twice = [patched.patches(), patched.patches()].concat();
    let error = model.with_patches(&twice).map(drop).expect_err("pruned already");
    assert!(error.to_string().contains("patch 1"), "{error}");
    let folded = exported(TINY, &options(MaskForm::Folded, WeightForm::F32));
    let folded = Model::from_bytes(folded, &LoadOptions::default()).expect("the model loads");
    let refused = folded.with_patches(patched.patches()).map(drop);
    assert_eq!(refused.expect_err("nothing to flip").kind(), ErrorKind::Input);
    assert_eq!(before, folded.subnetworks().expect("masks are read").report());
}

#[test]
fn a_loaded_model_tells_its_masks_without_its_file() {
    let bytes = exported(TINY, &options(MaskForm::Packed, WeightForm::F32));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&file, &bytes).expect("written");
    let expected = Subnetworks::load(&file).expect("masks are read").report();
    let model = Model::load(&file, &LoadOptions::default()).expect("the model loads");
    std::fs::write(&file, b"another file since").expect("written");
    assert_eq!(model.subnetworks().expect("masks are held").report(), expected);
}

#[test]
fn a_mask_overlaps_itself_wholly_and_others_alike_both_ways() {
    let report = subnetworks(TINY, MaskForm::Packed).report();
    let matrices = report.layers.iter().map(|layer| &layer.overlap).chain([&report.overlap]);
    for overlap in matrices {
        for (i, row) in overlap.iter().enumerate() {
            assert_eq!(row[i], 1.0);
            for (j, value) in row.iter().enumerate() {
                assert_eq!(*value, overlap[j][i]);
            }
        }
    }
}

#[test]
fn both_mask_forms_tell_the_same() {
    for name in [TINY, ROWS] {
        let [packed, folded]: [SubnetworkReport; 2] =
            [MaskForm::Packed, MaskForm::Folded].map(|form| subnetworks(name, form).report());
        assert_eq!(packed, folded);
    }
    let [packed, folded] =
        [MaskForm::Packed, MaskForm::Folded].map(|form| subnetworks(EXECUTED, form).report());
    assert_eq!(packed.density, folded.density);
    assert!(
        packed.overlap.concat().iter().all(|&overlap| overlap == 1.0),
        "all concepts use mask 0"
    );
    assert_eq!(packed.exclusive, vec![0.0; packed.concepts.len()]);
}

#[test]
fn both_layouts_tell_the_same() {
    for name in [TINY, ROWS] {
        for masks in [MaskForm::Packed, MaskForm::Folded] {
            let of = |layout| {
                let options = ExportOptions { layout, ..options(masks, WeightForm::F32) };
                Subnetworks::from_bytes(exported(name, &options)).expect("masks are read").report()
            };
            assert_eq!(of(Layout::Batched), of(Layout::Branches), "{name} {masks:?}");
        }
    }
}

#[test]
fn a_heat_map_has_the_density_of_its_layer() {
    let subnetworks = subnetworks(TINY, MaskForm::Packed);
    let report = subnetworks.report();
    let layer = &report.layers[0];
    for (k, concept) in report.concepts.iter().enumerate() {
        // The finest grid: every weight is a cell.
        let cells = subnetworks
            .heatmap(concept, &layer.name, layer.rows, layer.columns)
            .expect("the layer is there")
            .concat();
        let mean = f64::from(cells.iter().sum::<f32>()) / cells.len() as f64;
        assert!((mean - layer.density[k]).abs() <= 1e-6);
    }
    let error =
        subnetworks.heatmap(&report.concepts[0], "no such layer", 4, 4).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[test]
fn switching_off_what_a_concept_has_to_itself_changes_that_concept_alone() {
    let text = "The movie was very good";
    for (name, form, layout) in [
        (TINY, MaskForm::Packed, Layout::Branches),
        (TINY, MaskForm::Folded, Layout::Branches),
        (ROWS, MaskForm::Folded, Layout::Branches),
        (TINY, MaskForm::Packed, Layout::Batched),
        (ROWS, MaskForm::Folded, Layout::Batched),
    ] {
        let options = ExportOptions { layout, ..options(form, WeightForm::F32) };
        let bytes = exported(name, &options);
        let whole =
            Model::from_bytes(bytes.clone(), &LoadOptions::default()).expect("the model loads");
        let before = whole.predict(text).expect("the text has an answer");
        let report = Subnetworks::from_bytes(bytes).expect("masks are read").report();
        for (k, concept) in report.concepts.iter().enumerate() {
            assert!(report.exclusive[k] > 0.0, "{concept} has weights to itself");
            for part in [SwitchedOff::Exclusive, SwitchedOff::Shared] {
                let changed = whole.without(concept, part).expect("the concept is there");
                let less = changed.subnetworks().expect("masks are read").report();
                assert!((changed.masks().density[k] - less.density[k]).abs() < 1e-12);
                assert!(less.density[k] < report.density[k]);
                if part == SwitchedOff::Exclusive {
                    assert_eq!(less.exclusive[k], 0.0);
                    assert!(
                        (report.density[k] * (1.0 - report.exclusive[k]) - less.density[k]).abs()
                            < 1e-9
                    );
                }
                let after = changed.predict(text).expect("the changed model runs");
                for other in 0..report.concepts.len() {
                    let same =
                        before.concept_logits().row(other) == after.concept_logits().row(other);
                    assert_eq!(
                        same,
                        other != k,
                        "{concept}, {part:?}, {form:?} {layout:?}: concept {other}"
                    );
                }
            }
        }
    }
}

#[test]
fn responsibility_is_measured_on_texts() {
    let bytes = exported(TINY, &options(MaskForm::Packed, WeightForm::F32));
    let model = Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads");
    let texts = ["The movie was very good", "bad plot, unwatched acting!", ""];
    let found = model.responsibility("plot", &texts).expect("the changed models run");
    assert_eq!(found.texts, texts.len());
    assert!(found.without_exclusive.probability_lost != 0.0);
    assert!((0.0..=1.0).contains(&found.without_exclusive.class_changed));
}

#[test]
fn what_is_no_exported_file_is_refused() {
    let error = Subnetworks::from_bytes(b"not a model".to_vec()).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Format);
    let error = Subnetworks::load("no/such/file.onnx").expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Io);
}
