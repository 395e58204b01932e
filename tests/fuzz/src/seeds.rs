use std::fs;

use bytes::Bytes;
use prost::Message;
use sparsecbm::onnx::ModelProto;
use sparsecbm_tests::{checkpoint, repository};

use crate::checkpoint::FILES;
use crate::graph::SOUND;

/// Inputs by name.
type Seeds = Vec<(String, Vec<u8>)>;

/// Sound inputs of every target, small: from these the fuzzers start.
pub fn seeds() -> [(&'static str, Seeds); 5] {
    let graph: Seeds =
        SOUND.iter().map(|(name, model)| (name.to_string(), stripped(model.clone()))).collect();
    let tokenizer = |model: &str| {
        let file = checkpoint(model).join("tokenizer.json");
        fs::read(file).expect("the checkpoint is there")
    };
    let tokenizers = ["tiny", "tiny-executed", "gpt2"];
    let tokenizers =
        tokenizers.map(|model| (model.into(), tokenizer(&format!("tests/models/{model}"))));
    [
        ("graph", graph.clone()),
        ("graph_on_tract", graph),
        ("checkpoint", checkpoints()),
        ("tokenizer", tokenizers.into()),
        ("c_calls", programs()),
    ]
}

/// A model's file without the constants and metadata that [`crate::graph`] fills in.
fn stripped(mut model: ModelProto) -> Vec<u8> {
    let unchanged = ["sparsecbm.schema", "sparsecbm.version"];
    for entry in model.metadata_props.iter_mut().filter(|e| !unchanged.contains(&&*e.key)) {
        entry.value.clear();
    }
    let graph = model.graph.as_mut().expect("it has a graph");
    for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.raw_data.len() > 64) {
        tensor.raw_data = Bytes::new();
    }
    model.encode_to_vec()
}

fn checkpoints() -> Seeds {
    let seed = |(which, file): (usize, &&str)| {
        let path = repository().join("tests/models/tiny-executed").join(file);
        let mut content = fs::read(path).expect("the checkpoint is there");
        if *file == "model.safetensors" {
            let length = u64::from_le_bytes(content[..8].try_into().expect("eight bytes"));
            content = content[8..][..length as usize].to_vec();
        }
        content.insert(0, which as u8);
        (file.to_string(), content)
    };
    FILES.iter().enumerate().map(seed).collect()
}

/// Programs that predict, correct, explain and read, in some orders.
fn programs() -> Seeds {
    let predict = [1, 1, 0, 0, 0, 3, b'b', b'a', b'd'];
    let correct = [4, 1, 0, 1, 1, 0, 3];
    let explain = [14, 1, 0, 1, 1, 0, 1, 2, 1, 1];
    let read: [u8; 24] =
        [11, 1, 0, 1, 1, 0, 12, 1, 0, 1, 1, 0, 1, 16, 1, 0, 0, 1, 0, 1, 17, 1, 0, 0];
    let program = |parts: &[&[u8]]| [&[0], &*parts.concat()].concat();
    vec![
        ("read".into(), program(&[&predict, &read])),
        ("correct".into(), program(&[&predict, &correct, &read, &correct])),
        ("explain".into(), program(&[&predict, &explain, &read, &[20, 1, 0, 0, 0], &read])),
        ("subnetworks".into(), program(&[&[18, 0, 0, 0, 0], &[19, 0, 0, 0, 0, 1]])),
        ("tokens".into(), program(&[&[24, 1, 0, 0, 0, 3, b'b', b'a', b'd', 1]])),
    ]
}
