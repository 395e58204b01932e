//! The built `sparsecbm` command on exported models: what it prints, and how it fails.

mod bench;
mod edit;
mod eval;
mod explain;
mod generate;
mod patch;
mod predict;
mod support;
