//! Checkpoints whose tensors are in several files, as Hugging Face divides large ones.

use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{SafeTensors, serialize_to_file};
use serde_json::{Map, Value, json};
use sparsecbm::{Error, ErrorKind};
use sparsecbm_exporter::{Checkpoint, ExportOptions, export};
use tempfile::TempDir;

const FILES: [&str; 2] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

fn tiny() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models/tiny")
}

/// The tiny checkpoint in two files, every other tensor in each; `change` may damage the index.
fn divided(change: impl Fn(&mut Map<String, Value>)) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in ["config.json", "sparsecbm.json", "tokenizer.json"] {
        fs::copy(tiny().join(file), folder.path().join(file)).expect("it can be copied");
    }
    let bytes = fs::read(tiny().join("model.safetensors")).expect("the file can be read");
    let tensors = SafeTensors::deserialize(&bytes).expect("it is safetensors").tensors();
    let mut holders = Map::new();
    for (half, file) in FILES.into_iter().enumerate() {
        let own: Vec<&(String, TensorView)> = tensors.iter().skip(half).step_by(2).collect();
        holders.extend(own.iter().map(|(name, _)| (name.clone(), json!(file))));
        let own = own.into_iter().map(|(name, view)| (name, view));
        serialize_to_file(own, None, &folder.path().join(file)).expect("it can be written");
    }
    change(&mut holders);
    let index = json!({ "metadata": { "total_size": 0 }, "weight_map": holders });
    fs::write(folder.path().join("model.safetensors.index.json"), index.to_string())
        .expect("it can be written");
    folder
}

#[test]
fn divided_tensors_give_the_same_file() {
    let folder = divided(|_| {});
    let [divided, whole] = [folder.path(), &tiny()].map(|folder| {
        let checkpoint = Checkpoint::open(folder).expect("the checkpoint is sound");
        let exported = export(&checkpoint, &ExportOptions::default()).expect("it can be exported");
        exported.to_bytes().expect("it can be made")
    });
    assert!(divided == whole);
}

#[test]
fn what_the_index_says_must_hold() {
    let says = |error: Error, kind: ErrorKind, place: &str, found: &str| {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.place().ends_with(place) && error.found().contains(found), "{error}");
    };
    let error = |folder: &TempDir| Checkpoint::open(folder.path()).expect_err("it is seen");
    let bias = "label_head.bias";
    let folder = divided(|holders| {
        let own = if holders[bias] == FILES[0] { FILES[1] } else { FILES[0] };
        holders.insert(bias.into(), json!(own));
    });
    says(
        error(&folder),
        ErrorKind::Format,
        "index.json: weight_map",
        "'label_head.bias' in 'model-",
    );
    let folder = divided(|holders| {
        holders.insert(bias.into(), json!("../model.safetensors"));
    });
    says(error(&folder), ErrorKind::Format, "index.json: weight_map", "'../model.safetensors'");
    let folder = divided(|holders| {
        holders.remove(bias);
    });
    says(error(&folder), ErrorKind::Model, "index.json: label_head.bias", "no such tensor");
    let folder = divided(|_| {});
    fs::remove_file(folder.path().join(FILES[1])).expect("it can be removed");
    says(error(&folder), ErrorKind::Io, FILES[1], "");
}
