//! The exporter's choices as values of options: the library itself knows no command line.

use clap::ValueEnum;

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum WeightForm {
    /// 32-bit floats: exact.
    F32,
    /// 16-bit floats: exact where the checkpoint's own weights are.
    #[default]
    F16,
    /// Whole numbers from −127 to 127 times one factor a row: an output channel of a linear layer, an
    /// entry of an embedding table.
    Int8,
}

impl From<WeightForm> for sparsecbm_exporter::WeightForm {
    fn from(form: WeightForm) -> Self {
        match form {
            WeightForm::F32 => Self::F32,
            WeightForm::F16 => Self::F16,
            WeightForm::Int8 => Self::Int8,
        }
    }
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum MaskForm {
    /// weight ⊙ mask, once a concept.
    Folded,
    /// One shared weight, and the masks as bits that the graph unpacks.
    #[default]
    Packed,
}

impl From<MaskForm> for sparsecbm_exporter::MaskForm {
    fn from(form: MaskForm) -> Self {
        match form {
            MaskForm::Folded => Self::Folded,
            MaskForm::Packed => Self::Packed,
        }
    }
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum LayoutChoice {
    /// One branch a concept: for processors, and the only layout that the engine `sparse` knows.
    #[default]
    Branches,
    /// All concepts at once, each product a batch of K: for GPUs. Only transformers of as-intended
    /// semantics.
    Batched,
}

impl From<LayoutChoice> for sparsecbm_exporter::Layout {
    fn from(layout: LayoutChoice) -> Self {
        match layout {
            LayoutChoice::Branches => Self::Branches,
            LayoutChoice::Batched => Self::Batched,
        }
    }
}
