//! Where the sparse kernels do not take a graph they say which node it is. Each node, attribute and constant of sound
//! files is broken alone.

use prost::Message;
use sparsecbm::format::tensors;
use sparsecbm::onnx::{self, ModelProto};
use sparsecbm::{EngineChoice, Error, ErrorKind, LoadOptions, Model};
use sparsecbm_exporter::{ExportOptions, Layout, MaskForm, WeightForm};
use sparsecbm_tests::{exported, known_to_sparse};

/// Files of every backbone, and of one in every form.
fn files() -> Vec<(String, ModelProto)> {
    let tiny = "tests/models/tiny";
    let forms =
        [WeightForm::F32, WeightForm::Int8].map(|weights| (tiny, weights, MaskForm::Packed));
    let folded = (tiny, WeightForm::F16, MaskForm::Folded);
    let small = known_to_sparse().filter(|name| name.starts_with("tests/models/"));
    let all = small.map(|name| (name, WeightForm::F16, MaskForm::Packed));
    let all = all.chain(forms).chain([folded]).map(|(name, weights, masks)| {
        let options = ExportOptions { weights, masks, check: false, ..ExportOptions::default() };
        let file = onnx::decode(exported(name, &options).into(), name).expect("ONNX");
        (format!("{name} {weights:?} {masks:?}"), file)
    });
    all.collect()
}

/// The nodes and constants that the engine has to run.
fn encoder(file: &ModelProto) -> (Vec<usize>, Vec<usize>) {
    let inputs = [tensors::INPUT_IDS, tensors::ATTENTION_MASK];
    let outputs = [tensors::CONCEPT_LOGITS, tensors::TOKEN_EVIDENCE];
    let part = onnx::cut(file, &inputs, &outputs).expect("it can be cut").graph.expect("a graph");
    let whole = file.graph.as_ref().expect("a graph");
    let is_node = |&index: &usize| part.node.iter().any(|n| n.name == whole.node[index].name);
    let is_constant =
        |&index: &usize| part.initializer.iter().any(|t| t.name == whole.initializer[index].name);
    (
        (0..whole.node.len()).filter(is_node).collect(),
        (0..whole.initializer.len()).filter(is_constant).collect(),
    )
}

fn load(file: &ModelProto, engine: EngineChoice) -> Result<Model, Error> {
    let mut options = LoadOptions::default();
    options.engine = engine;
    Model::from_bytes(file.encode_to_vec(), &options)
}

/// Breaks the file, expects `place` in the error, and mends it.
fn expect(name: &str, file: &mut ModelProto, place: &str, change: &dyn Fn(&mut ModelProto)) {
    let sound = file.clone();
    change(file);
    let error = load(file, EngineChoice::Sparse).map(drop).expect_err(place);
    // The concept layer reads its heads before an engine does.
    let of_heads =
        tensors::HEADS.iter().any(|head| place.starts_with(&format!("initializer '{head}")));
    match of_heads {
        true => {
            assert!(error.to_string().contains(place.trim_start_matches("initializer ")), "{error}")
        }
        false => {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}: {error}");
            assert_eq!(error.place(), place, "{name}: {error}");
        }
    }
    *file = sound;
}

#[test]
fn a_node_of_another_operator_is_named() {
    for (name, mut file) in files() {
        for index in encoder(&file).0 {
            let place = format!("node '{}'", file.graph.as_ref().expect("one").node[index].name);
            expect(&name, &mut file, &place, &|file| {
                file.graph.as_mut().expect("one").node[index].op_type = "Other".into();
            });
        }
    }
}

#[test]
fn a_node_with_another_attribute_is_named() {
    for (name, mut file) in files() {
        for index in encoder(&file).0 {
            let node = file.graph.as_ref().expect("one").node[index].clone();
            let place = format!("node '{}'", node.name);
            // A number such as a norm's epsilon may be any.
            let attributes = node.attribute.iter().enumerate();
            for (nth, _) in attributes.filter(|(_, attribute)| attribute.name != "epsilon") {
                expect(&name, &mut file, &place, &|file| {
                    let node = &mut file.graph.as_mut().expect("one").node[index];
                    let attribute = &mut node.attribute[nth];
                    attribute.i += 1;
                    attribute.ints.reverse();
                    attribute.ints.push(0);
                    attribute.s = "other".into();
                });
            }
        }
    }
}

#[test]
fn a_constant_of_another_shape_is_named() {
    for (name, mut file) in files() {
        for index in encoder(&file).1 {
            let tensor = &file.graph.as_ref().expect("one").initializer[index];
            let weights = [".weight", ".bias", ".mask_bits", "_scale"];
            if !weights.iter().any(|end| tensor.name.ends_with(end)) {
                continue;
            }
            let place = format!("initializer '{}'", tensor.name);
            expect(&name, &mut file, &place, &|file| {
                let tensor = &mut file.graph.as_mut().expect("one").initializer[index];
                tensor.dims.insert(0, 1);
            });
        }
    }
}

#[test]
fn an_engine_that_is_left_open_says_why_the_kernels_were_passed_over() {
    let reason = |name: &str, layout: Layout| {
        let options = ExportOptions { layout, check: false, ..ExportOptions::default() };
        let model = Model::from_bytes(exported(name, &options), &LoadOptions::default());
        let model = model.expect("another engine runs it");
        model.device().reason.clone().expect("a reason")
    };
    let batched = reason("tests/models/tiny", Layout::Batched);
    let expected = "node 'token_evidence/Transpose': found Transpose, expected Concat";
    assert!(batched.contains(expected), "{batched}");
    let recurrent = reason("tests/models/bilstm", Layout::Branches);
    assert!(recurrent.contains("do not know this encoder: node '"), "{recurrent}");
}
