use serde_json::{Value, json};

use crate::support::{FOLDER, assert_fails, json, printed, run, tiny, write};

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
fn engines_are_compared_on_the_batches_asked_for() {
    let report = json(run([
        &"bench",
        &tiny(),
        &"--engines",
        &"tract,sparse",
        &"--batches",
        &"1,3",
        &"--tokens",
        &"8",
        &"--rounds",
        &"1",
        &"--json",
        &"--callers",
    ]));
    let batches = report["batches"].as_array().unwrap();
    let shapes: Vec<_> = batches.iter().map(|batch| (&batch["texts"], &batch["tokens"])).collect();
    assert_eq!(shapes, [(&json!(1), &json!(8)), (&json!(3), &json!(8))]);
    for batch in batches {
        let medians = batch["timings"].as_array().unwrap();
        assert_eq!(medians.len(), 2, "{batch}");
        assert!(medians.iter().all(|timing| timing["median_us"].as_f64().unwrap() > 0.0));
    }
    assert_eq!(report["callers"], json!([]));
    // More positions than the model takes.
    let long = run([&"bench", &tiny(), &"--engines", &"tract", &"--tokens", &"100"]);
    assert_fails(long, &["100 tokens"]);
}

#[test]
fn bad_models_and_rounds_fail() {
    let file = write("not-for-bench.onnx", "text");
    assert_fails(run([&"bench", &file]), &["not-for-bench.onnx", "ONNX"]);
    assert_fails(run([&"bench", &tiny(), &"--rounds", &"0"]), &["--rounds"]);
}

#[test]
fn the_cost_model_is_fitted_in_every_layout() {
    let report = json(run([&"bench", &"kernel", &"--rounds", &"1", &"--json"]));
    assert_eq!(report["tokens"], 32);
    let fits = report["fits"].as_array().unwrap();
    let peaks = report["peaks"].as_array().unwrap();
    assert_eq!(fits.len(), 3 * peaks.len());
    for fit in fits {
        let [entry, group] = ["entry", "group"].map(|part| fit["fitted"][part].as_f64().unwrap());
        assert!(entry >= 0.0 && group >= 0.0 && entry + group > 0.0, "{fit}");
    }
    assert!(peaks.iter().all(|peak| peak["giga_multiply_adds"].as_f64().unwrap() > 0.0));
}

#[test]
fn threads_are_compared_with_one() {
    let model = tiny();
    let report =
        json(run([&"bench", &"threads", &model, &"--threads", &"3", &"--rounds", &"1", &"--json"]));
    let rows = report["rows"].as_array().unwrap();
    let shapes: Vec<_> = rows.iter().map(|row| (&row["texts"], &row["tokens"])).collect();
    // The tiny model reads 24 positions at most.
    assert_eq!(shapes, [(&json!(1), &json!(16)), (&json!(64), &json!(16))]);
    for row in rows {
        let [one, three] = row["rates"].as_array().unwrap().as_slice() else { panic!("{row}") };
        assert_eq!((&one["threads"], &three["threads"]), (&json!(1), &json!(3)));
        assert_eq!(one["times_one_thread"], 1.0);
        assert!(three["texts_per_second"].as_f64().unwrap() > 0.0, "{row}");
    }
    let table = printed(run([&"bench", &"threads", &model, &"--rounds", &"1"]));
    for part in ["one of 16 tokens", "64 of up to 16 tokens", "times one thread"] {
        assert!(table.contains(part), "no '{part}' in:\n{table}");
    }
    assert_fails(run([&"bench", &"threads", &model, &"--threads", &"0"]), &["--threads"]);
}

#[test]
fn models_are_told_from_few_weights_to_many() {
    let (tiny, folder) = (tiny(), FOLDER.path().join("figures"));
    let report = json(run([
        &"bench",
        &"weights",
        &tiny,
        &tiny,
        &"--tokens",
        &"8",
        &"--rounds",
        &"1",
        &"--figures",
        &folder,
        &"--json",
    ]));
    let models = report["models"].as_array().unwrap();
    assert_eq!((models.len(), &models[0]["weights"]), (2, &models[1]["weights"]));
    assert!(models[0]["weights"].as_u64().unwrap() > 0, "{report}");
    let figure = std::fs::read_to_string(folder.join("growth-weights.svg")).expect("a figure");
    assert!(figure.contains("texts of 8 tokens"), "{figure}");
    let table = printed(run([&"bench", &"weights", &tiny, &"--tokens", &"8", &"--rounds", &"1"]));
    assert!(table.contains("weights kept") && table.contains("a million weights"), "{table}");
    assert_fails(run([&"bench", &"weights", &tiny, &"--tokens", &"1000"]), &["1000 tokens"]);
}

#[test]
fn commands_that_compare_need_a_checkpoint() {
    let file = write("not-a-checkpoint", "text");
    for what in ["sparse", "growth", "memory"] {
        assert_fails(run([&"bench", &what, &file]), &["not-a-checkpoint", "folder"]);
    }
    assert_fails(run([&"bench"]), &["<MODEL>"]);
}

/// What `bench memory` runs in a process of its own; only Linux tells.
#[cfg(target_os = "linux")]
#[test]
fn a_process_tells_its_memory() {
    let resident =
        json(run([&"bench", &"resident", &tiny(), &"--engine", &"sparse", &"--longest", &"16"]));
    let [before, after, peak] =
        ["before", "after", "peak"].map(|key| resident[key].as_u64().unwrap());
    assert!(0 < before && before <= peak && after <= peak, "{resident}");
}

#[test]
fn the_plan_names_every_product_and_what_it_costs() {
    let report = json(run([&"inspect", &tiny(), &"--plan", &"--json"]));
    let plan = report["plan"].as_array().unwrap();
    let model = report["schema"]["concepts"].as_array().unwrap();
    // In each branch the heads, and of each layer query with key and value, output, inner, outer.
    assert_eq!(plan.len() % model.len(), 0);
    assert_eq!((plan.len() / model.len() - 1) % 4, 0);
    for product in plan {
        let layout = product["layout"].as_str().unwrap();
        assert!(["dense", "blocks", "rows"].contains(&layout), "{product}");
        let [time, dense] =
            ["microseconds", "dense_microseconds"].map(|key| product[key].as_f64().unwrap());
        assert!(0.0 < time && time <= dense, "{product}");
    }
    let table = printed(run([&"inspect", &tiny(), &"--plan"]));
    for part in ["Plan of the engine sparse", "concept_head", "estimates for 32 tokens"] {
        assert!(table.contains(part), "no '{part}' in:\n{table}");
    }
    assert!(json(run([&"inspect", &tiny(), &"--json"])).get("plan").is_none());
}
