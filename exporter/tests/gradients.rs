//! The gradient file: every weight form passes its own check, and what it says of itself is so.

use std::path::PathBuf;

use sparsecbm::ErrorKind;
use sparsecbm::onnx::{self, ModelProto};
use sparsecbm_exporter::{Checkpoint, ExportOptions, WeightForm, export, export_gradients};

fn checkpoint(name: &str) -> Checkpoint {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/models").join(name);
    Checkpoint::open(folder).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn decoded(bytes: Vec<u8>) -> ModelProto {
    onnx::decode(bytes.into(), "file").expect("ONNX")
}

#[test]
fn every_weight_form_is_checked() {
    for name in ["tiny", "gpt2-rows", "bilstm"] {
        let checkpoint = checkpoint(name);
        for weights in [WeightForm::F32, WeightForm::F16, WeightForm::Int8] {
            let options = ExportOptions { weights, ..ExportOptions::default() };
            let exported =
                export_gradients(&checkpoint, &options).unwrap_or_else(|e| panic!("{e}"));
            let check = exported.report.check.expect("it was checked");
            assert!(check.layers > 0 && check.mask_gradient < 0.01, "{name}: {check:?}");
        }
    }
}

#[test]
fn a_difference_is_an_error() {
    let options = ExportOptions { atol: 0.0, ..ExportOptions::default() };
    let error = export_gradients(&checkpoint("tiny"), &options).expect_err("nothing is that exact");
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(error.place().contains("concept_logits"), "{error}");
}

#[test]
fn the_two_files_of_a_checkpoint_belong_together() {
    let options = ExportOptions { check: false, ..ExportOptions::default() };
    let digests = |name: &str, weights| {
        let (checkpoint, options) =
            (checkpoint(name), ExportOptions { weights, ..options.clone() });
        let model = export(&checkpoint, &options).expect("exported").to_bytes();
        let gradients = export_gradients(&checkpoint, &options).expect("exported").to_bytes();
        [model, gradients].map(|bytes| {
            let bytes = bytes.expect("bytes");
            onnx::metadata(&decoded(bytes), "sparsecbm.checkpoint").expect("a digest").to_string()
        })
    };
    let [model, gradients] = digests("tiny", WeightForm::F32);
    assert_eq!(model, gradients);
    assert_eq!(digests("tiny", WeightForm::F16), [model.clone(), gradients]);
    assert_ne!(digests("tiny-executed", WeightForm::F32)[0], model);
}

#[test]
fn the_layers_are_those_of_the_graph() {
    let checkpoint = checkpoint("tiny");
    let options = ExportOptions { check: false, ..ExportOptions::default() };
    let exported = export_gradients(&checkpoint, &options).expect("exported");
    let file = decoded(exported.to_bytes().expect("bytes"));
    let about = onnx::metadata(&file, "sparsecbm.gradients").expect("an entry");
    let about: serde_json::Value = serde_json::from_str(about).expect("JSON");
    let graph = file.graph.expect("a graph");
    let shapes = |values: &[onnx::ValueInfoProto], ending: &str| -> Vec<(String, Vec<i64>)> {
        let layers = values.iter().filter_map(|value| {
            let layer = value.name.strip_suffix(ending)?;
            let kind = value.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
            let sizes = kind.dim.iter().map(|dim| match &dim.value {
                Some(onnx::DimensionValue::DimValue(size)) => *size,
                other => panic!("{other:?} in {}", value.name),
            });
            Some((layer.to_string(), sizes.collect()))
        });
        layers.collect()
    };
    let of = |bytes: bool| -> Vec<(String, Vec<i64>)> {
        let layers = about["layers"].as_array().expect("layers");
        let size = |layer: &serde_json::Value, field: &str| layer[field].as_i64().expect("a size");
        let layers = layers.iter().map(|layer| {
            let columns = size(layer, "columns");
            let columns = if bytes { (columns + 7) / 8 } else { columns };
            let blocks = size(layer, "rows") / size(layer, "block_rows");
            (layer["name"].as_str().expect("a name").to_string(), vec![blocks, columns])
        });
        layers.collect()
    };
    assert_eq!(shapes(&graph.input, ".mask_bits"), of(true));
    assert_eq!(shapes(&graph.output, ".mask_gradient"), of(false));
}
