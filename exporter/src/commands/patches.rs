use std::path::PathBuf;

use clap::Args;
use sparsecbm::{MaskPatch, Model, Result};

/// Edits of the model's masks.
#[derive(Args)]
pub struct PatchArguments {
    /// Apply an edit that `sparsecbm edit --save` wrote. May be given several times; they are applied in
    /// order.
    #[arg(long = "patch", value_name = "FILE")]
    patches: Vec<PathBuf>,
}

impl PatchArguments {
    /// The model with the patches that were given.
    pub fn apply(&self, model: Model) -> Result<Model> {
        let patches: Vec<MaskPatch> =
            self.patches.iter().map(MaskPatch::load).collect::<Result<_>>()?;
        model.with_patches(&patches)
    }
}
