use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use sparsecbm::{EngineChoice, LoadOptions, OrtOptions, SparseOptions};

use crate::listen::Limits;

/// Positions of a run that several texts share: beyond them a processor gains next to nothing, and texts wait longer.
const POSITIONS_ON_CPU: usize = 256;
/// The same on a GPU.
const POSITIONS_ON_GPU: usize = 8192;

/// How texts go through the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// The most positions, padding included, of a run that several texts share; 0 for one text per run.
    pub positions: usize,
    /// Runs at one time.
    pub workers: NonZeroUsize,
}

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

    /// What runs the model: sparse, which needs no library, ort-cpu, ort-cuda or ort-cuda:N (the GPU's number); auto
    /// takes sparse where it is estimated to be faster or there is no ONNX Runtime.
    #[arg(long, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,
    /// ONNX Runtime's library, or the folder that holds it; else it is looked for.
    #[arg(long, value_name = "PATH")]
    ort_library: Option<PathBuf>,
    /// Threads of one run: more of them answer one request sooner, and fewer requests a second.
    #[arg(long, default_value = "1", value_name = "COUNT")]
    threads: NonZeroUsize,

    /// Texts of like length share a run of the model up to this many tokens, padding included; a longer text runs
    /// alone, and with 0 each does. By default 256 on ONNX Runtime's processor, 8192 on a GPU, and 0 on sparse, which
    /// gains nothing.
    #[arg(long, value_name = "TOKENS")]
    batch_tokens: Option<usize>,
    /// How long a text may wait for others to share its run.
    #[arg(long, default_value_t = 1000, value_name = "MICROSECONDS")]
    pub window: u64,
    /// Runs at one time. By default as many as there are cores for --threads each, and 1 on a GPU.
    #[arg(long, value_name = "COUNT")]
    workers: Option<NonZeroUsize>,
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

    /// Connections at one time; more wait until one ends. No more than the system lets the process open.
    #[arg(long, default_value = "1024", value_name = "COUNT")]
    connections: NonZeroUsize,
    /// How long a connection may be without a whole request's headers, before the first and between two; then it is
    /// closed.
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    header_seconds: NonZeroU64,
    /// How long the body of a request may take to arrive; beyond that it is refused with status 408.
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    body_seconds: NonZeroU64,

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

    /// What clients may hold.
    pub fn limits(&self) -> Limits {
        let headers = Duration::from_secs(self.header_seconds.get());
        Limits { connections: self.connections, headers }
    }

    /// How long the body of a request may take to arrive.
    pub fn body_time(&self) -> Duration {
        Duration::from_secs(self.body_seconds.get())
    }

    /// How texts go through a model that runs on `engine`.
    pub fn batching(&self, engine: &str) -> Batching {
        let on_gpu = engine.starts_with("ort-cuda");
        let positions = self.batch_tokens.unwrap_or(match engine {
            _ if on_gpu => POSITIONS_ON_GPU,
            "ort-cpu" => POSITIONS_ON_CPU,
            _ => 0,
        });
        let fit = || {
            let cores = available_parallelism().map_or(1, NonZeroUsize::get);
            NonZeroUsize::new(cores / self.threads).filter(|_| !on_gpu).unwrap_or(NonZeroUsize::MIN)
        };
        Batching { positions, workers: self.workers.unwrap_or_else(fit) }
    }

    /// How the model is to be loaded.
    pub fn loading(&self) -> LoadOptions {
        let ort =
            OrtOptions::default().with_library(self.ort_library.clone()).with_threads(self.threads);
        LoadOptions::default()
            .with_engine(self.engine)
            .with_ort(ort)
            .with_sparse(SparseOptions::default().with_threads(self.threads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::parse_from(["sparsecbm-server", "model.onnx"].iter().chain(arguments))
    }

    #[test]
    fn by_default_the_model_chooses_its_engine() {
        assert_eq!(options(&[]).loading().engine, EngineChoice::Auto);
    }

    #[test]
    fn every_core_works() {
        let cores = available_parallelism().expect("cores can be counted");
        let found = options(&[]).batching("sparse");
        assert_eq!(found, Batching { positions: 0, workers: cores });
        let found = options(&[]).batching("ort-cpu");
        assert_eq!(found, Batching { positions: POSITIONS_ON_CPU, workers: cores });
        let threads = options(&["--threads", "100000"]).batching("sparse");
        assert_eq!(threads.workers, NonZeroUsize::MIN);
    }

    #[test]
    fn a_gpu_has_one_run_at_a_time() {
        let found = options(&[]).batching("ort-cuda:1");
        let workers = NonZeroUsize::MIN;
        assert_eq!(found, Batching { positions: POSITIONS_ON_GPU, workers });
    }

    #[test]
    fn what_is_said_holds_on_every_engine() {
        let workers = NonZeroUsize::new(3).expect("it is not 0");
        for engine in ["sparse", "ort-cpu"] {
            let found = options(&["--batch-tokens", "30", "--workers", "3"]).batching(engine);
            assert_eq!(found, Batching { positions: 30, workers });
        }
    }
}
