//! How a model came to be, so that a pickle can make it again from its file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use sparsecbm::{EngineChoice, LoadOptions, OrtOptions, Result, SparseOptions};

/// Where a model was loaded from, and how.
#[derive(Clone)]
pub(crate) struct Origin {
    /// `None` where it was loaded from memory.
    pub(crate) path: Option<PathBuf>,
    pub(crate) engine: String,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) ort_library: Option<PathBuf>,
}

impl Origin {
    pub(crate) fn options(&self) -> Result<LoadOptions> {
        let mut ort = OrtOptions::default().with_threads(self.threads);
        ort.library = self.ort_library.clone();
        Ok(LoadOptions::default()
            .with_engine(self.engine.parse::<EngineChoice>()?)
            .with_sparse(SparseOptions::default().with_threads(self.threads))
            .with_ort(ort))
    }
}
