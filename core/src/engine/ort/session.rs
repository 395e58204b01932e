use std::fmt;
use std::num::NonZeroUsize;

use ort::environment::Environment;
use ort::ep;
use ort::session::Session;
use ort::session::builder::{AutoDevicePolicy, PrepackedWeights, SessionBuilder};

use crate::engine::{EngineChoice, OrtOptions};
use crate::error::{Error, ErrorKind, Result};

/// What ONNX Runtime calls its CUDA provider.
pub(super) const CUDA_PROVIDER: &str = "CUDAExecutionProvider";

/// Where a graph is to run.
#[derive(Debug, Clone, Copy)]
pub(super) enum ExecutionProvider {
    Cpu,
    Cuda { device: u32, memory_limit: Option<usize>, tf32: bool },
}

impl ExecutionProvider {
    /// Where `choice`, which is one of ONNX Runtime's, asks to run.
    pub(super) fn new(choice: EngineChoice, options: &OrtOptions) -> ExecutionProvider {
        match choice {
            EngineChoice::OrtCuda { device } => ExecutionProvider::Cuda {
                device,
                memory_limit: options.cuda_memory_limit,
                tf32: options.cuda_tf32,
            },
            _ => ExecutionProvider::Cpu,
        }
    }
}

impl fmt::Display for ExecutionProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecutionProvider::Cpu => f.write_str("ort-cpu"),
            ExecutionProvider::Cuda { device, .. } => write!(f, "ort-cuda:{device}"),
        }
    }
}

/// Makes sessions of one graph.
pub(super) struct Sessions {
    pub environment: Environment,
    /// The encoded graph.
    pub graph: Vec<u8>,
    /// The graph's name in errors.
    pub name: &'static str,
    pub provider: ExecutionProvider,
    /// Threads of each session's own; `None`: those of the environment.
    pub threads: Option<NonZeroUsize>,
}

impl Sessions {
    /// A session. Those made with the same `weights` share what ONNX Runtime rearranges and can share.
    pub(super) fn create(&self, weights: &PrepackedWeights) -> Result<Session> {
        let mut builder = self.configure(weights).map_err(|e| self.failed(&e))?;
        if let ExecutionProvider::Cuda { device, memory_limit, tf32 } = self.provider {
            builder = self.on_cuda(builder, device, memory_limit, tf32)?;
        }
        builder.commit_from_memory(&self.graph).map_err(|e| self.failed(&e))
    }

    fn configure(&self, weights: &PrepackedWeights) -> ort::Result<SessionBuilder> {
        let mut builder = Session::builder(&self.environment)?
            // Providers are named, never picked by ONNX Runtime.
            .with_auto_device(AutoDevicePolicy::PreferCPU)?
            .with_config_entry("session.record_ep_graph_assignment_info", "1")?
            .with_prepacked_weights(weights)?;
        if let Some(threads) = self.threads {
            builder = builder.with_independent_thread_pool()?.with_intra_threads(threads.get())?;
        }
        Ok(builder)
    }

    fn on_cuda(
        &self,
        builder: SessionBuilder,
        device: u32,
        memory_limit: Option<usize>,
        tf32: bool,
    ) -> Result<SessionBuilder> {
        let number = i32::try_from(device).unwrap_or(i32::MAX);
        let mut provider = ep::CUDA::default().with_device_id(number).with_tf32(tf32);
        if let Some(limit) = memory_limit {
            provider = provider.with_memory_limit(limit);
        }
        // Without this ONNX Runtime would run on the processor and say nothing.
        let provider = provider.build().error_on_failure();
        builder.with_execution_providers([provider]).map_err(|e| {
            let expected = "a GPU, its driver, and an ONNX Runtime built for its CUDA version";
            Error::new(ErrorKind::Unavailable, self.provider.to_string(), e.message(), expected)
                .caused_by(ort::Error::<()>::from(e))
        })
    }

    fn failed(&self, error: &ort::Error) -> Error {
        let place = format!("{} on {}", self.name, self.provider);
        // A device that refuses a session, as for want of memory, does so here and with no code of its own.
        let (kind, expected) = match self.provider {
            ExecutionProvider::Cuda { .. } => (
                ErrorKind::Unavailable,
                "enough memory on the GPU, and a graph that ONNX Runtime can run",
            ),
            ExecutionProvider::Cpu => (ErrorKind::Model, "a graph that ONNX Runtime can run"),
        };
        Error::new(kind, place, error.message(), expected)
    }
}
