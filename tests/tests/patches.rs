//! Patches of masks: what they do is what the same bits in the file do, on every engine, and dropping them
//! undoes it exactly.

use prost::Message;
use sparsecbm::edit::LayerPatch;
use sparsecbm::onnx::ModelProto;
use sparsecbm::{EngineChoice, ErrorKind, LoadOptions, MaskPatch, Model, Prediction};
use sparsecbm_exporter::{ExportOptions, MaskForm};
use sparsecbm_tests::{
    exported, graph_engine, hostile, known_to_sparse, largest_difference, unknown_to_sparse,
};

const TINY: &str = "tests/models/tiny";
const EXECUTED: &str = "tests/models/tiny-executed";
const SHIPPED: &str = "examples/models/cebab";
const TEXT: &str = "The movie was very good, but so loud that we could not hear each other.";
/// The largest difference between engines.
const TOLERANCE: f32 = 1e-4;

fn load(bytes: &[u8], engine: EngineChoice) -> Model {
    let options = LoadOptions::default().with_engine(engine);
    Model::from_bytes(bytes.to_vec(), &options).expect("the model loads")
}

fn packed(name: &str) -> Vec<u8> {
    exported(name, &ExportOptions::default())
}

/// Whether a file's mask keeps a place.
struct Bits<'a> {
    file: &'a mut ModelProto,
    concepts: usize,
    blocks: usize,
    width: usize,
}

impl Bits<'_> {
    fn byte(&mut self, layer: &str, mask: usize, [row, column]: [usize; 2]) -> (Vec<u8>, usize) {
        let name = format!("{layer}.mask_bits");
        let graph = self.file.graph.as_ref().expect("a graph");
        let tensor = graph.initializer.iter().find(|tensor| tensor.name == name).expect("bits");
        assert_eq!(tensor.raw_data.len(), self.concepts * self.blocks * self.width);
        (tensor.raw_data.to_vec(), (mask * self.blocks + row) * self.width + column / 8)
    }

    fn keeps(&mut self, layer: &str, mask: usize, place: [usize; 2]) -> bool {
        let (bits, byte) = self.byte(layer, mask, place);
        bits[byte] >> (place[1] % 8) & 1 == 1
    }

    fn flip(&mut self, layer: &str, mask: usize, place: [usize; 2]) {
        let (mut bits, byte) = self.byte(layer, mask, place);
        bits[byte] ^= 1 << (place[1] % 8);
        let name = format!("{layer}.mask_bits");
        let graph = self.file.graph.as_mut().expect("a graph");
        let tensor = graph.initializer.iter_mut().find(|tensor| tensor.name == name).expect("bits");
        tensor.raw_data = bits.into();
    }
}

/// Flips places spread over several matrices of mask `mask`: as a patch, and in the file itself.
fn flips(bytes: &[u8], concept: usize, seed: u64) -> (MaskPatch, Vec<u8>) {
    let model = load(bytes, EngineChoice::Tract);
    let mask = model.schema().mask_of(concept);
    let concepts = model.schema().concept_count();
    let mut file = ModelProto::decode(bytes).expect("an ONNX file");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut layers = Vec::new();
    for about in model.masks().layers.iter().step_by(2) {
        let blocks = about.rows / about.block_rows;
        let width = about.columns.div_ceil(8);
        let mut bits = Bits { file: &mut file, concepts, blocks, width };
        let mut layer = LayerPatch { name: about.name.clone(), ..LayerPatch::default() };
        let mut places: Vec<[usize; 2]> =
            (0..12).map(|_| [random.usize(..blocks), random.usize(..about.columns)]).collect();
        places.sort();
        places.dedup();
        for place in places {
            let list = match bits.keeps(&about.name, mask, place) {
                true => &mut layer.pruned,
                false => &mut layer.grown,
            };
            list.push(place);
            bits.flip(&about.name, mask, place);
        }
        layers.push(layer);
    }
    (MaskPatch::new(&model.schema().concepts[concept].name, layers), file.encode_to_vec())
}

fn outputs(prediction: &Prediction) -> Vec<f32> {
    let evidence = prediction.token_evidence();
    let logits = prediction.concept_logits();
    let label = prediction.label().logits.to_vec();
    logits.iter().chain(evidence.iter()).copied().chain(label).collect()
}

#[test]
fn a_patch_does_what_the_same_bits_in_the_file_do() {
    let known = known_to_sparse().map(|name| (name, true));
    for (name, sparse) in known.chain(unknown_to_sparse().map(|name| (name, false))) {
        let bytes = packed(name);
        let (patch, patched_bytes) = flips(&bytes, 1, 3);
        let mut engines = vec![graph_engine()];
        engines.extend(sparse.then_some(EngineChoice::Sparse));
        for engine in engines {
            let model = load(&bytes, engine);
            let before = outputs(&model.predict(TEXT).expect("runs"));
            let patched = model.with_patches(std::slice::from_ref(&patch)).expect("it fits");
            assert_eq!(patched.engine(), model.engine());
            assert_eq!(patched.patches(), std::slice::from_ref(&patch));
            let found = outputs(&patched.predict(TEXT).expect("runs"));
            let expected = outputs(&load(&patched_bytes, engine).predict(TEXT).expect("runs"));
            assert_eq!(found, expected, "{name} {engine}");
            assert!(largest_difference(&found, &before) > 1e-5, "{name} {engine}: no change");
        }
    }
}

#[test]
fn engines_agree_on_a_patched_model() {
    let bytes = packed(SHIPPED);
    let (patch, _) = flips(&bytes, 2, 5);
    let predict = |engine| {
        let patched = load(&bytes, engine).with_patches(std::slice::from_ref(&patch));
        outputs(&patched.and_then(|model| model.predict(TEXT)).expect("runs"))
    };
    let expected = predict(EngineChoice::Sparse);
    let engine = graph_engine();
    assert!(largest_difference(&predict(engine), &expected) <= TOLERANCE, "{engine}");
}

#[test]
fn dropping_patches_undoes_them_bit_for_bit() {
    for (name, engine) in [
        (SHIPPED, EngineChoice::Sparse),
        (TINY, EngineChoice::Tract),
        (EXECUTED, EngineChoice::Sparse),
    ] {
        let bytes = packed(name);
        let model = load(&bytes, engine);
        let before = outputs(&model.predict(TEXT).expect("runs"));
        let (first, first_bytes) = flips(&bytes, 1, 3);
        // Made for the model with the first patch in it.
        let (second, _) = flips(&first_bytes, 0, 4);
        let one = model.with_patches(std::slice::from_ref(&first)).expect("it fits");
        let with_one = outputs(&one.predict(TEXT).expect("runs"));
        let both = one.with_patches(&[first.clone(), second.clone()]).expect("they fit");
        assert_ne!(outputs(&both.predict(TEXT).expect("runs")), with_one);
        let one_again = both.with_patches(&both.patches()[..1]).expect("it fits");
        assert_eq!(outputs(&one_again.predict(TEXT).expect("runs")), with_one);
        let none = both.with_patches(&[]).expect("nothing to fit");
        assert!(none.patches().is_empty());
        assert_eq!(outputs(&none.predict(TEXT).expect("runs")), before);
        assert_eq!(none.masks(), model.masks());
        // The model that was patched is as it was.
        assert_eq!(outputs(&model.predict(TEXT).expect("runs")), before);
    }
}

#[test]
fn a_patch_of_one_concept_leaves_the_others_alone() {
    let bytes = packed(SHIPPED);
    let (patch, _) = flips(&bytes, 1, 3);
    let model = load(&bytes, EngineChoice::Sparse);
    let before = model.predict(TEXT).expect("runs");
    let after = model.with_patches(&[patch]).and_then(|model| model.predict(TEXT)).expect("runs");
    for k in 0..before.concept_logits().nrows() {
        let same = before.concept_logits().row(k) == after.concept_logits().row(k);
        assert_eq!(same, k != 1, "concept {k}");
    }
}

#[test]
fn the_statistics_of_a_patched_model_are_those_of_its_bits() {
    let bytes = packed(TINY);
    let model = load(&bytes, EngineChoice::Tract);
    let layer = model.masks().layers[0].clone();
    let mut file = ModelProto::decode(&*bytes).expect("an ONNX file");
    let mut bits = Bits {
        file: &mut file,
        concepts: model.schema().concept_count(),
        blocks: layer.rows / layer.block_rows,
        width: layer.columns.div_ceil(8),
    };
    let mut kept = |row| bits.keeps(&layer.name, 1, [row, 0]);
    let row = (0..layer.rows / layer.block_rows).find(|&row| kept(row)).expect("a kept bit");
    let pruned = vec![[row, 0]];
    let patch = LayerPatch { name: layer.name.clone(), pruned, grown: Vec::new() };
    let patch = MaskPatch::new(&model.schema().concepts[1].name, vec![patch]);
    let after = model.with_patches(&[patch]).expect("it fits").masks().clone();
    let size = (layer.rows * layer.columns) as f64;
    let lost = layer.block_rows as f64 / size;
    assert!((layer.density[1] - after.layers[0].density[1] - lost).abs() < 1e-12);
    assert_eq!(after.layers[0].density[0], layer.density[0]);
    assert_eq!(after.layers[1], model.masks().layers[1]);
    assert!(after.density[1] < model.masks().density[1]);
    assert_ne!(after.overlap[0][1], model.masks().overlap[0][1]);
}

#[test]
fn patches_are_small_files() {
    let (mut patch, _) = flips(&packed(TINY), 1, 3);
    patch.note = Some("noise is positive in «…»".into());
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("patch.json");
    patch.save(&path).expect("written");
    assert_eq!(MaskPatch::load(&path).expect("read"), patch);

    let newer = r#"{"version": "2.0", "concept": "food", "layers": []}"#;
    let error = serde_json::from_str::<MaskPatch>(newer).expect_err("a newer version");
    assert!(error.to_string().contains("version 2.0"), "{error}");
    let refused = |json: &str| MaskPatch::from_json(json.as_bytes()).expect_err(json).kind();
    assert_eq!(refused("{"), ErrorKind::Format);
    assert_eq!(refused(r#"{"version": "1.0"}"#), ErrorKind::Format);
    assert_eq!(
        refused(r#"{"version": "2.0", "concept": "food", "layers": []}"#),
        ErrorKind::Version
    );
    let negative = r#"{"version": "1.0", "concept": "food",
        "layers": [{"name": "x", "pruned": [[-1, 0]], "grown": []}]}"#;
    assert_eq!(refused(negative), ErrorKind::Format);
    assert_eq!(MaskPatch::load("no/such/patch.json").expect_err("refused").kind(), ErrorKind::Io);
}

#[test]
fn patches_that_do_not_fit_are_refused() {
    let bytes = packed(TINY);
    let model = load(&bytes, EngineChoice::Tract);
    let concept = model.schema().concepts[1].name.clone();
    let layer = model.masks().layers[0].clone();
    let refused = |concept: &str, name: &str, pruned: Vec<[usize; 2]>, part: &str| {
        let layer = LayerPatch { name: name.into(), pruned, grown: Vec::new() };
        let patch = MaskPatch::new(concept, vec![layer]);
        let error = model.with_patches(&[patch]).expect_err(part);
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.to_string().contains(part), "no '{part}' in {error}");
    };
    refused("no such concept", &layer.name, vec![], "concept");
    refused(&concept, "no.such.layer", vec![], "no.such.layer");
    refused(&concept, &layer.name, vec![[layer.rows, 0]], "outside");
    refused(&concept, &layer.name, vec![[0, layer.columns]], "outside");
    refused(&concept, &layer.name, vec![[usize::MAX, usize::MAX]], "outside");

    // Once a patch is in, it does not fit again.
    let (patch, _) = flips(&bytes, 1, 3);
    let error = model.with_patches(&[patch.clone(), patch]).expect_err("twice");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.place().starts_with("patch 1: "), "{error}");
}

#[test]
fn folded_files_have_no_weights_to_grow() {
    let bytes = packed(TINY);
    let (patch, _) = flips(&bytes, 1, 3);
    let options = ExportOptions { masks: MaskForm::Folded, ..ExportOptions::default() };
    let model = load(&exported(TINY, &options), EngineChoice::Tract);
    let error = model.with_patches(&[patch]).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.expected().contains("--masks packed"), "{error}");
}

#[test]
fn broken_patches_give_errors_and_no_panic() {
    let bytes = packed(TINY);
    let (patch, _) = flips(&bytes, 1, 3);
    let model = load(&bytes, EngineChoice::Sparse);
    hostile::for_each_seed(|random| {
        let mut json = serde_json::from_str(&patch.to_json()).expect("a patch is JSON");
        hostile::change_somewhere(random, &mut json);
        if let Ok(patch) = MaskPatch::from_json(json.to_string().as_bytes()) {
            // Whether it still fits is all the same.
            let _ = model.with_patches(&[patch]).map(|model| model.predict(TEXT));
        }
    });
}
