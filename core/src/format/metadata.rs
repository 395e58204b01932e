//! The keys of `metadata_props`, and the versions that they tell.

/// `major.minor` of the exported file's format.
pub const VERSION: &str = "sparsecbm.version";
/// The checkpoint's `sparsecbm.json`.
pub const SCHEMA: &str = "sparsecbm.schema";
/// The checkpoint's `tokenizer.json`.
pub const TOKENIZER: &str = "sparsecbm.tokenizer";
/// How the file was written, as JSON.
pub const EXPORT: &str = "sparsecbm.export";
/// Mask statistics, as JSON.
pub const MASKS: &str = "sparsecbm.masks";
/// What tells the checkpoint from any other.
pub const CHECKPOINT: &str = "sparsecbm.checkpoint";
/// `major.minor` of the gradient file's format.
pub const GRADIENTS_VERSION: &str = "sparsecbm.gradients.version";
/// How a gradient file was written, as JSON.
pub const GRADIENTS: &str = "sparsecbm.gradients";

/// A field of [`EXPORT`]: the heads of each attention layer.
pub const ATTENTION_HEADS: &str = "attention_heads";
/// A field of [`EXPORT`]: the form in which weights are stored.
pub const WEIGHTS: &str = "weights";

/// The version of the gradient file's format that is written.
pub const GRADIENTS_FORMAT: &str = "1.0";
