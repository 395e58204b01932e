use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Where a model really runs, as its engine reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Device {
    /// The engine: `sparse`, `tract`, `ort-cpu` or `ort-cuda:N`.
    pub engine: String,
    /// How many nodes of the encoder's graph each provider runs: ONNX Runtime's own assignment, under its
    /// names (`CPUExecutionProvider`, `CUDAExecutionProvider`); `tract` runs all of its own,
    /// `sparse` has no nodes.
    pub nodes: BTreeMap<String, usize>,
    /// The processor's instructions that `sparse` uses; `None` for other engines, which do not tell.
    pub instructions: Option<String>,
    /// ONNX Runtime's library file, where it is used.
    pub library: Option<String>,
    /// Where the engine was left open ([`EngineChoice::Auto`](crate::EngineChoice::Auto)): why it was this
    /// one.
    pub reason: Option<String>,
}

/// `ort-cpu (CPUExecutionProvider runs 210 of 210 nodes; library FILE; chosen because …)`.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: usize = self.nodes.values().sum();
        let runs = self.nodes.iter().map(|(name, n)| format!("{name} runs {n} of {total} nodes"));
        let instructions = self.instructions.iter().cloned();
        let library = self.library.iter().map(|file| format!("library {file}"));
        let reason = self.reason.iter().map(|reason| format!("chosen because {reason}"));
        let details: Vec<String> = runs.chain(instructions).chain(library).chain(reason).collect();
        f.write_str(&self.engine)?;
        if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join("; ")) }
    }
}
