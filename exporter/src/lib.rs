//! Turns a trained checkpoint (`docs/reference/checkpoint.md`) into one ONNX file (`docs/reference/format.md`).
//!
//! ```no_run
//! use sparsecbm_exporter::{Checkpoint, ExportOptions, export};
//!
//! # fn main() -> sparsecbm::Result<()> {
//! let checkpoint = Checkpoint::open("examples/models/cebab")?;
//! let exported = export(&checkpoint, &ExportOptions::default())?;
//! exported.write_to("model.onnx")?;
//! # Ok(())
//! # }
//! ```

mod backbone;
mod check;
mod checkpoint;
mod export;
mod file;
mod gradient;
mod graph;
mod inspect;
mod layout;
mod options;
mod reference;
mod streaming;
mod triton;
mod weights;

pub use check::{CheckReport, Differences};
pub use checkpoint::Checkpoint;
pub use export::{Description, ExportReport, Exported, export};
pub use gradient::{ExportedGradients, GradientCheck, GradientReport, export_gradients};
pub use inspect::{Inspection, Sizes, inspect};
pub use layout::Layout;
pub use options::ExportOptions;
pub use weights::{MaskForm, WeightForm};
