//! Requests from strangers, for a fuzzer that follows coverage.
//!
//! `SPARSECBM_FUZZ_MODEL` names the exported model. `docs/measurements/reliability.md` tells how to run it.

#![no_main]

mod answer;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    answer::answer(bytes);
});
