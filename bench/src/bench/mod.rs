//! How long a model takes, measured so that a busy machine does not decide the answer: everything
//! that is compared takes turns, and medians are told.

mod curve;
mod engines;
mod growth;
mod kernel;
mod large;
mod load;
mod memory;
mod model;
mod sparse;
mod threads;
mod timing;
mod weights;

pub use curve::{
    Accuracy, CurveMasks, CurvePoint, CurveReport, MaskShape, Trained, bench_curve, write_curve,
};
pub use engines::{BatchTimings, CallerRates, EnginesReport, Workload, bench_engines};
pub use growth::{Growth, GrowthReport, bench_growth, write_growth};
pub use kernel::{KernelReport, Peak, bench_kernel};
pub use large::{LargeReport, bench_large};
pub use memory::{EngineName, MemoryRow, Resident, bench_memory, resident};
pub use model::{BenchReport, Encode, bench_model};
pub use sparse::{SparseReport, SparseRow, bench_sparse};
pub use threads::{ThreadsRate, ThreadsReport, ThreadsRow, bench_threads};
pub use timing::{Case, Clock, Timing, take_turns};
pub use weights::{WeightsReport, WeightsRow, bench_weights, write_weights};
