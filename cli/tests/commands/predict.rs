use std::ffi::OsString;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{assert_fails, json, printed, run, run_with, tiny, tiny_executed, write};

#[test]
fn the_command_says_its_name_and_what_it_takes() {
    let version = printed(run([&"--version"]));
    assert_eq!(version.trim_end(), concat!("sparsecbm ", env!("CARGO_PKG_VERSION")));
    let usage = "Usage: sparsecbm predict [OPTIONS] <MODEL> <TEXT|--input <FILE>>";
    assert!(printed(run([&"predict", &"--help"])).contains(usage));
    assert_fails(run([&"predict"]), &[usage]);
}

#[test]
fn a_text_gives_label_and_concepts() {
    let answer = json(run([&"predict", &tiny(), &"a film", &"--json"]));
    assert_eq!(answer["text"], "a film");
    assert_eq!(answer["label"]["name"], "verdict");
    let concepts = answer["concepts"].as_array().unwrap();
    let names: Vec<&Value> = concepts.iter().map(|concept| &concept["name"]).collect();
    assert_eq!(names, ["acting", "plot", "visual effects"]);
    for probabilities in concepts.iter().chain([&answer["label"]]).map(|c| &c["probabilities"]) {
        let sum: f64 = probabilities.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{probabilities}");
    }
    assert_eq!(answer["dropped_tokens"], 0);
    assert!(answer.get("corrected").is_none());
}

#[test]
fn set_corrects_concepts() {
    let answer = json(run([
        &"predict",
        &tiny(),
        &"a film",
        &"--set",
        &"plot=present",
        &"--set",
        &"visual effects = 0.25, 0.75",
        &"--json",
    ]));
    let corrected = &answer["corrected"];
    assert_eq!(corrected["concepts"][1]["class"], "present");
    assert_eq!(corrected["concepts"][1]["probabilities"], serde_json::json!([0.0, 1.0]));
    assert_eq!(corrected["concepts"][2]["probabilities"], serde_json::json!([0.25, 0.75]));
    let overridden = |k: usize| corrected["concepts"][k]["overridden"].as_bool().unwrap();
    assert_eq!([overridden(0), overridden(1), overridden(2)], [false, true, true]);
    assert_ne!(corrected["label"]["logits"], answer["label"]["logits"]);
    assert_eq!(answer["concepts"][1]["overridden"], false);
}

#[test]
fn tables_show_classes_before_and_after() {
    let before = printed(run([&"predict", &tiny_executed(), &"gut"]));
    for part in ["Note", "2.5", "mean", "Essen", "Lärm", "unbekannt"] {
        assert!(before.contains(part), "no '{part}' in:\n{before}");
    }
    assert!(!before.contains("corrected"));
    let after = printed(run([&"predict", &tiny_executed(), &"gut", &"--set", &"Lärm=schlecht"]));
    for part in ["before", "after", "supposed: schlecht"] {
        assert!(after.contains(part), "no '{part}' in:\n{after}");
    }
}

#[test]
fn supposed_and_corrected_concepts_are_told_apart() {
    let table = printed(run([
        &"predict",
        &tiny_executed(),
        &"gut",
        &"--set",
        &"Lärm=schlecht",
        &"--correct",
        &"Essen=gut",
    ]));
    for part in ["supposed: schlecht", "corrected: gut"] {
        assert!(table.contains(part), "no '{part}' in:\n{table}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sparsecbm"))
        .args([OsString::from("predict"), tiny().into(), "good".into(), "--json".into()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the command ends");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_long_text_is_cut_and_the_answer_says_so() {
    let long = "a film ".repeat(40);
    let answer = json(run([&"predict", &tiny(), &&*long, &"--json"]));
    assert_eq!(answer["tokens"].as_array().unwrap().len(), 24);
    assert!(answer["dropped_tokens"].as_u64().unwrap() > 0);
    assert!(printed(run([&"predict", &tiny(), &&*long])).contains("The text was cut"));
}

#[test]
fn every_line_of_an_input_is_predicted() {
    let lines = "{\"review\": \"a film\"}\n\n{\"review\": \"ein Film\", \"more\": 1}\r\n";
    let file = write("texts.jsonl", lines);
    let from_file = printed(run([&"predict", &tiny(), &"--input", &file, &"--json"]));
    let answers: Vec<Value> =
        from_file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], json(run([&"predict", &tiny(), &"a film", &"--json"])));
    assert_eq!(answers[1]["text"], "ein Film");

    let plain = b"a film\n\nein Film\n";
    let from_stdin = run_with([&"predict", &tiny(), &"--input", &"-", &"--json"], plain);
    assert_eq!(printed(from_stdin), from_file);
    let tables = printed(run_with([&"predict", &tiny(), &"--input", &"-"], plain));
    assert!(tables.contains("a film\n") && tables.contains("ein Film\n"), "{tables}");
}

#[test]
fn answers_stand_in_the_order_of_the_lines_on_any_number_of_threads() {
    let line = |i: usize| format!("{}a film\n", "good bad ".repeat(i % 7));
    let file = write("many-texts.txt", (0..1100).map(line).collect::<String>());
    for (engine, threads) in [("sparse", "1"), ("sparse", "3"), ("tract", "3")] {
        let answers = printed(run([
            &"predict",
            &tiny(),
            &"--input",
            &file,
            &"--json",
            &"--engine",
            &engine,
            &"--threads",
            &threads,
        ]));
        let answers: Vec<Value> =
            answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), 1100);
        for (i, answer) in answers.iter().enumerate() {
            assert_eq!(answer["text"], line(i).trim_end());
            assert_eq!(answer["label"], answers[i % 7]["label"], "{engine}, {threads} threads");
        }
    }
}

#[test]
fn bad_inputs_name_file_and_line() {
    let predict = |content: &[u8]| {
        let file = write("bad-texts.jsonl", content);
        run([&"predict", &tiny(), &"--input", &file, &"--json"])
    };
    let good = "{\"review\": \"a film\"}\n";
    let broken = format!("{good}{{\"review\": \"a fi");
    assert_fails(predict(broken.as_bytes()), &["bad-texts.jsonl: line 2", "EOF", "JSON object"]);
    let plain = format!("{good}a film\n");
    assert_fails(predict(plain.as_bytes()), &["bad-texts.jsonl: line 2", "JSON object"]);
    let other = format!("{good}\n{{\"text\": \"a film\"}}\n");
    assert_fails(predict(other.as_bytes()), &["line 3", "field 'review'", "no such field"]);
    let number = format!("{good}{{\"review\": 7}}\n");
    assert_fails(predict(number.as_bytes()), &["line 2", "field 'review'", "found 7", "a string"]);
    assert_fails(predict(b"a film\n\xff\xfe\n"), &["line 2", "UTF-8"]);
    assert_fails(predict(b"\n \n"), &["bad-texts.jsonl", "no text", "at least one"]);
    assert_fails(predict(b""), &["bad-texts.jsonl", "no text", "at least one"]);
    let missing = run([&"predict", &tiny(), &"--input", &"no/such/file.jsonl"]);
    assert_fails(missing, &["no/such/file.jsonl", "a readable file"]);
}

#[test]
fn bad_corrections_name_what_there_is() {
    let set = |value: &str| run([&"predict", &tiny(), &"a film", &"--set", &value]);
    assert_fails(set("music=present"), &["--set", "'music'", "'acting', 'plot'"]);
    assert_fails(set("plot=good"), &["class of 'plot'", "'good'", "'absent', 'present'"]);
    assert_fails(set("plot=0.5,0.6"), &["'plot'", "sum 1.1"]);
    assert_fails(set("plot=0.5,NaN"), &["'plot'", "NaN"]);
    assert_fails(set("plot=0.1,0.1,0.8"), &["'plot'", "3 values", "2"]);
    assert_fails(set("plot"), &["CONCEPT=CLASS"]);
}

#[test]
fn bad_models_and_bad_usage_fail() {
    let file = write("not.onnx", b"this is no ONNX file");
    assert_fails(run([&"predict", &file, &"a film"]), &["not.onnx", "ONNX"]);
    let cut = write("cut.onnx", &std::fs::read(tiny()).unwrap()[..5000]);
    assert_fails(run([&"predict", &cut, &"a film"]), &["cut.onnx"]);
    assert_fails(run([&"predict", &"no/such.onnx", &"a film"]), &["no/such.onnx", "readable"]);
    assert_fails(run([&"predict", &tiny()]), &["--input"]);
    assert_fails(run([&"predict", &tiny(), &"a film", &"--input", &"-"]), &["cannot be used"]);
    assert_fails(run([&"guess", &tiny()]), &["guess"]);
    let engine = run([&"predict", &tiny(), &"a film", &"--engine", &"steam"]);
    assert_fails(engine, &["'steam'", "tract"]);
    let nowhere = run([&"predict", &tiny(), &"a film", &"--ort-library", &"no/such/folder"]);
    assert_fails(nowhere, &["no/such/folder"]);
}
