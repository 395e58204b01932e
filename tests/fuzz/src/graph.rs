use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use sparsecbm::explain::Subnetworks;
use sparsecbm::onnx::{self, ModelProto, TensorProto};
use sparsecbm::{EngineChoice, LoadOptions, Model};
use sparsecbm_exporter::{ExportOptions, WeightForm};
use sparsecbm_tests::{REGISTRY, TestModel, exported};

/// The files of small models of different make, sound, by name.
pub(crate) static SOUND: LazyLock<Vec<(&str, ModelProto)>> = LazyLock::new(|| {
    let options =
        ExportOptions { weights: WeightForm::F32, check: false, ..ExportOptions::default() };
    let fuzzed = REGISTRY.iter().filter(|model| model.surfaces.iter().any(|name| name == "fuzz"));
    let sound = fuzzed.map(|TestModel { name, folder, .. }| {
        let bytes = exported(folder, &options);
        (&**name, onnx::decode(bytes.into(), name).expect("it was just written"))
    });
    sound.collect()
});

/// The file of the smallest.
pub(crate) fn tiny() -> ModelProto {
    SOUND[0].1.clone()
}

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
    let options = LoadOptions::default().with_engine(engine);
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

/// The file with what a sound one holds in place of constants and metadata that are there by name and empty: so
/// a short input can be a whole model, and a fuzzer need not carry the weights. Constants are those of the same shape.
fn filled(bytes: &[u8]) -> Bytes {
    let Ok(mut model) = ModelProto::decode(bytes) else { return Bytes::copy_from_slice(bytes) };
    for entry in model.metadata_props.iter_mut().filter(|entry| entry.value.is_empty()) {
        let mut all = SOUND.iter().flat_map(|(_, sound)| &sound.metadata_props);
        if let Some(sound) = all.find(|sound| sound.key == entry.key) {
            entry.value.clone_from(&sound.value);
        }
    }
    if let Some(graph) = &mut model.graph {
        for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.raw_data.is_empty()) {
            let graphs = SOUND.iter().filter_map(|(_, sound)| sound.graph.as_ref());
            let mut all = graphs.flat_map(|graph| &graph.initializer);
            let same =
                |sound: &&TensorProto| (&sound.name, &sound.dims) == (&tensor.name, &tensor.dims);
            if let Some(sound) = all.find(same) {
                tensor.raw_data = sound.raw_data.clone();
            }
        }
    }
    model.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::seeds;

    #[test]
    fn what_the_fuzzers_start_from_loads() {
        let [(_, graphs), ..] = seeds();
        assert_eq!(graphs.len(), SOUND.len());
        for (name, bytes) in graphs {
            let options = LoadOptions::default().with_engine(EngineChoice::Sparse);
            let model = Model::from_bytes(filled(&bytes), &options);
            let prediction = model.and_then(|model| model.predict("bad plot, good acting!"));
            prediction.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}
