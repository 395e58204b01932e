use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use sparsecbm::explain::Subnetworks;
use sparsecbm::onnx::{self, ModelProto};
use sparsecbm::{EngineChoice, LoadOptions, Model};
use sparsecbm_exporter::{ExportOptions, WeightForm};
use sparsecbm_tests::exported;

/// The tiny model's file, sound.
pub(crate) static SOUND: LazyLock<ModelProto> = LazyLock::new(|| {
    let options =
        ExportOptions { weights: WeightForm::F32, check: false, ..ExportOptions::default() };
    let bytes = exported("tests/models/tiny", &options);
    onnx::decode(bytes.into(), "tiny").expect("it was just written")
});

/// Loads `bytes` as an exported file on the sparse kernels, and uses what loads.
pub fn graph(bytes: &[u8]) {
    let file = filled(bytes);
    use_on(EngineChoice::Sparse, &file);
    if let Ok(subnetworks) = Subnetworks::from_bytes(file) {
        let _ = subnetworks.report();
    }
}

/// Loads `bytes` as an exported file on tract, and uses what loads.
pub fn graph_on_tract(bytes: &[u8]) {
    use_on(EngineChoice::Tract, &filled(bytes));
}

fn use_on(engine: EngineChoice, file: &Bytes) {
    let mut options = LoadOptions::default();
    options.engine = engine;
    let Ok(model) = Model::from_bytes(file.clone(), &options) else { return };
    // A model that loads may give any numbers, and may fail on a text.
    let Ok(prediction) = model.predict("bad plot, good acting!") else { return };
    if let Some(concept) = model.schema().concepts.first()
        && let Some(class) = concept.classes.first()
    {
        let _ = prediction.intervene([(&concept.name, class.as_str())]);
    }
    let _ = prediction.explain(&Default::default());
}

/// The file with what the sound one holds in place of constants and metadata that are there by name and empty: so
/// a short input can be a whole model, and a fuzzer need not carry the weights.
fn filled(bytes: &[u8]) -> Bytes {
    let Ok(mut model) = ModelProto::decode(bytes) else { return Bytes::copy_from_slice(bytes) };
    for entry in model.metadata_props.iter_mut().filter(|entry| entry.value.is_empty()) {
        if let Some(sound) = SOUND.metadata_props.iter().find(|sound| sound.key == entry.key) {
            entry.value.clone_from(&sound.value);
        }
    }
    if let (Some(graph), Some(sound)) = (&mut model.graph, &SOUND.graph) {
        for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.raw_data.is_empty()) {
            if let Some(sound) = sound.initializer.iter().find(|sound| sound.name == tensor.name) {
                tensor.raw_data = sound.raw_data.clone();
            }
        }
    }
    model.encode_to_vec().into()
}
