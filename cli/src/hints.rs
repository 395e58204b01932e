//! What to do next after an error.

use std::path::Path;

use sparsecbm::{Error, ErrorKind};

/// Advice for an error that has some.
pub fn hint(error: &Error) -> Option<String> {
    let place = error.place();
    let file = Path::new(place);
    match error.kind() {
        ErrorKind::Io if place.ends_with(".gradients.onnx") => Some(
            "the file of gradients is written beside the model: \
             sparsecbm export CHECKPOINT -o MODEL.onnx --with-gradients"
                .into(),
        ),
        ErrorKind::Io if file.join("sparsecbm.json").is_file() => Some(format!(
            "this is a checkpoint; export it first: sparsecbm export {place} -o model.onnx"
        )),
        ErrorKind::Io if file.ends_with("sparsecbm.json") => {
            Some("a checkpoint is the folder that training writes; it holds sparsecbm.json".into())
        }
        ErrorKind::Io if place.ends_with(".onnx") => {
            Some("write a model with: sparsecbm export CHECKPOINT -o MODEL.onnx".into())
        }
        ErrorKind::Format if error.expected().contains("ONNX") => Some(
            "a model is the file that `sparsecbm export` writes; was it copied as a whole?".into(),
        ),
        ErrorKind::Version => Some("a newer sparsecbm wrote this file; update this one".into()),
        ErrorKind::Unavailable if place.contains("ONNX Runtime") => Some(
            "install it (python3 -m pip install onnxruntime), name it with --ort-library, \
             or leave --engine at auto"
                .into(),
        ),
        ErrorKind::Unavailable => Some("--engine auto takes an engine that is there".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do_next() {
        let told =
            |kind, place: &str, expected: &str| hint(&Error::new(kind, place, "x", expected));
        let gradients = told(ErrorKind::Io, "model.gradients.onnx", "a readable file");
        assert!(gradients.is_some_and(|hint| hint.contains("--with-gradients")));
        let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models/tiny");
        let checkpoint = checkpoint.display().to_string();
        let export = told(ErrorKind::Io, &checkpoint, "a readable file");
        assert!(export.is_some_and(|hint| hint.contains(&format!("export {checkpoint} "))));
        let library = told(ErrorKind::Unavailable, "ONNX Runtime's library", "a library");
        assert!(library.is_some_and(|hint| hint.contains("--ort-library")));
        let node = told(ErrorKind::Unavailable, "model.onnx: node 'a'", "another");
        assert!(node.is_some_and(|hint| hint.contains("--engine auto")));
        assert!(told(ErrorKind::Format, "model", "an ONNX model").is_some());
        assert_eq!(told(ErrorKind::Input, "class of 'noise'", "one of 'negative'"), None);
    }
}
