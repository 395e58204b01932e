//! Encoders whose masked products cost what the kept weights cost: `docs/design/sparse-kernels.md`.
//!
//! `lower` finds such an encoder in a graph; `masked` is a weight and its mask as the file stores them, `kept` which of
//! its weights count; `pack` goes from there straight to what the kernel reads, in the layout that `cost` estimates to
//! be cheapest; `build` does so for all layers and heads; `embed` runs what all masks share, `branch` what is under one
//! of them, `team` spreads one text over threads, and `encoder` is all of it. `kernel` holds the inner loops; `trial`
//! lends them out to be timed.

mod branch;
mod build;
mod cost;
mod embed;
mod encoder;
mod half;
mod kept;
mod kernel;
mod lower;
mod masked;
mod pack;
mod plan;
mod team;
#[cfg(test)]
mod tests;
mod trial;

pub use cost::{Cost, PackLayout, TOKENS};
pub(crate) use encoder::{Encoder, Unpacked};
pub use kernel::InstructionSet;
pub use plan::PlannedProduct;
pub use trial::{CostTrials, Fit, ProductTrial};
