//! What lands on disk: whole files, in two parts where one would be too large, and nothing after a failure.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use sparsecbm::{ErrorKind, LoadOptions, Model, onnx};
use sparsecbm_exporter::{
    Checkpoint, ExportOptions, Exported, MaskForm, WeightForm, export, inspect,
};

fn tiny() -> Checkpoint {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models/tiny");
    Checkpoint::open(folder).expect("the checkpoint is sound")
}

fn exported(checkpoint: &Checkpoint) -> Exported<'_> {
    export(checkpoint, &ExportOptions::default()).expect("the checkpoint can be exported")
}

#[test]
fn one_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    let checkpoint = tiny();
    let exported = exported(&checkpoint);
    let bytes = exported.to_bytes().expect("it can be made");
    assert_eq!(exported.report.bytes, bytes.len());
    assert_eq!(exported.write_to(&path).expect("it can be written"), std::slice::from_ref(&path));
    assert_eq!(fs::read(&path).expect("it is there"), bytes);
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[test]
fn over_the_limit_the_weights_go_beside() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    let checkpoint = tiny();
    let exported = exported(&checkpoint);
    let whole = Bytes::from(exported.to_bytes().expect("it can be made"));
    let files = exported.write_split(&path, whole.len() - 1).expect("it can be written");
    let data_path = folder.path().join("model.onnx.data");
    assert_eq!(files, [path.clone(), data_path.clone()]);
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);

    let data = Bytes::from(fs::read(&data_path).expect("the data is there"));
    let mut model = onnx::decode(fs::read(&path).expect("the file is there").into(), "model.onnx")
        .expect("it is ONNX");
    let sizes = inspect(&path).expect("it can be inspected").sizes;
    let mut moved = 0;
    for tensor in model.graph.iter_mut().flat_map(|graph| &mut graph.initializer) {
        if tensor.data_location == 0 {
            continue;
        }
        let value = |key: &str| {
            let entry = tensor.external_data.iter().find(|entry| entry.key == key);
            entry.expect("location, offset and length are given").value.clone()
        };
        assert_eq!(value("location"), "model.onnx.data");
        let offset: usize = value("offset").parse().expect("a number");
        let length: usize = value("length").parse().expect("a number");
        assert_eq!(offset % 4096, 0);
        tensor.raw_data = data.slice(offset..offset + length);
        tensor.external_data.clear();
        tensor.data_location = 0;
        moved += 1;
    }
    assert_eq!(moved, 14, "twelve linear layers and two embedding tables; the rest is small");
    assert_eq!(Bytes::from(model.encode_to_vec()), whole, "put together again it is the same file");

    fs::write(&path, &whole).expect("it can be written");
    assert_eq!(inspect(&path).expect("it can be inspected").sizes, sizes);
}

#[test]
fn a_data_file_that_is_not_the_models_own_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    let checkpoint = tiny();
    let whole = exported(&checkpoint).to_bytes().expect("it can be made");
    exported(&checkpoint).write_split(&path, 1).expect("it can be written");
    let load = || Model::load(&path, &LoadOptions::default());
    let answer =
        |model: Model| model.predict("bad plot").expect("an answer").label().logits.to_vec();
    let whole = Model::from_bytes(whole, &LoadOptions::default()).expect("it loads");
    assert_eq!(answer(load().expect("it loads")), answer(whole));

    // What an export of other weights leaves that ends between the two files.
    let data_path = folder.path().join("model.onnx.data");
    let mut data = fs::read(&data_path).expect("the data is there");
    data[0] ^= 1;
    fs::write(&data_path, data).expect("it can be written");
    let error = load().expect_err("the weights are another model's");
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(error.found().starts_with("'model.onnx.data' with checksum "), "{error}");
    assert!(error.expected().ends_with(": the file that was written with the model"), "{error}");
}

#[test]
fn a_failed_check_leaves_nothing() {
    let options = ExportOptions { atol: 1e-12, ..ExportOptions::default() };
    let checkpoint = tiny();
    let error = export(&checkpoint, &options).expect_err("floats are not that exact");
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(error.place().starts_with("check of the exported file"), "{error}");
    assert_eq!(error.expected(), "at most 1e-12");
}

#[test]
fn explanations_find_heads_and_masks_by_name() {
    for (masks, name) in [
        (MaskForm::Packed, "encoder.layer.0.attention.self.query.mask_bits"),
        (MaskForm::Packed, "encoder.layer.1.output.dense.weight"),
        (MaskForm::Folded, "visual effects/encoder.layer.1.output.dense.weight"),
        (MaskForm::Folded, "concept_head.weight"),
        (MaskForm::Packed, "label_head.weight"),
    ] {
        let options = ExportOptions {
            weights: WeightForm::F32,
            masks,
            check: false,
            ..ExportOptions::default()
        };
        let checkpoint = tiny();
        let bytes = export(&checkpoint, &options).and_then(|exported| exported.to_bytes());
        let bytes = bytes.expect("the checkpoint can be exported");
        let model = onnx::decode(bytes.into(), "model").expect("it is ONNX");
        let names = model.graph.iter().flat_map(|graph| &graph.initializer);
        assert!(names.map(|tensor| &tensor.name).any(|other| other == name), "{masks:?}: {name}");
    }
}
