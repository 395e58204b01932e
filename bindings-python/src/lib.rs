//! The native module of the Python package `sparsecbm`: it converts, and does nothing else. What Python sees of it is
//! described in `python/sparsecbm/_sparsecbm.pyi`.

mod arrays;
mod command;
mod concept;
mod edit;
mod error;
mod explanation;
mod export;
mod input;
mod interrupt;
mod model;
mod origin;
mod overrides;
mod prediction;
mod report;
mod subnetworks;

/// What the package makes public.
#[pyo3::pymodule]
mod _sparsecbm {
    #[pymodule_export]
    use super::command::run;
    #[pymodule_export]
    use super::concept::{Concept, Variable};
    #[pymodule_export]
    use super::edit::{Edit, MaskPatch};
    #[pymodule_export]
    use super::explanation::Explanation;
    #[pymodule_export]
    use super::export::{export, inspect};
    #[pymodule_export]
    use super::model::{Model, restore};
    #[pymodule_export]
    use super::prediction::{Prediction, Token};
    #[pymodule_export]
    use super::subnetworks::Subnetworks;

    /// The crate's version.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
