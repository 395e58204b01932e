use std::path::{Path, PathBuf};

use clap::Args;
use sparsecbm::explain::Subnetworks;
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

    /// The same, and its masks, of one reading of `file`.
    pub fn model_and_subnetworks(&self, file: &Path) -> Result<(Model, Subnetworks)> {
        let subnetworks = Subnetworks::load(file)?;
        let model = subnetworks.model(&self.engine.options());
        let model = model.map_err(|e| e.within(file.display()))?;
        let patches = self.patches()?;
        Ok((model.with_patches(&patches)?, subnetworks.with_patches(&patches)?))
    }

    fn patches(&self) -> Result<Vec<MaskPatch>> {
        self.patches.iter().map(MaskPatch::load).collect()
    }
}
