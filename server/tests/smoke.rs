//! The fuzzer's target on its corpus and on requests broken at random: a short form of what `cargo fuzz` does.
//!
//! `SPARSECBM_FUZZ_MODEL` names the exported model; `tests/run server` makes it of `tests/models/tiny`.

#[path = "../fuzz/answer.rs"]
mod answer;
#[path = "../../tests/src/hostile.rs"]
mod hostile;

use std::fs;
use std::path::Path;

use answer::answer;
use axum::http::StatusCode;
use fastrand::Rng;
use hostile::{change_somewhere, for_each_seed};

/// The inputs that are committed, a sound request of each path.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.map(|entry| fs::read(entry.expect("it can be read").path()).expect("a file")).collect()
}

#[test]
fn sound_requests_are_answered_on_every_path() {
    let corpus = corpus();
    let mut paths: Vec<u8> = corpus.iter().map(|input| input[0]).collect();
    paths.sort_unstable();
    assert_eq!(paths, [0, 1, 2, 3, 4]);
    for input in corpus {
        let shown = String::from_utf8_lossy(&input);
        assert_eq!(answer(&input), Some(StatusCode::OK), "{shown}");
    }
}

#[test]
fn broken_requests_are_answered_too() {
    let corpus = corpus();
    for_each_seed(|random| {
        for input in &corpus {
            answer(&with_other_bytes(random, input));
            answer(&with_another_value(random, input));
        }
    });
}

fn with_other_bytes(random: &mut Rng, input: &[u8]) -> Vec<u8> {
    let mut input = input.to_vec();
    for _ in 0..random.usize(1..5) {
        let place = random.usize(..input.len());
        input[place] = random.u8(..);
    }
    input
}

/// The input with one value of its JSON changed; bytes that follow the JSON follow it still.
fn with_another_value(random: &mut Rng, input: &[u8]) -> Vec<u8> {
    let [path, header, body @ ..] = input else { panic!("an input of the corpus is a request") };
    let length = if *header == 255 { body.len() } else { usize::from(*header) * 4 };
    let (json, rest) = body.split_at(length);
    let mut value = serde_json::from_slice(json).expect("an input of the corpus is JSON");
    change_somewhere(random, &mut value);
    let mut json = value.to_string().into_bytes();
    let mut header = *header;
    if header != 255 {
        json.resize(json.len().next_multiple_of(4), b' ');
        header = (json.len() / 4).try_into().expect("the corpus is small");
    }
    [&[*path, header], &*json, rest].concat()
}
