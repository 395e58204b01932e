//! How a model came to be, so that a pickle can make it again from its file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use pyo3::prelude::*;
use sparsecbm::{EngineChoice, LoadOptions, MaskPatch, OrtOptions, Result, SparseOptions};

use crate::error::to_python;
use crate::model::Model;

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

    pub(crate) fn load(self, py: Python<'_>, patches: &[MaskPatch]) -> PyResult<Model> {
        let path = self.path.clone().expect("only what has a file is loaded from it");
        let inner =
            py.detach(|| sparsecbm::Model::load(path, &self.options()?)?.with_patches(patches));
        Ok(Model::new(inner.map_err(to_python)?, self))
    }
}

/// Loads a pickled model from its file.
#[pyfunction]
pub(crate) fn restore(
    py: Python<'_>,
    path: PathBuf,
    engine: String,
    threads: Option<NonZeroUsize>,
    ort_library: Option<PathBuf>,
    patches: Vec<String>,
) -> PyResult<Model> {
    let patches = patches.iter().map(|patch| MaskPatch::from_json(patch.as_bytes()));
    let patches: Vec<MaskPatch> = patches.collect::<Result<_>>().map_err(to_python)?;
    Origin { path: Some(path), engine, threads, ort_library }.load(py, &patches)
}
