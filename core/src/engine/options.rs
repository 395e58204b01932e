//! How a model is to be loaded.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::choice::EngineChoice;
use crate::sparse::InstructionSet;

/// How a model is to be loaded.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use sparsecbm::{EngineChoice, LoadOptions, SparseOptions};
///
/// let options = LoadOptions::default()
///     .with_engine(EngineChoice::Sparse)
///     .with_sparse(SparseOptions::default().with_threads(NonZeroUsize::new(4)));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Which engine is to run it.
    pub engine: EngineChoice,
    /// How this crate's own kernels are to run it, where they are the engine.
    pub sparse: SparseOptions,
    /// How ONNX Runtime is to run it, where that is the engine.
    pub ort: OrtOptions,
}

impl LoadOptions {
    /// The same with this engine.
    #[must_use]
    pub fn with_engine(self, engine: EngineChoice) -> LoadOptions {
        LoadOptions { engine, ..self }
    }

    /// The same with these options of the engine `sparse`.
    #[must_use]
    pub fn with_sparse(self, sparse: SparseOptions) -> LoadOptions {
        LoadOptions { sparse, ..self }
    }

    /// The same with these options of ONNX Runtime.
    #[must_use]
    pub fn with_ort(self, ort: OrtOptions) -> LoadOptions {
        LoadOptions { ort, ..self }
    }
}

/// How the engine `sparse` is to run a model; nothing here concerns other engines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SparseOptions {
    /// Threads over which one text is spread, its concepts and its tokens, and the texts of a list
    /// ([`Model::predict_list`](crate::Model::predict_list)), where the platform has threads. `None`: one for a text,
    /// one per core for a list. Answers are the same to the last bit however many there are.
    pub threads: Option<NonZeroUsize>,
    /// Which of the processor's instructions are used. `None`: the fastest that are known.
    pub instructions: Option<InstructionSet>,
}

impl SparseOptions {
    /// The same with this many threads.
    #[must_use]
    pub fn with_threads(self, threads: impl Into<Option<NonZeroUsize>>) -> SparseOptions {
        SparseOptions { threads: threads.into(), ..self }
    }

    /// The same with these instructions.
    #[must_use]
    pub fn with_instructions(
        self,
        instructions: impl Into<Option<InstructionSet>>,
    ) -> SparseOptions {
        SparseOptions { instructions: instructions.into(), ..self }
    }
}

/// How ONNX Runtime is to run a model; nothing here concerns other engines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrtOptions {
    /// ONNX Runtime's library: the file, or a folder that holds it, such as an unpacked wheel. Where it is
    /// `None` the library is looked for; `docs/guide/engines.md` says where.
    pub library: Option<PathBuf>,
    /// Threads of one run. `None`: all runs of the process share one pool with a thread per core.
    pub threads: Option<NonZeroUsize>,
    /// The most runs at one time; more callers than that wait. `None`: one per core.
    pub sessions: Option<NonZeroUsize>,
    /// The most bytes of GPU memory that the arena may take. `None`: no limit.
    pub cuda_memory_limit: Option<usize>,
    /// Whether GPU products may round their factors to TensorFloat-32: faster, about 3 decimal digits.
    pub cuda_tf32: bool,
}

impl OrtOptions {
    /// The same with this library, or with the one that is found.
    #[must_use]
    pub fn with_library(self, library: impl Into<Option<PathBuf>>) -> OrtOptions {
        OrtOptions { library: library.into(), ..self }
    }

    /// The same with this many threads of a run.
    #[must_use]
    pub fn with_threads(self, threads: impl Into<Option<NonZeroUsize>>) -> OrtOptions {
        OrtOptions { threads: threads.into(), ..self }
    }

    /// The same with at most this many runs at one time.
    #[must_use]
    pub fn with_sessions(self, sessions: impl Into<Option<NonZeroUsize>>) -> OrtOptions {
        OrtOptions { sessions: sessions.into(), ..self }
    }

    /// The same with at most this many bytes of GPU memory.
    #[must_use]
    pub fn with_cuda_memory_limit(self, bytes: impl Into<Option<usize>>) -> OrtOptions {
        OrtOptions { cuda_memory_limit: bytes.into(), ..self }
    }

    /// The same with TensorFloat-32 allowed or not.
    #[must_use]
    pub fn with_cuda_tf32(self, allowed: bool) -> OrtOptions {
        OrtOptions { cuda_tf32: allowed, ..self }
    }
}
