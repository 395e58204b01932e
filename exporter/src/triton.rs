//! Writes exported files as a model repository of NVIDIA Triton Inference Server, which KServe serves too.
//!
//! The configuration follows Triton's `model_config.proto`; its ONNX Runtime backend runs the file as it is.

use std::fs;
use std::path::{Path, PathBuf};

use sparsecbm::format::tensors;
use sparsecbm::schema::Variable;
use sparsecbm::{Error, ErrorKind, Result, Schema};

use crate::checkpoint::Checkpoint;
use crate::export::Exported;

/// The model's name in the repository.
const NAME: &str = "sparsecbm";
/// The most requests in one batch.
const MAX_BATCH: usize = 32;
/// How long Triton waits for a batch to fill, in microseconds.
const WINDOW: usize = 1000;

impl Exported<'_> {
    /// Writes a Triton model repository of what was exported from `checkpoint`: in `folder/sparsecbm` the
    /// configuration, the class names, and the file as version 1. Gives the paths of what was written.
    ///
    /// # Errors
    /// `Io` where a file or folder cannot be written.
    pub fn write_triton(
        self,
        folder: impl AsRef<Path>,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<PathBuf>> {
        let schema = &checkpoint.schema;
        let folder = folder.as_ref().join(NAME);
        let version = folder.join("1");
        fs::create_dir_all(&version).map_err(|e| failed(&version, e))?;
        let mut written = self.write_to(version.join("model.onnx"))?;
        let concepts = schema.concepts.iter().flat_map(|concept| {
            concept.classes.iter().map(move |class| format!("{}: {class}", concept.name))
        });
        let texts = [
            ("config.pbtxt", config(schema)),
            ("concepts.txt", lines(concepts)),
            ("label.txt", lines(classes(&schema.label))),
        ];
        for (name, text) in texts {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|e| failed(&path, e))?;
            written.push(path);
        }
        Ok(written)
    }
}

fn classes(variable: &Variable) -> impl Iterator<Item = String> {
    variable.classes.iter().cloned()
}

/// One name a line, as Triton reads label files.
fn lines(names: impl Iterator<Item = String>) -> String {
    names.map(|name| name.replace(['\r', '\n'], " ") + "\n").collect()
}

fn config(schema: &Schema) -> String {
    let size = |count: usize| i64::try_from(count).expect("counts of names are small");
    let (k, c) = (size(schema.concept_count()), size(schema.class_count()));
    let l = size(schema.label_count());
    let tensor = |name: &str, kind: &str, dims: &[i64], more: &str| {
        let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
        let dims = dims.join(", ");
        format!("  {{ name: \"{name}\", data_type: {kind}, dims: [ {dims} ]{more} }}")
    };
    let of_concepts = ", label_filename: \"concepts.txt\"";
    let inputs = [
        tensor(tensors::INPUT_IDS, "TYPE_INT64", &[-1], ""),
        tensor(tensors::ATTENTION_MASK, "TYPE_INT64", &[-1], ""),
        tensor(tensors::CONCEPT_OVERRIDE, "TYPE_FP32", &[k, c], ""),
        tensor(tensors::CONCEPT_OVERRIDE_MASK, "TYPE_FP32", &[k], ""),
    ];
    let outputs = [
        tensor(tensors::CONCEPT_LOGITS, "TYPE_FP32", &[k, c], of_concepts),
        tensor(tensors::CONCEPT_VALUES, "TYPE_FP32", &[k, c], of_concepts),
        tensor(tensors::LABEL_LOGITS, "TYPE_FP32", &[l], ", label_filename: \"label.txt\""),
        tensor(tensors::TOKEN_EVIDENCE, "TYPE_FP32", &[k, c, -1], ""),
    ];
    format!(
        "# Written by sparsecbm export. Token ids come from the tokenizer in the model's metadata.
# Triton batches requests of equal length: clients pad texts to a few lengths.
name: \"{NAME}\"
backend: \"onnxruntime\"
max_batch_size: {MAX_BATCH}
input [
{}
]
output [
{}
]
dynamic_batching {{ max_queue_delay_microseconds: {WINDOW} }}
# A GPU where the server has one, else the processor.
instance_group [ {{ count: 1, kind: KIND_AUTO }} ]
",
        inputs.join(",\n"),
        outputs.join(",\n"),
    )
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, path.display().to_string(), error.to_string(), "a path to write")
        .caused_by(error)
}
