//! What is done with bytes from strangers: one function for each kind, which takes any bytes and must neither panic,
//! nor hang, nor touch memory that is not its own. `targets` gives them to fuzzers that follow coverage,
//! `tests/smoke.rs` to bytes broken at random. `docs/measurements/reliability.md` tells how to run the fuzzers and what
//! they found.

mod c_calls;
mod checkpoint;
mod graph;
mod seeds;
mod tokenizer;

pub use c_calls::c_calls;
pub use checkpoint::checkpoint;
pub use graph::{graph, graph_on_tract};
pub use seeds::seeds;
pub use tokenizer::tokenizer;

/// Lets a fuzzer see only panics that are caught nowhere: its own hook would end the process at those, too, that the
/// crate turns into errors.
pub fn allow_caught_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}
