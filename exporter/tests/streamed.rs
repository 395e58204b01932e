//! What is written piece by piece, each tensor read from the checkpoint when its turn comes, is what prost writes of
//! the whole model.

use std::fs;
use std::path::Path;

use prost::Message;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};
use sparsecbm::{ErrorKind, onnx};
use sparsecbm_exporter::{
    Checkpoint, ExportOptions, Layout, MaskForm, WeightForm, export, export_gradients,
};
use tempfile::TempDir;

const WEIGHTS: [WeightForm; 3] = [WeightForm::F32, WeightForm::F16, WeightForm::Int8];
const FORMS: [(MaskForm, Layout); 4] = [
    (MaskForm::Folded, Layout::Branches),
    (MaskForm::Packed, Layout::Branches),
    (MaskForm::Folded, Layout::Batched),
    (MaskForm::Packed, Layout::Batched),
];

fn models() -> impl Iterator<Item = (String, Checkpoint)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models");
    let entries = fs::read_dir(folder).expect("the folder of tiny models");
    let folders = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    folders.filter(|path| path.join("sparsecbm.json").exists()).map(|path| {
        let checkpoint = Checkpoint::open(&path).expect("the checkpoint is sound");
        (path.display().to_string(), checkpoint)
    })
}

/// Compares bytes with those that prost gives for the model in them.
fn assert_whole(place: &str, bytes: Vec<u8>, said: usize) {
    assert_eq!(bytes.len(), said, "{place}: the length that was known beforehand");
    let model = onnx::decode(bytes.clone().into(), place).expect("it is ONNX");
    assert!(model.encode_to_vec() == bytes, "{place}: the same fields in the same order");
}

#[test]
fn pieces_are_the_whole_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, mut compared) = (folder.path().join("model.onnx"), 0);
    for (name, checkpoint) in models() {
        for weights in WEIGHTS {
            for (masks, layout) in FORMS {
                let place = format!("{name} {weights:?} {masks:?} {layout:?}");
                let check = false;
                let options =
                    ExportOptions { weights, masks, layout, check, ..ExportOptions::default() };
                // Not every model has the batched layout.
                let exported = match export(&checkpoint, &options) {
                    Err(e) if layout == Layout::Batched && e.kind() == ErrorKind::Input => continue,
                    exported => exported.unwrap_or_else(|e| panic!("{place}: {e}")),
                };
                let bytes = exported.to_bytes().expect("it can be made");
                let said = exported.report.bytes;
                exported.write_to(&path).expect("it can be written");
                assert!(fs::read(&path).expect("it is there") == bytes, "{place}");
                assert_whole(&place, bytes, said);
                compared += 1;
            }
            let options = ExportOptions { weights, check: false, ..ExportOptions::default() };
            let gradients = export_gradients(&checkpoint, &options).expect("it can be made");
            let bytes = gradients.to_bytes().expect("it can be made");
            assert_whole(&format!("{name} gradients {weights:?}"), bytes, gradients.report.bytes);
        }
    }
    assert!(compared >= 11 * 3 * 2, "{compared}");
}

/// The tiny checkpoint with one number of a weight changed.
fn with_number(number: f32) -> TempDir {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models/tiny");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in ["config.json", "sparsecbm.json", "tokenizer.json"] {
        fs::copy(source.join(file), folder.path().join(file)).expect("it can be copied");
    }
    let bytes = fs::read(source.join("model.safetensors")).expect("the file can be read");
    let tensors = SafeTensors::deserialize(&bytes).expect("it is safetensors").tensors();
    let changed: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, view)| {
            let mut data = view.data().to_vec();
            if name == "encoder.layer.1.output.dense.weight" {
                data[..4].copy_from_slice(&number.to_le_bytes());
            }
            (name.clone(), view.dtype(), view.shape().to_vec(), data)
        })
        .collect();
    let views = changed.iter().map(|(name, kind, shape, data)| {
        (name, TensorView::new(*kind, shape.clone(), data).expect("a value an element"))
    });
    serialize_to_file(views, None, &folder.path().join("model.safetensors")).expect("written");
    folder
}

#[test]
fn what_fails_while_it_is_written_leaves_nothing() {
    let options = ExportOptions { check: false, ..ExportOptions::default() };
    for (number, kind, found) in
        [(1e6, ErrorKind::Input, "1000000"), (f32::NAN, ErrorKind::Model, "NaN")]
    {
        let source = with_number(number);
        let checkpoint = Checkpoint::open(source.path()).expect("the parts fit");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("model.onnx");
        for limit in [usize::MAX, 0] {
            let exported = export(&checkpoint, &options).expect("nothing was read yet");
            let error = exported.write_split(&path, limit).expect_err("no 16-bit number");
            assert_eq!(error.kind(), kind, "{error}");
            let said = (error.place(), error.found());
            assert!(said.0.ends_with("encoder.layer.1.output.dense.weight"), "{error}");
            assert!(said.1.contains(found), "{error}");
            assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
        }
    }
}

#[test]
fn a_checkpoint_that_is_cut_short_is_an_error() {
    let source = with_number(0.0);
    let checkpoint = Checkpoint::open(source.path()).expect("the parts fit");
    let options = ExportOptions { check: false, ..ExportOptions::default() };
    let exported = export(&checkpoint, &options).expect("all is there");
    let file = fs::File::options().write(true).open(source.path().join("model.safetensors"));
    file.and_then(|file| file.set_len(4096)).expect("it can be cut");
    let error = exported.to_bytes().expect_err("tensors are gone");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.place().ends_with("model.safetensors"), "{error}");
}
