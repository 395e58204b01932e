use std::path::{Path, PathBuf};

use clap::Args;
use sparsecbm::{MaskPatch, Model, Result};

use super::engine::EngineArguments;

/// How a model is loaded: with which edits of its masks, and what runs it.
#[derive(Args)]
pub struct LoadArguments {
    /// Apply an edit that `sparsecbm edit --save` wrote. May be given several times; they are applied in
    /// order.
    #[arg(long = "patch", value_name = "FILE")]
    patches: Vec<PathBuf>,
    #[command(flatten)]
    pub engine: EngineArguments,
}

impl LoadArguments {
    /// The model in `file`, edited and run as was asked.
    pub fn model(&self, file: &Path) -> Result<Model> {
        Model::load(file, &self.engine.options())?.with_patches(&self.patches()?)
    }

    fn patches(&self) -> Result<Vec<MaskPatch>> {
        self.patches.iter().map(MaskPatch::load).collect()
    }
}
