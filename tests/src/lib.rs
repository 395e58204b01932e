//! What every surface's tests share: the golden vectors, and the shipped and tiny checkpoints as
//! exported files; and ways to break them.

mod goldens;
pub mod hostile;
mod models;

pub use goldens::{Case, Goldens, Tensor, TokenCase, largest_difference, token_cases};
pub use models::{checkpoint, exported, repository};
