//! Checkpoints from strangers: whatever is wrong with one, it gives an exported file or an error, never a panic.
//!
//! [`sparsecbm_tests::hostile`] tells how to break more of them.

use std::fs;

use serde_json::Value;
use sparsecbm_exporter::{Checkpoint, ExportOptions, export, inspect};
use sparsecbm_tests::checkpoint;
use sparsecbm_tests::hostile::{change_somewhere, for_each_seed};

/// Breaks one file of a sound checkpoint again and again, and uses each result.
fn break_often(file: &str, damage: impl Fn(&mut fastrand::Rng, &mut Vec<u8>)) {
    for name in ["tests/models/tiny", "tests/models/tiny-executed"] {
        let source = checkpoint(name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        for entry in fs::read_dir(&source).expect("the checkpoint is there") {
            let entry = entry.expect("the folder can be read");
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
        }
        let sound = fs::read(source.join(file)).expect("the file can be read");
        for_each_seed(|random| {
            let mut bytes = sound.clone();
            damage(random, &mut bytes);
            fs::write(folder.path().join(file), bytes).expect("it can be written");
            if let Ok(checkpoint) = Checkpoint::open(folder.path()) {
                let _ = export(&checkpoint, &ExportOptions::default());
                let _ = inspect(folder.path());
            }
        });
    }
}

fn json_values(file: &str) {
    break_often(file, |random, bytes| {
        let mut value: Value = serde_json::from_slice(bytes).expect("it was sound");
        for _ in 0..random.usize(1..3) {
            change_somewhere(random, &mut value);
        }
        *bytes = value.to_string().into_bytes();
    });
}

#[test]
fn configurations_with_other_values() {
    json_values("config.json");
}

#[test]
fn schemas_with_other_values() {
    json_values("sparsecbm.json");
}

#[test]
fn tokenizers_with_other_values() {
    json_values("tokenizer.json");
}

#[test]
fn tensors_with_another_header() {
    break_often("model.safetensors", |random, bytes| {
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let (header, data) = bytes[8..].split_at(length);
        let mut value: Value = serde_json::from_slice(header).expect("the header is JSON");
        for _ in 0..random.usize(1..3) {
            change_somewhere(random, &mut value);
        }
        let header = value.to_string();
        let mut changed = (header.len() as u64).to_le_bytes().to_vec();
        changed.extend_from_slice(header.as_bytes());
        changed.extend_from_slice(data);
        *bytes = changed;
    });
}

#[test]
fn tensors_with_bytes_changed_or_cut_off() {
    break_often("model.safetensors", |random, bytes| {
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..bytes.len().min(4096));
            bytes[place] = random.u8(..);
        }
        if random.bool() {
            bytes.truncate(random.usize(..bytes.len()));
        }
    });
}
