use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use sparsecbm::{EngineChoice, Error, ErrorKind, LoadOptions, Model, Result};

use super::model::{LENGTHS, token_ids};
use crate::variants::with_length;
use sparsecbm_exporter::{Checkpoint, ExportOptions, MaskForm, export};

/// The longest texts that processes predict from, each in turn.
const LONGEST: [usize; 3] = [128, 256, 512];

/// How much memory a process takes that loads a model and predicts, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resident {
    /// Before the model is loaded: the program itself.
    pub before: u64,
    /// After it was loaded and texts of all lengths up to the longest were predicted.
    pub after: u64,
    /// The most at any time.
    pub peak: u64,
}

/// One way to run a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryRow {
    /// The engine.
    pub engine: EngineName,
    /// How the file holds masks.
    pub masks: MaskForm,
    /// Positions of the longest text.
    pub tokens: usize,
    /// Bytes of the file.
    pub file: usize,
    /// What its process takes.
    #[serde(flatten)]
    pub resident: Resident,
}

/// An engine, written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineName(pub EngineChoice);

impl Serialize for EngineName {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The memory that this process takes as it loads the file at `path` and predicts from texts of up to `longest`
/// positions; for a process that does nothing else.
///
/// # Errors
/// `Unavailable` where the system does not tell (only Linux does, in `/proc`); those of [`Model::load`].
pub fn resident(path: &Path, options: &LoadOptions, longest: usize) -> Result<Resident> {
    let before = status("VmRSS:")?;
    let model = Model::load(path, options)?;
    let longest = longest.min(model.schema().max_length);
    for tokens in LENGTHS.into_iter().filter(|&n| n <= longest) {
        model.predict_tokens(&token_ids(&model, tokens)?)?;
    }
    Ok(Resident { before, after: status("VmRSS:")?, peak: status("VmHWM:")? })
}

/// A line of `/proc/self/status`, which counts in KiB.
pub(super) fn status(field: &str) -> Result<u64> {
    const FILE: &str = "/proc/self/status";
    let unknown = |found: String| {
        Error::new(ErrorKind::Unavailable, FILE, found, format!("a line '{field} … kB'"))
    };
    let text = std::fs::read_to_string(FILE).map_err(|e| unknown(e.to_string()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    number.map(|kibibytes| 1024 * kibibytes).ok_or_else(|| unknown("none".into()))
}

/// Runs `checkpoint`, made to read long texts where it does not, on the sparse kernels, on tract and on ONNX Runtime,
/// each in a process of its own that `child` starts: given a file, an engine and the longest text, it prints a
/// [`Resident`] as JSON.
///
/// # Errors
/// Those of [`export`]; `Engine` where a process fails, with what it says.
pub fn bench_memory(
    checkpoint: Checkpoint,
    child: impl Fn(&Path, EngineChoice, usize) -> Result<Command>,
) -> Result<Vec<MemoryRow>> {
    let checkpoint = with_length(checkpoint, LONGEST[LONGEST.len() - 1])?;
    let folder = tempfile::tempdir().map_err(|e| {
        Error::new(ErrorKind::Io, "temporary folder", e.to_string(), "one that can be made")
            .caused_by(e)
    })?;
    let ways = [
        (EngineChoice::Sparse, MaskForm::Packed),
        (EngineChoice::Tract, MaskForm::Packed),
        (EngineChoice::OrtCpu, MaskForm::Folded),
    ];
    let mut rows = Vec::new();
    for (engine, masks) in ways {
        let options = ExportOptions { masks, check: false, ..ExportOptions::default() };
        let exported = export(&checkpoint, &options)?;
        let (file, path) = (exported.report.bytes, folder.path().join("model.onnx"));
        exported.write_to(&path)?;
        for tokens in LONGEST {
            let failed = |found: String| {
                let place = format!("process that runs {engine}");
                Error::new(ErrorKind::Engine, place, found, "its use of memory as JSON")
            };
            let output =
                child(&path, engine, tokens)?.output().map_err(|e| failed(e.to_string()))?;
            if !output.status.success() {
                return Err(failed(String::from_utf8_lossy(&output.stderr).trim().into()));
            }
            let resident =
                serde_json::from_slice(&output.stdout).map_err(|e| failed(e.to_string()))?;
            rows.push(MemoryRow { engine: EngineName(engine), masks, tokens, file, resident });
        }
    }
    Ok(rows)
}
