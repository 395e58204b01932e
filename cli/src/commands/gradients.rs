use std::path::{Path, PathBuf};

use clap::Args;
use sparsecbm::{Gradients, LoadOptions, Model, Result};

/// The gradients of a model.
#[derive(Args)]
pub struct GradientArguments {
    /// The file of gradients that `sparsecbm export --with-gradients` wrote; beside the model by default.
    #[arg(long, value_name = "FILE")]
    gradients: Option<PathBuf>,
}

impl GradientArguments {
    /// The gradients of the model in `file`.
    pub fn load(&self, file: &Path, model: &Model, options: &LoadOptions) -> Result<Gradients> {
        let beside = || file.with_extension("gradients.onnx");
        Gradients::load(self.gradients.clone().unwrap_or_else(beside), model, options)
    }
}
