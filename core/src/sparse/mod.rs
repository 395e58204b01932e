//! Encoders whose masked products cost what the kept weights cost.
//!
//! `recognise`: finds such an encoder in a graph. `masked`: a weight and its mask as the file stores them. `pack`: from there straight to what the
//! kernel reads, in the layout that `cost` estimates to be cheapest. `build`: all layers of
//! all branches. `encoder`: runs them. `kernel`: the inner loops.

mod build;
mod cost;
mod encoder;
mod half;
mod kernel;
mod masked;
mod pack;
mod plan;
mod recognise;
#[cfg(test)]
mod tests;

pub(crate) use encoder::Encoder;
pub use plan::PlannedProduct;
