use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use sparsecbm::{EngineChoice, LoadOptions};

/// What runs the model.
#[derive(Args)]
pub struct EngineArguments {
    /// What runs the model: auto, sparse, tract, ort-cpu, ort-cuda or ort-cuda:N (the GPU's number).
    #[arg(long, default_value_t)]
    engine: EngineChoice,
    /// ONNX Runtime's library, or the folder that holds it; else it is looked for.
    #[arg(long, value_name = "PATH")]
    ort_library: Option<PathBuf>,
    /// Threads of one run on ONNX Runtime; one a core by default.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

impl EngineArguments {
    /// How the model is to be loaded.
    pub fn options(&self) -> LoadOptions {
        let mut options = LoadOptions::default();
        options.engine = self.engine;
        options.ort.library = self.ort_library.clone();
        options.ort.threads = self.threads;
        options.threads = self.threads;
        options
    }
}
