//! The gradient file, which stands beside an exported one: `docs/reference/format.md`. Its graph is one concept's
//! branch as it is exported, with masks that are inputs, and behind it the same nodes backwards.

mod adjoint;
mod backward;
mod check;
mod shapes;
mod step;
mod write;

pub use self::check::GradientCheck;
pub use self::write::{ExportedGradients, GradientReport, export_gradients};
