//! `export` and `inspect`: what they write, print and refuse.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_command_exports_and_inspects() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models/tiny");
    let sparsecbm = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sparsecbm"));
        let source = checkpoint.to_str().expect("the path is UTF-8").to_string();
        let target = path.to_str().expect("the path is UTF-8").to_string();
        let arguments = arguments.iter().map(|argument| match *argument {
            "CHECKPOINT" => source.clone(),
            "FILE" => target.clone(),
            other => other.into(),
        });
        command.args(arguments).output().expect("the command runs")
    };
    let json = |output: std::process::Output| -> serde_json::Value {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("standard output is JSON alone")
    };

    let failed = sparsecbm(&["export", "CHECKPOINT", "-o", "FILE", "--atol", "1e-12"]);
    assert_eq!(failed.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("expected at most 1e-12"));
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);

    let report =
        json(sparsecbm(&["export", "CHECKPOINT", "-o", "FILE", "--weights", "int8", "--json"]));
    assert_eq!(report["weights"], "int8");
    assert_eq!(report["masks"], "packed");
    assert_eq!(report["bytes"], fs::metadata(&path).expect("the file is there").len());
    assert!(report["check"]["differences"]["label_logits"].as_f64().expect("a number") <= 1e-4);
    assert!(report["check"]["rounding"]["concept_logits"].as_f64().expect("a number") > 0.0);

    // The same file with accuracy measured, on reviews of our own making.
    let data = folder.path().join("reviews.jsonl");
    let line = |verdict: &str| {
        format!(
            concat!(
                r#"{{"review": "good plot", "has_acting": "absent", "has_plot": "present", "#,
                r#""has_effects": "absent", "verdict": "{verdict}"}}"#
            ),
            verdict = verdict
        ) + "\n"
    };
    fs::write(&data, ["awful", "poor", "fine", "great"].map(line).concat())
        .expect("it can be written");
    let data = data.to_str().expect("the path is UTF-8");
    let report =
        json(sparsecbm(&["export", "CHECKPOINT", "-o", "FILE", "--measure", data, "--json"]));
    assert_eq!(report["accuracy"]["reviews"], 4);
    // One text with each of the four labels: one of them is what the model says.
    assert_eq!(report["accuracy"]["before"]["label"], 0.25);
    assert_eq!(report["accuracy"]["after"]["label"], 0.25);

    let of_file = json(sparsecbm(&["inspect", "FILE", "--json"]));
    let of_folder = json(sparsecbm(&["inspect", "CHECKPOINT", "--json"]));
    assert_eq!(of_file["schema"], of_folder["schema"]);
    assert_eq!(of_file["masks"], of_folder["masks"]);
    assert_eq!(of_file["parameters"], of_folder["parameters"]);
    assert_eq!(of_file["export"]["weights"], "f16");
    assert!(sparsecbm(&["inspect", "FILE"]).status.success());
}
