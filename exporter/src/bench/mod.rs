//! How long a model takes, measured so that a busy machine does not decide the answer: everything
//! that is compared takes turns, and medians are told.

mod engines;
mod model;
mod timing;

pub use engines::{BatchTimings, CallerRates, EnginesReport, bench_engines};
pub use model::{BenchReport, Encode, bench_model};
pub use timing::{Case, Timing, take_turns};
