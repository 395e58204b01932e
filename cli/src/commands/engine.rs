use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use sparsecbm::{EngineChoice, LoadOptions, OrtOptions, SparseOptions};

/// What runs the model.
#[derive(Args)]
pub struct EngineArguments {
    /// What runs the model: auto, sparse, tract, ort-cpu, ort-cuda or ort-cuda:N (the GPU's number).
    #[arg(long, default_value_t)]
    engine: EngineChoice,
    /// ONNX Runtime's library, or the folder that holds it; else it is looked for.
    #[arg(long, value_name = "PATH")]
    ort_library: Option<PathBuf>,
    /// Threads over which a list of texts is spread, and the run of a single one: by default one per core, but on the
    /// engine `sparse` one for a single text.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// The most memory, in MiB, that ONNX Runtime may take on the GPU for what it computes.
    #[arg(long, value_name = "MIB")]
    cuda_memory: Option<NonZeroUsize>,
    /// Let GPU products round their factors to TensorFloat-32: faster, about 3 decimal digits.
    #[arg(long)]
    cuda_tf32: bool,
}

impl EngineArguments {
    /// How the model is to be loaded.
    pub fn options(&self) -> LoadOptions {
        let memory = self.cuda_memory.map(|mib| mib.get().saturating_mul(1 << 20));
        let ort = OrtOptions::default()
            .with_library(self.ort_library.clone())
            .with_threads(self.threads)
            .with_cuda_memory_limit(memory)
            .with_cuda_tf32(self.cuda_tf32);
        LoadOptions::default()
            .with_engine(self.engine)
            .with_sparse(SparseOptions::default().with_threads(self.threads))
            .with_ort(ort)
    }
}
