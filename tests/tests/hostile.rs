//! Files from strangers: whatever is wrong with one, loading gives a model or an error, never a panic.
//!
//! [`sparsecbm_tests::hostile`] tells how to break more of them.

use prost::Message;
use sparsecbm::explain::Subnetworks;
use sparsecbm::onnx::{self, ModelProto, StringStringEntryProto};
use sparsecbm::{EngineChoice, ErrorKind, LoadOptions, Model};
use sparsecbm_exporter::{ExportOptions, MaskForm};
use sparsecbm_tests::exported;
use sparsecbm_tests::hostile::{EXTREMES, change_somewhere, for_each_seed};

const TINY: &str = "tests/models/tiny";
/// Of another make: causal, with projections that are one.
const GPT2: &str = "tests/models/gpt2";

fn file(model: &str, masks: MaskForm) -> Vec<u8> {
    exported(model, &ExportOptions { masks, ..ExportOptions::default() })
}

/// Loads a file on every engine that needs no other library and uses what loads.
fn use_it(bytes: &[u8]) {
    for engine in [EngineChoice::Sparse, EngineChoice::Tract] {
        let options = LoadOptions::default().with_engine(engine);
        let Ok(model) = Model::from_bytes(bytes.to_vec(), &options) else { continue };
        // A loaded model may give any numbers, and may fail on a text.
        let Ok(prediction) = model.predict("bad plot, good acting!") else { continue };
        let concept = prediction.model().schema().concepts[0].clone();
        let _ = prediction.intervene([(&concept.name, concept.classes[0].as_str())]);
        let _ = prediction.explain(&Default::default());
    }
    if let Ok(subnetworks) = Subnetworks::from_bytes(bytes.to_vec()) {
        let _ = subnetworks.report();
    }
}

/// Breaks sound files again and again, and uses each result.
fn break_often(masks: MaskForm, damage: impl Fn(&mut fastrand::Rng, &mut Vec<u8>)) {
    let sound = [TINY, GPT2].map(|model| file(model, masks));
    for_each_seed(|random| {
        let mut bytes = random.choice(&sound).expect("some").clone();
        damage(random, &mut bytes);
        use_it(&bytes);
    });
}

/// Changes the decoded model.
fn edit(bytes: &mut Vec<u8>, change: impl FnOnce(&mut ModelProto)) {
    let mut model = onnx::decode(bytes.clone().into(), "model").expect("it was sound");
    change(&mut model);
    *bytes = model.encode_to_vec();
}

#[test]
fn bytes_changed_anywhere() {
    break_often(MaskForm::Packed, |random, bytes| {
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..bytes.len());
            bytes[place] = random.u8(..);
        }
    });
}

#[test]
fn bytes_cut_off() {
    break_often(MaskForm::Packed, |random, bytes| bytes.truncate(random.usize(..bytes.len())));
}

#[test]
fn nodes_that_do_other_things() {
    for masks in [MaskForm::Packed, MaskForm::Folded] {
        break_often(masks, |random, bytes| {
            edit(bytes, |model| {
                let nodes = &mut model.graph.as_mut().expect("a graph").node;
                let other = random.choice(nodes.iter()).expect("nodes").clone();
                let index = random.usize(..nodes.len());
                let node = &mut nodes[index];
                match random.u8(..7) {
                    0 => node.op_type = other.op_type,
                    1 => node.input = other.input,
                    2 => node.attribute = other.attribute,
                    3 => node.input.truncate(random.usize(..=node.input.len())),
                    4 => node.input.reverse(),
                    5 => drop(nodes.remove(index)),
                    _ => {
                        for attribute in &mut node.attribute {
                            attribute.i = *random.choice(&EXTREMES).expect("some");
                            for number in &mut attribute.ints {
                                *number = *random.choice(&EXTREMES).expect("some");
                            }
                        }
                    }
                }
            });
        });
    }
}

#[test]
fn constants_of_other_shapes_and_numbers() {
    for masks in [MaskForm::Packed, MaskForm::Folded] {
        break_often(masks, |random, bytes| {
            edit(bytes, |model| {
                let tensors = &mut model.graph.as_mut().expect("a graph").initializer;
                let other = random.choice(tensors.iter()).expect("constants").clone();
                let index = random.usize(..tensors.len());
                let tensor = &mut tensors[index];
                match random.u8(..7) {
                    0 => tensor.dims = other.dims,
                    6 => {
                        // Sound, but empty, and as long or wide as it likes.
                        let sizes = [1, 3, 1000, 1 << 40, 1 << 61, i64::MAX];
                        tensor.dims.fill_with(|| *random.choice(&sizes).expect("some"));
                        if let Some(size) = tensor.dims.first_mut() {
                            *size = 0;
                        }
                        tensor.raw_data.clear();
                    }
                    1 => tensor.dims.reverse(),
                    2 => tensor.data_type = other.data_type,
                    3 => {
                        for size in &mut tensor.dims {
                            *size = *random.choice(&EXTREMES).expect("some");
                        }
                    }
                    4 => {
                        // Whole and sound, but of the wrong size.
                        tensor.dims = other.dims;
                        tensor.data_type = other.data_type;
                        tensor.raw_data = other.raw_data;
                    }
                    _ => {
                        let number = *random.choice(&EXTREMES).expect("some");
                        let count = tensor.raw_data.len() / size_of::<i64>();
                        let rest = tensor.raw_data.len() % size_of::<i64>();
                        let mut raw: Vec<u8> = number.to_le_bytes().repeat(count);
                        raw.resize(count * size_of::<i64>() + rest, 0);
                        tensor.raw_data = raw.into();
                    }
                }
            });
        });
    }
}

#[test]
fn metadata_with_other_values() {
    break_often(MaskForm::Packed, |random, bytes| {
        edit(bytes, |model| {
            let index = random.usize(..model.metadata_props.len());
            let entry: &mut StringStringEntryProto = &mut model.metadata_props[index];
            let Ok(mut value) = serde_json::from_str(&entry.value) else {
                entry.value =
                    random.choice(["", "1", "2.0", "1.x", "-1.0", "1.99"]).unwrap().into();
                return;
            };
            for _ in 0..random.usize(1..3) {
                change_somewhere(random, &mut value);
            }
            entry.value = value.to_string();
        });
    });
}

/// The error that a changed file gives.
fn error(change: impl FnOnce(&mut ModelProto)) -> sparsecbm::Error {
    let mut bytes = file(TINY, MaskForm::Packed);
    edit(&mut bytes, change);
    Model::from_bytes(bytes, &LoadOptions::default()).expect_err("the file is refused")
}

#[test]
fn a_header_that_asks_for_more_than_there_is() {
    let error = error(|model| {
        let tensors = &mut model.graph.as_mut().expect("a graph").initializer;
        tensors[0].dims = vec![1 << 20, 1 << 20];
    });
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(error.to_string().contains("[1048576, 1048576]"), "{error}");
}

#[test]
fn an_empty_constant_that_claims_to_be_wide() {
    let error = error(|model| {
        let tensors = &mut model.graph.as_mut().expect("a graph").initializer;
        tensors[0].dims = vec![0, 1 << 40];
        tensors[0].raw_data.clear();
    });
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(error.to_string().contains("[0, 1099511627776]"), "{error}");
}

#[test]
fn a_length_without_end() {
    let error = error(|model| {
        let entry = model.metadata_props.iter_mut().find(|e| e.key == "sparsecbm.schema").unwrap();
        let mut schema: serde_json::Value = serde_json::from_str(&entry.value).expect("JSON");
        schema["max_length"] = u64::MAX.into();
        entry.value = schema.to_string();
    });
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(error.place().ends_with("max_length"), "{error}");
}

/// Changes the tokenizer of a model.
fn edit_tokenizer(model: &mut ModelProto, change: impl FnOnce(&mut serde_json::Value)) {
    let mut entries = model.metadata_props.iter_mut();
    let entry = entries.find(|entry| entry.key == "sparsecbm.tokenizer").expect("a tokenizer");
    let mut tokenizer: serde_json::Value = serde_json::from_str(&entry.value).expect("JSON");
    change(&mut tokenizer);
    entry.value = tokenizer.to_string();
}

/// The tiny model with another tokenizer, on the engine that runs files of strangers.
fn with_tokenizer(change: impl FnOnce(&mut serde_json::Value)) -> sparsecbm::Result<Model> {
    let mut bytes = file(TINY, MaskForm::Packed);
    edit(&mut bytes, |model| edit_tokenizer(model, change));
    let options = LoadOptions::default().with_engine(EngineChoice::Sparse);
    Model::from_bytes(bytes, &options)
}

#[test]
fn a_tokenizer_that_names_a_token_it_does_not_have() {
    let error = error(|model| {
        edit_tokenizer(model, |tokenizer| {
            tokenizer["post_processor"]["special_tokens"] = serde_json::json!({});
        });
    });
    assert_eq!(error.kind(), ErrorKind::Format);
    assert!(error.place().contains("sparsecbm.tokenizer"), "{error}");
}

#[test]
fn a_tokenizer_that_makes_much_of_little() {
    let twice = serde_json::json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    let long = "a".repeat(100_000);
    let once = serde_json::json!({"type": "Replace", "pattern": {"Regex": ""}, "content": long});
    let bytes = serde_json::json!({"type": "ByteLevel"});
    for rules in [vec![twice; 40], vec![once], vec![bytes; 40]] {
        let sequence = serde_json::json!({"type": "Sequence", "normalizers": rules});
        let nested = serde_json::json!({"type": "Sequence", "normalizers": [sequence]});
        let error = with_tokenizer(|tokenizer| tokenizer["normalizer"] = nested);
        let error = error.expect_err("a text would have no end");
        assert_eq!(error.kind(), ErrorKind::Model, "{error}");
        assert_eq!(error.place(), "sparsecbm.tokenizer: normalizer", "{error}");
    }
    for (field, value) in [
        ("max_input_chars_per_word", u64::MAX.into()),
        ("continuing_subword_prefix", "#".repeat(100_000).into()),
    ] {
        let error = with_tokenizer(|tokenizer| tokenizer["model"][field] = value);
        let error = error.expect_err("a word would take without end");
        assert_eq!(error.kind(), ErrorKind::Model, "{error}");
        assert_eq!(error.place(), format!("sparsecbm.tokenizer: model: {field}"), "{error}");
    }
}

#[test]
fn a_tokenizer_whose_template_repeats_the_text() {
    let model = with_tokenizer(|tokenizer| {
        let text = serde_json::json!({"Sequence": {"id": "A", "type_id": 0}});
        tokenizer["post_processor"]["single"] = vec![text; 1000].into();
    });
    let model = model.expect("an empty text has room");
    let text = "bad plot, good acting! ".repeat(100);
    let error = model.predict(&text).expect_err("longer than max_length");
    assert_eq!((error.kind(), error.place()), (ErrorKind::Model, "tokenizer"), "{error}");
}

#[test]
fn an_expression_without_end_gives_up() {
    // The library ends the search where it has taken too many steps; what is left of the text is one word.
    let model = with_tokenizer(|tokenizer| {
        tokenizer["pre_tokenizer"] = serde_json::json!({
            "type": "Split", "pattern": {"Regex": r"(a|a|aa)+\1b"}, "behavior": "Isolated", "invert": false,
        });
    });
    let model = model.expect("the expression is sound");
    let start = std::time::Instant::now();
    model.predict(&"a".repeat(1000)).expect("an answer");
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn a_graph_within_the_graph() {
    let error = error(|model| {
        let inner = model.graph.clone();
        let node = &mut model.graph.as_mut().expect("a graph").node[0];
        node.attribute.push(onnx::AttributeProto {
            name: "body".into(),
            g: inner,
            ..Default::default()
        });
    });
    assert!(error.to_string().contains("a graph without inner graphs"), "{error}");
}

/// What is said of the tiny model with `body` as the body of a scan.
fn error_of_scan(body: onnx::GraphProto) -> sparsecbm::Error {
    error(|model| model.graph.as_mut().expect("a graph").node.push(scan(body.clone())))
}

fn scan(body: onnx::GraphProto) -> onnx::NodeProto {
    onnx::NodeProto {
        op_type: "Scan".into(),
        name: "scan".into(),
        attribute: vec![onnx::AttributeProto {
            name: "body".into(),
            g: Some(body),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn a_scan_within_a_scan() {
    let inner = onnx::GraphProto { node: vec![scan(Default::default())], ..Default::default() };
    let error = error_of_scan(inner);
    assert!(error.to_string().contains("a graph without inner graphs"), "{error}");
}

#[test]
fn constants_in_the_body_of_a_scan() {
    let tensor = onnx::TensorProto { data_type: 1, dims: vec![0], ..Default::default() };
    let error = error_of_scan(onnx::GraphProto { initializer: vec![tensor], ..Default::default() });
    assert!(error.to_string().contains("constants outside of it"), "{error}");
}

/// Writes the tiny model with the elements of its first constant in a file called `location`.
fn with_data_at(folder: &std::path::Path, location: &str) -> std::path::PathBuf {
    let mut bytes = file(TINY, MaskForm::Packed);
    edit(&mut bytes, |model| {
        let tensor = &mut model.graph.as_mut().expect("a graph").initializer[0];
        std::fs::write(folder.join("weights.data"), &tensor.raw_data).expect("it can be written");
        tensor.raw_data.clear();
        tensor.data_location = 1;
        let (key, value) = ("location".into(), location.into());
        tensor.external_data = vec![StringStringEntryProto { key, value }];
    });
    let path = folder.join("model.onnx");
    std::fs::write(&path, bytes).expect("it can be written");
    path
}

#[test]
fn data_beside_the_model_is_read_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inner = folder.path().join("model");
    std::fs::create_dir(&inner).expect("it can be made");
    let load =
        |location: &str| Model::load(with_data_at(&inner, location), &LoadOptions::default());
    assert!(load("weights.data").is_ok());
    std::fs::copy(inner.join("weights.data"), folder.path().join("secret")).expect("a copy");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("secret"), inner.join("link")).expect("a link");
    let absolute = folder.path().join("secret").display().to_string();
    for location in ["../secret", &absolute, "link", "", ".", "./weights.data/../../secret"] {
        let error = load(location).expect_err("nothing outside the folder is read");
        assert_eq!(error.kind(), ErrorKind::Model, "{location}: {error}");
        assert_eq!(error.expected(), "the name of a file beside the model", "{location}");
    }
    let error = load("nowhere").expect_err("there is no such file");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");

    let bytes = std::fs::read(with_data_at(&inner, "weights.data")).expect("it was written");
    let error = Model::from_bytes(bytes, &LoadOptions::default()).expect_err("no folder");
    assert!(error.to_string().contains("load such a model by its path"), "{error}");
}
