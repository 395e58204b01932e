use std::num::NonZeroUsize;

use sparsecbm::{EngineChoice, LoadOptions, Model, Result};

use sparsecbm_exporter::{Checkpoint, ExportOptions, MaskForm, export};

/// The exported file of a checkpoint that is measured, unchecked.
pub(super) fn exported(checkpoint: &Checkpoint, masks: MaskForm) -> Result<Vec<u8>> {
    let options = ExportOptions { masks, check: false, ..ExportOptions::default() };
    export(checkpoint, &options)?.to_bytes()
}

/// A file on one thread of `engine`.
pub(super) fn one_thread(
    file: Vec<u8>,
    engine: EngineChoice,
    options: &LoadOptions,
) -> Result<Model> {
    let mut options = options.clone();
    options.engine = engine;
    options.sparse.threads = NonZeroUsize::new(1);
    options.ort.threads = NonZeroUsize::new(1);
    Model::from_bytes(file, &options)
}
