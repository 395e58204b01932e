//! Checkpoints from strangers: whatever is wrong with one, it gives an exported file or an error, never a panic.
//!
//! `HOSTILE_FILES` says how many broken checkpoints each test makes (`docs/security.md`); `HOSTILE_SEED` which.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::Value;
use sparsecbm_exporter::{Checkpoint, ExportOptions, export, inspect};

/// Numbers at which arithmetic breaks.
const EXTREMES: [i64; 12] =
    [0, 1, -1, 2, 7, 255, 65_536, i32::MAX as i64, u32::MAX as i64, 1 << 40, i64::MAX, i64::MIN];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

/// Breaks one file of a sound checkpoint again and again, and uses each result.
fn break_often(file: &str, damage: impl Fn(&mut fastrand::Rng, &mut Vec<u8>)) {
    let (first, count) = (setting("HOSTILE_SEED", 0), setting("HOSTILE_FILES", 40));
    for name in ["tiny", "tiny-executed"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models").join(name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        for entry in fs::read_dir(&source).expect("the checkpoint is there") {
            let entry = entry.expect("the folder can be read");
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
        }
        let sound = fs::read(source.join(file)).expect("the file can be read");
        for seed in first..first + count {
            let mut bytes = sound.clone();
            damage(&mut fastrand::Rng::with_seed(seed), &mut bytes);
            fs::write(folder.path().join(file), bytes).expect("it can be written");
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                if let Ok(checkpoint) = Checkpoint::open(folder.path()) {
                    let _ = export(&checkpoint, &ExportOptions::default());
                    let _ = inspect(folder.path());
                }
            }));
            let again = format!("HOSTILE_SEED={seed} HOSTILE_FILES=1");
            assert!(outcome.is_ok(), "{name}: a panic: {again} shows it alone");
        }
    }
}

/// Replaces one value somewhere inside a JSON value.
fn change_somewhere(random: &mut fastrand::Rng, value: &mut Value) {
    match value {
        Value::Array(values) if !values.is_empty() && random.u8(..8) > 0 => {
            let index = random.usize(..values.len());
            change_somewhere(random, &mut values[index]);
        }
        Value::Object(fields) if !fields.is_empty() && random.u8(..8) > 0 => {
            let index = random.usize(..fields.len());
            change_somewhere(random, fields.values_mut().nth(index).expect("it is within"));
        }
        value => {
            *value = match random.u8(..8) {
                0 => Value::Null,
                1 => "".into(),
                2 => "\u{0}(a|a)*$".into(),
                3 => Value::Array(vec![]),
                4 => f64::MAX.into(),
                5 => serde_json::json!({}),
                _ => (*random.choice(&EXTREMES).expect("some")).into(),
            };
        }
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
