//! What the npm package's WebAssembly exports. The package's own scripts in `js/` wrap it: they turn
//! `error::to_js`'s objects into `SparseCbmError`, fetch, and add the shapes that JavaScript expects.

mod error;
mod explain;
#[cfg(feature = "gradients")]
mod gradients;
mod model;
mod overrides;
mod prediction;
mod report;

#[cfg(feature = "gradients")]
pub use gradients::{RawEditTask, RawGradients};
pub use model::{Loader, RawModel};
pub use prediction::RawPrediction;
