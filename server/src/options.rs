use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use sparsecbm::{EngineChoice, LoadOptions, OrtOptions, SparseOptions};

/// Serve an exported model over HTTP: the Open Inference Protocol, and texts in JSON.
#[derive(Parser)]
#[command(version)]
pub struct Options {
    /// The exported model.
    pub model: PathBuf,
    /// The address and port to listen on; port 0 for any that is free.
    #[arg(long, default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// What the model is called in the protocol's paths.
    #[arg(long, default_value = "sparsecbm")]
    pub name: String,

    /// What runs the model: ort-cpu, ort-cuda or ort-cuda:N (the GPU's number), or sparse, which needs no
    /// library.
    #[arg(long, default_value_t = EngineChoice::OrtCpu)]
    engine: EngineChoice,
    /// ONNX Runtime's library, or the folder that holds it; else it is looked for.
    #[arg(long, value_name = "PATH")]
    ort_library: Option<PathBuf>,
    /// Threads of one run on ONNX Runtime; one a core by default.
    #[arg(long)]
    threads: Option<NonZeroUsize>,

    /// The most texts of one run of the model; 1 for no batching.
    #[arg(long, default_value = "32", value_name = "TEXTS")]
    pub max_batch: NonZeroUsize,
    /// How long a text may wait for others to run with it.
    #[arg(long, default_value_t = 1000, value_name = "MICROSECONDS")]
    pub window: u64,
    /// Batches that run at one time.
    #[arg(long, default_value = "1", value_name = "COUNT")]
    pub workers: NonZeroUsize,
    /// Texts that may wait; requests beyond that are refused with status 429.
    #[arg(long, default_value = "256", value_name = "TEXTS")]
    pub queue: NonZeroUsize,
    /// Explanations at one time; requests beyond that are refused with status 429.
    #[arg(long, default_value = "1", value_name = "COUNT")]
    pub explanations: NonZeroUsize,

    /// The most bytes of a request.
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES")]
    pub max_body: usize,
    /// The most texts, or rows of a tensor, of a request.
    #[arg(long, default_value = "64", value_name = "TEXTS")]
    pub max_texts: NonZeroUsize,
    /// The most bytes of a text. The model reads no more than its first tokens; this bounds what is
    /// tokenized.
    #[arg(long, default_value_t = 20_000, value_name = "BYTES")]
    pub max_text: usize,

    /// How long requests that were begun may take once the server is told to stop.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub shutdown_seconds: u64,
}

impl Options {
    /// Refuses options that contradict each other.
    pub fn check(&self) -> Result<(), String> {
        if self.max_texts > self.queue {
            return Err(format!(
                "--max-texts: found {}, expected at most --queue, {}: a larger request would never fit",
                self.max_texts, self.queue
            ));
        }
        Ok(())
    }

    /// How the model is to be loaded.
    pub fn loading(&self) -> LoadOptions {
        let mut ort = OrtOptions::default().with_threads(self.threads);
        ort.library.clone_from(&self.ort_library);
        LoadOptions::default()
            .with_engine(self.engine)
            .with_ort(ort)
            .with_sparse(SparseOptions::default().with_threads(self.threads))
    }
}
