//! What every surface's tests share: the golden vectors, and the shipped and tiny checkpoints as
//! exported files; and ways to break them.

mod goldens;
mod gradients;
pub mod hostile;
mod models;
mod pauses;

pub use goldens::{Case, Goldens, Tensor, TokenCase, largest_difference, token_cases};
pub use gradients::{GradientCase, GradientGoldens, IntegratedCase, Told, gradient_goldens};
pub use models::{
    REGISTRY, TestModel, checkpoint, exported, exported_gradients, graph_engine, known_to_sparse,
    repository, reviews, unknown_to_sparse,
};
pub use pauses::{pause, with_pauses};
