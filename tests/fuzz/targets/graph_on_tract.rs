#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sparsecbm_fuzz::allow_caught_panics(),
    |bytes: &[u8]| sparsecbm_fuzz::graph_on_tract(bytes)
);
