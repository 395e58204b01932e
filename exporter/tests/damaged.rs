//! Damaged checkpoints: each gives an error that names the place, what was found and what was expected.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};
use serde_json::{Value, json};
use sparsecbm::{Error, ErrorKind};
use sparsecbm_exporter::{Checkpoint, inspect};
use tempfile::TempDir;

const QUERY: &str = "encoder.layer.0.attention.self.query";

/// A copy of a tiny checkpoint, to be damaged.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn of(name: &str) -> Copy {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models").join(name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        for entry in fs::read_dir(source).expect("the checkpoint is there") {
            let entry = entry.expect("the folder can be read");
            fs::copy(entry.path(), folder.path().join(entry.file_name()))
                .expect("it can be copied");
        }
        Copy { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Changes one of the JSON files.
    fn edit(self, file: &str, change: impl Fn(&mut Value)) -> Copy {
        let text = fs::read(self.path(file)).expect("the file can be read");
        let mut value = serde_json::from_slice(&text).expect("it is JSON");
        change(&mut value);
        fs::write(self.path(file), value.to_string()).expect("it can be written");
        self
    }

    /// Changes the list of tensors: each a name, type, shape and bytes.
    fn edit_tensors(self, change: impl Fn(&mut Vec<Tensor>)) -> Copy {
        let path = self.path("model.safetensors");
        let bytes = fs::read(&path).expect("the file can be read");
        let read = SafeTensors::deserialize(&bytes).expect("it is safetensors");
        let mut tensors: Vec<Tensor> = read
            .tensors()
            .into_iter()
            .map(|(name, view)| Tensor {
                name,
                kind: view.dtype(),
                shape: view.shape().to_vec(),
                bytes: view.data().to_vec(),
            })
            .collect();
        change(&mut tensors);
        let views = tensors.iter().map(|tensor| {
            let view = TensorView::new(tensor.kind, tensor.shape.clone(), &tensor.bytes);
            (tensor.name.as_str(), view.expect("shape and bytes agree"))
        });
        serialize_to_file(views, None, &path).expect("it can be written");
        self
    }

    fn error(&self) -> Error {
        Checkpoint::open(self.folder.path()).expect_err("the damage is seen")
    }
}

struct Tensor {
    name: String,
    kind: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn named<'a>(tensors: &'a mut [Tensor], name: &str) -> &'a mut Tensor {
    tensors.iter_mut().find(|tensor| tensor.name == name).expect("the checkpoint has the tensor")
}

/// Checks kind, place, found and expected of an error.
fn assert_says(error: &Error, kind: ErrorKind, place: &str, found: &str, expected: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.place().ends_with(place), "{error}\nshould be at {place}");
    assert!(error.found().contains(found), "{error}\nshould have found {found}");
    assert!(error.expected().contains(expected), "{error}\nshould expect {expected}");
}

#[test]
fn a_folder_that_is_none() {
    let copy = Copy::of("tiny");
    let error = Checkpoint::open(copy.path("config.json")).expect_err("a file is no folder");
    assert_says(&error, ErrorKind::Io, "config.json", "a file", "a checkpoint's folder");
    let error = Checkpoint::open(copy.path("nowhere")).expect_err("there is no such folder");
    assert_says(&error, ErrorKind::Io, "nowhere", "nothing", "a checkpoint's folder");
}

#[test]
fn a_missing_file() {
    for file in ["config.json", "sparsecbm.json", "tokenizer.json", "model.safetensors"] {
        let copy = Copy::of("tiny");
        fs::remove_file(copy.path(file)).expect("the file can be removed");
        assert_says(&copy.error(), ErrorKind::Io, file, "", "a readable file");
    }
}

#[test]
fn truncated_safetensors() {
    let copy = Copy::of("tiny");
    let path = copy.path("model.safetensors");
    let bytes = fs::read(&path).expect("the file can be read");
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).expect("it can be written");
        let found = format!("{length} bytes");
        let error = copy.error();
        assert_says(&error, ErrorKind::Format, "model.safetensors", &found, "truncated");
    }
    fs::write(&path, b"this is certainly not a safetensors file").expect("it can be written");
    assert_says(
        &copy.error(),
        ErrorKind::Format,
        "model.safetensors",
        "large",
        "a safetensors file",
    );
}

#[test]
fn missing_tensors() {
    for (name, expected) in [
        ("encoder.layer.1.output.dense.weight", "floats of shape [32, 48]"),
        ("embeddings.LayerNorm.bias", "floats of shape [32]"),
        ("concept_head.weight", "floats of shape [3, 2, 32]"),
        ("label_head.bias", "floats of shape [4]"),
        ("encoder.layer.0.attention.self.query.mask_list.2", "a tensor of that name"),
    ] {
        let copy = Copy::of("tiny").edit_tensors(|tensors| tensors.retain(|t| t.name != name));
        assert_says(&copy.error(), ErrorKind::Model, name, "no such tensor", expected);
    }
    let copy = Copy::of("tiny").edit_tensors(|tensors| {
        tensors.retain(|t| !t.name.contains("0.attention.self.query.mask"))
    });
    assert_says(&copy.error(), ErrorKind::Model, QUERY, "no masks", "query.mask_bits' or");
}

#[test]
fn wrong_shapes_and_types() {
    let weight = "encoder.layer.0.intermediate.dense.weight";
    let copy = Copy::of("tiny").edit_tensors(|tensors| named(tensors, weight).shape = vec![32, 48]);
    assert_says(&copy.error(), ErrorKind::Model, weight, "shape [32, 48]", "shape [48, 32]");
    let copy = Copy::of("tiny").edit_tensors(|tensors| named(tensors, weight).kind = Dtype::I32);
    assert_says(&copy.error(), ErrorKind::Model, weight, "I32", "F32, F16 or BF16");
    let head = "effect_head.weight";
    let copy =
        Copy::of("tiny-executed").edit_tensors(|tensors| named(tensors, head).shape = vec![6, 3]);
    assert_says(&copy.error(), ErrorKind::Model, head, "shape [6, 3]", "shape [3, 6]");
}

#[test]
fn numbers_that_are_none() {
    let bias = "label_head.bias";
    let copy = Copy::of("tiny").edit_tensors(|tensors| {
        named(tensors, bias).bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    let checkpoint = Checkpoint::open(copy.folder.path()).expect("values are read when needed");
    let error = sparsecbm_exporter::export(&checkpoint, &Default::default()).expect_err("a NaN");
    assert_says(&error, ErrorKind::Model, bias, "NaN", "finite numbers");
}

#[test]
fn masks_of_another_size() {
    let bits = format!("{QUERY}.mask_bits");
    let copy = Copy::of("tiny-executed").edit_tensors(|tensors| {
        let mask = named(tensors, &bits);
        mask.shape = vec![2, 36, 4];
        mask.bytes.truncate(2 * 36 * 4);
    });
    let error = copy.error();
    assert_says(&error, ErrorKind::Model, &bits, "shape [2, 36, 4]", "shape [2, R, 5]");
    let copy = Copy::of("tiny-executed").edit_tensors(|tensors| {
        let mask = named(tensors, &bits);
        mask.shape = vec![1, 36, 5];
        mask.bytes.truncate(36 * 5);
    });
    assert_says(&copy.error(), ErrorKind::Model, &bits, "shape [1, 36, 5]", "2 masks of 36 × 36");
    // Seven block rows do not divide 36 rows.
    let copy = Copy::of("tiny-executed").edit_tensors(|tensors| {
        let mask = named(tensors, &bits);
        mask.shape = vec![2, 7, 5];
        mask.bytes.truncate(2 * 7 * 5);
    });
    assert_says(&copy.error(), ErrorKind::Model, &bits, "[2, 7, 5]", "R a divisor of 36");
    let listed = "encoder.layer.0.intermediate.dense.mask_list.1";
    let copy = Copy::of("tiny").edit_tensors(|tensors| named(tensors, listed).shape = vec![32, 48]);
    assert_says(&copy.error(), ErrorKind::Model, listed, "shape [32, 48]", "shape [48, 32]");
}

#[test]
fn masks_that_are_not_zero_and_one() {
    let listed = format!("{QUERY}.mask_list.1");
    let copy = Copy::of("tiny").edit_tensors(|tensors| {
        named(tensors, &listed).bytes[..4].copy_from_slice(&0.5_f32.to_le_bytes());
    });
    assert_says(&copy.error(), ErrorKind::Model, &listed, "0.5", "0 or 1");
    let bits = format!("{QUERY}.mask_bits");
    // 36 columns use the lower half of the fifth byte.
    let copy = Copy::of("tiny-executed").edit_tensors(|tensors| {
        named(tensors, &bits).bytes[4] |= 0x80;
    });
    assert_says(
        &copy.error(),
        ErrorKind::Model,
        &bits,
        "beyond column 35",
        "unused bits that are 0",
    );
}

#[test]
fn masks_too_many() {
    let mask =
        |name: String| Tensor { name, kind: Dtype::U8, shape: vec![32, 32], bytes: vec![1; 1024] };
    let fourth = format!("{QUERY}.mask_list.3");
    let copy = Copy::of("tiny").edit_tensors(|tensors| tensors.push(mask(fourth.clone())));
    assert_says(&copy.error(), ErrorKind::Model, &fourth, "more than 3", "one mask a concept");
    let unknown = "encoder.layer.7.output.dense.mask_list.0";
    let copy = Copy::of("tiny").edit_tensors(|tensors| tensors.push(mask(unknown.into())));
    assert_says(&copy.error(), ErrorKind::Model, unknown, "unknown layer", "linear layers of bert");
    let both = format!("{QUERY}.mask_bits");
    let copy = Copy::of("tiny").edit_tensors(|tensors| tensors.push(mask(both.clone())));
    assert_says(&copy.error(), ErrorKind::Model, QUERY, "both as", "one of the two");
}

#[test]
fn an_effect_head_where_none_belongs() {
    let name = "effect_head.weight";
    let head =
        || Tensor { name: name.into(), kind: Dtype::F32, shape: vec![4, 6], bytes: vec![0; 96] };
    let copy = Copy::of("tiny").edit_tensors(|tensors| tensors.push(head()));
    assert_says(
        &copy.error(),
        ErrorKind::Model,
        name,
        "'replace'",
        "no head that it does not read",
    );
}

#[test]
fn heads_of_concepts_with_fewer_classes() {
    let edited = |name: &str, at: usize, value: f32| {
        let copy = Copy::of("ragged").edit_tensors(|tensors| {
            named(tensors, name).bytes[4 * at..][..4].copy_from_slice(&value.to_le_bytes());
        });
        copy.error()
    };
    // The first concept has two classes of five.
    let error = edited("concept_head.bias", 2, 0.0);
    assert_says(
        &error,
        ErrorKind::Model,
        "concept_head.bias",
        "concept 'seen', which has 2",
        "-10000",
    );
    let error = edited("suppose_head.weight", 4, 1.0);
    assert_says(&error, ErrorKind::Model, "suppose_head.weight", "1 for class 4", "0 there");
    let copy = Copy::of("ragged").edit_tensors(|tensors| {
        tensors.retain(|tensor| tensor.name != "suppose_hidden.output");
    });
    assert_says(
        &copy.error(),
        ErrorKind::Model,
        "suppose_hidden.output",
        "no such tensor",
        "floats",
    );
    let copy = Copy::of("ragged").edit_tensors(|tensors| {
        tensors.retain(|tensor| tensor.name != "correct_head.weight");
    });
    assert_says(&copy.error(), ErrorKind::Model, "correct_head.weight", "no such tensor", "floats");
    let copy = Copy::of("ragged").edit("sparsecbm.json", |schema| {
        schema["label"]["values"] = json!([1, 2]);
    });
    let expected = "7 finite numbers, one a class";
    assert_says(&copy.error(), ErrorKind::Model, "'verdict': values", "[1.0, 2.0]", expected);
}

#[test]
fn schemas() {
    let file = "sparsecbm.json";
    let edited = |change: fn(&mut Value)| Copy::of("tiny").edit(file, change).error();
    let error = edited(|schema| schema["version"] = json!("2.0"));
    assert_says(&error, ErrorKind::Version, "sparsecbm.json: version", "version 2.0", "1.x");
    let error = edited(|schema| schema["semantics"] = json!("as-hoped"));
    assert_says(&error, ErrorKind::Format, file, "`as-hoped`", "schema");
    let error = edited(|schema| schema["calibration"]["class_logits"] = json!([[[0.0]]]));
    assert_says(
        &error,
        ErrorKind::Model,
        "class_logits",
        "another shape",
        "as many rows and columns",
    );
    let error = edited(|schema| schema["calibration"]["temperature"] = json!(0.0));
    assert_says(&error, ErrorKind::Model, "temperature", "0", "above 0");
    let error = edited(|schema| schema["max_length"] = json!(41));
    assert_says(&error, ErrorKind::Model, "max_length", "41", "at most the backbone's 40");
    let copy = Copy::of("tiny");
    fs::write(copy.path(file), "{").expect("it can be written");
    assert_says(&copy.error(), ErrorKind::Format, file, "EOF", "a SparseCBM schema as JSON");
}

#[test]
fn configurations() {
    let file = "config.json";
    let edited = |change: fn(&mut Value)| Copy::of("tiny").edit(file, change).error();
    let error = edited(|config| config["model_type"] = json!("mamba"));
    assert_says(&error, ErrorKind::Model, "model_type", "'mamba'", "'bert'");
    let error = edited(|config| config["hidden_act"] = json!("silu"));
    assert_says(&error, ErrorKind::Model, "hidden_act", "'silu'", "'gelu', 'gelu_new' or 'relu'");
    let error = edited(|config| config["position_embedding_type"] = json!("relative_key"));
    assert_says(
        &error,
        ErrorKind::Model,
        "position_embedding_type",
        "'relative_key'",
        "'absolute'",
    );
    let error = edited(|config| config["num_attention_heads"] = json!(3));
    assert_says(&error, ErrorKind::Model, "hidden_size", "32", "a multiple");
    let error = edited(|config| config["num_attention_heads"] = json!(0));
    assert_says(&error, ErrorKind::Model, "num_attention_heads", "0", "at least 1");
    let error = edited(|config| config["num_hidden_layers"] = json!(u64::MAX));
    assert_says(&error, ErrorKind::Model, "num_hidden_layers", "18446744073709551615", "1 to 1000");
    let error = edited(|config| config["hidden_size"] = json!(-1));
    assert_says(&error, ErrorKind::Format, file, "-1", "configuration");
    let error = edited(|config| config["intermediate_size"] = json!(u64::MAX));
    assert_says(
        &error,
        ErrorKind::Model,
        "intermediate.dense.bias",
        "[48]",
        "[18446744073709551615]",
    );
    let error = edited(|config| config["vocab_size"] = json!(7));
    assert_says(&error, ErrorKind::Model, "tokenizer.json", "token id", "ids below 7");
}

#[test]
fn a_broken_tokenizer() {
    let copy = Copy::of("tiny").edit("tokenizer.json", |tokenizer| *tokenizer = json!({}));
    assert_says(&copy.error(), ErrorKind::Format, "tokenizer.json", "", "a Hugging Face tokenizer");
    let path = copy.path("tokenizer.json");
    let sound = fs::read_to_string(Copy::of("tiny").path("tokenizer.json")).expect("it is there");
    let broken = sound.replace(r#""decoder": null"#, r#""decoder": Oull"#);
    assert_ne!(broken, sound);
    fs::write(path, broken).expect("it can be written");
    let (found, expected) = ("panic", "a Hugging Face tokenizer");
    assert_says(&copy.error(), ErrorKind::Format, "tokenizer.json", found, expected);
}

#[test]
fn inspecting_what_is_no_model() {
    let copy = Copy::of("tiny");
    let error = inspect(copy.path("config.json")).expect_err("JSON is not ONNX");
    assert_says(&error, ErrorKind::Format, "config.json", "bytes", "an ONNX model");
    let error = inspect(copy.path("nowhere")).expect_err("there is no such file");
    assert_says(&error, ErrorKind::Io, "nowhere", "", "an ONNX file");
}
