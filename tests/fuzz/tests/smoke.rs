//! The targets of the fuzzers on their corpora and on bytes broken at random: a short form of what `cargo fuzz` does.

use std::fs;
use std::path::Path;

use sparsecbm_tests::hostile::for_each_seed;

/// Runs a target on its corpus and on what becomes of it when a few bytes change.
fn smoke(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let corpus: Vec<Vec<u8>> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| fs::read(entry.expect("the folder can be read").path()).expect("a file"))
        .collect();
    assert!(!corpus.is_empty(), "{} is empty", folder.display());
    corpus.iter().for_each(|input| target(input));
    for_each_seed(|random| {
        let mut input = random.choice(&corpus).expect("some").clone();
        for _ in 0..random.usize(1..5) {
            match input.len() {
                0 => input.push(random.u8(..)),
                length => input[random.usize(..length)] = random.u8(..),
            }
        }
        target(&input);
    });
}

#[test]
fn graph() {
    smoke("graph", sparsecbm_fuzz::graph);
}

#[test]
fn graph_on_tract() {
    smoke("graph_on_tract", sparsecbm_fuzz::graph_on_tract);
}

#[test]
fn checkpoint() {
    smoke("checkpoint", sparsecbm_fuzz::checkpoint);
}

#[test]
fn tokenizer() {
    smoke("tokenizer", sparsecbm_fuzz::tokenizer);
}

#[test]
fn c_calls() {
    smoke("c_calls", sparsecbm_fuzz::c_calls);
}
