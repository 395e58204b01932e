//! What the npm package's WebAssembly exports. The package's own scripts in `js/` wrap it: they turn
//! `error::to_js`'s objects into `SparseCbmError`, fetch, and add the shapes that JavaScript expects.

mod error;
mod explain;
#[cfg(feature = "gradients")]
mod gradients;
mod model;
mod overrides;
mod panicked;
mod pausing;
mod prediction;
mod report;
#[cfg(feature = "trial")]
mod trial;

#[cfg(feature = "gradients")]
pub use gradients::{RawEditTask, RawGradients};
pub use model::{Loader, RawModel};
pub use panicked::take_panic;
pub use pausing::RawWork;
pub use prediction::RawPrediction;
#[cfg(feature = "trial")]
pub use trial::RawTrials;
