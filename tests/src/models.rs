use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use serde::Deserialize;
use sparsecbm::{EngineChoice, Result};
use sparsecbm_exporter::{Checkpoint, ExportOptions, export, export_gradients};

/// A model that tests run: `tests/models/README.md` says what each field means.
#[derive(Debug, Deserialize)]
pub struct TestModel {
    pub name: String,
    pub folder: String,
    pub backbone: String,
    pub sparse: bool,
    pub batched: bool,
    pub half: bool,
    pub surfaces: Vec<String>,
}

/// Every model that tests run, the shipped one too.
pub static REGISTRY: LazyLock<Vec<TestModel>> = LazyLock::new(|| {
    let path = repository().join("tests/models/registry.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"))
});

/// The folders of those whose backbones the sparse kernels know.
pub fn known_to_sparse() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().filter(|model| model.sparse).map(|model| &*model.folder)
}

/// The folders of those that the sparse kernels do not know.
pub fn unknown_to_sparse() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().filter(|model| !model.sparse).map(|model| &*model.folder)
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the repository")
}

/// The folder of the checkpoint that a set of goldens names.
pub fn checkpoint(model: &str) -> PathBuf {
    repository().join(model)
}

/// The engine that runs graphs in these tests: tract; ONNX Runtime with the feature `onnxruntime`, whose part of the
/// tests follows that of tract; with `cuda` the first GPU.
pub fn graph_engine() -> EngineChoice {
    if cfg!(feature = "cuda") {
        EngineChoice::OrtCuda { device: 0 }
    } else if cfg!(feature = "onnxruntime") {
        EngineChoice::OrtCpu
    } else {
        EngineChoice::Tract
    }
}

/// The checkpoint in folder `model` as the bytes of an exported file; each form is exported once a
/// process.
pub fn exported(model: &str, options: &ExportOptions) -> Vec<u8> {
    once(model, &format!("{model} {options:?}"), |checkpoint| {
        export(checkpoint, options)?.to_bytes()
    })
}

/// The gradient file of the checkpoint in folder `model`, unchecked; written once a process.
pub fn exported_gradients(model: &str, options: &ExportOptions) -> Vec<u8> {
    let options = ExportOptions { check: false, ..options.clone() };
    once(model, &format!("{model} gradients {options:?}"), |checkpoint| {
        export_gradients(checkpoint, &options)?.to_bytes()
    })
}

fn once(model: &str, key: &str, write: impl FnOnce(&Checkpoint) -> Result<Vec<u8>>) -> Vec<u8> {
    static FILES: LazyLock<Mutex<HashMap<String, Vec<u8>>>> = LazyLock::new(Mutex::default);
    let mut files = FILES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(bytes) = files.get(key) {
        return bytes.clone();
    }
    let checkpoint = Checkpoint::open(checkpoint(model)).unwrap_or_else(|e| panic!("{model}: {e}"));
    let bytes = write(&checkpoint).unwrap_or_else(|e| panic!("{key}: {e}"));
    files.insert(key.into(), bytes.clone());
    bytes
}

/// The texts of the shipped model's validation reviews.
pub fn reviews() -> Vec<String> {
    let path = repository().join("examples/data/cebab/validation.jsonl");
    let lines = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let text = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        value["text"].as_str().expect("a text").to_string()
    };
    lines.lines().map(text).collect()
}
