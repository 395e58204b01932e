use serde_json::Value;

use crate::support::{assert_fails, json, printed, run, tiny, write};

#[test]
fn every_part_is_measured() {
    let report =
        json(run([&"bench", &tiny(), &"--rounds", &"2", &"--engine", &"tract", &"--json"]));
    assert_eq!(report["engine"], "tract");
    // The tiny model reads 24 positions at most.
    let lengths: Vec<&Value> =
        report["encode"].as_array().unwrap().iter().map(|encode| &encode["tokens"]).collect();
    assert_eq!(lengths, [16]);
    assert_eq!(report["intervention_per_encode_32"], Value::Null);
    for timing in [&report["load"], &report["encode"][0], &report["intervention"]] {
        let [median, p95] = ["median_us", "p95_us"].map(|key| timing[key].as_f64().unwrap());
        assert!(0.0 < median && median <= p95, "{timing}");
        assert!(timing["runs"].as_u64().unwrap() >= 2, "{timing}");
    }
    let table = printed(run([&"bench", &tiny(), &"--rounds", &"1", &"--engine", &"tract"]));
    for part in ["Engine: tract", "load", "predict 16 tokens", "intervene"] {
        assert!(table.contains(part), "no '{part}' in:\n{table}");
    }
}

#[test]
fn bad_models_and_rounds_fail() {
    let file = write("not-for-bench.onnx", "text");
    assert_fails(run([&"bench", &file]), &["not-for-bench.onnx", "ONNX"]);
    assert_fails(run([&"bench", &tiny(), &"--rounds", &"0"]), &["--rounds"]);
}
