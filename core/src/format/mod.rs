//! What exporter and core must agree on: the names, metadata and forms of `docs/reference/format.md`, each said once.
//!
//! The exporter writes them; `Model`, `Subnetworks`, gradient files and the sparse kernels look for them. A graph that
//! says anything else is still a model: it runs on the engines that run graphs.

pub mod blocks;
pub mod metadata;
pub mod nodes;
pub mod tensors;
