use std::fs;
use std::path::Path;

use sparsecbm_exporter::{Checkpoint, ExportOptions, export};
use sparsecbm_tests::checkpoint as sound;

/// The files of a checkpoint, by the first byte of an input.
pub(crate) const FILES: [&str; 4] =
    ["config.json", "sparsecbm.json", "tokenizer.json", "model.safetensors"];

/// Exports a checkpoint of which one file, named by the first byte, consists of the others; of `model.safetensors`
/// they are the header, before the tensors of a sound one.
pub fn checkpoint(bytes: &[u8]) {
    let Some((&which, content)) = bytes.split_first() else { return };
    let broken = FILES[usize::from(which) % FILES.len()];
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in FILES {
        let sound = sound("tests/models/tiny-executed").join(file);
        let place = folder.path().join(file);
        if file != broken {
            fs::copy(sound, place).expect("a copy");
        } else if file == "model.safetensors" {
            fs::write(place, with_tensors(content, &sound)).expect("it can be written");
        } else {
            fs::write(place, content).expect("it can be written");
        }
    }
    if let Ok(checkpoint) = Checkpoint::open(folder.path()) {
        let options = ExportOptions { check: false, ..ExportOptions::default() };
        let _ = export(&checkpoint, &options).and_then(|exported| exported.to_bytes());
    }
}

fn with_tensors(header: &[u8], sound: &Path) -> Vec<u8> {
    let whole = fs::read(sound).expect("the checkpoint is there");
    let (length, rest) = whole.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
    let tensors = &rest[length as usize..];
    [&(header.len() as u64).to_le_bytes()[..], header, tensors].concat()
}
