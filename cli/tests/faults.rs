//! What is on disk after an export that could not end, and what a loaded model does without its file.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sparsecbm::{LoadOptions, Model};

const SPARSECBM: &str = env!("CARGO_BIN_EXE_sparsecbm");

fn checkpoint(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    folder.to_str().expect("the path is UTF-8").into()
}

#[test]
fn a_full_disk_leaves_the_file_that_was_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    fs::write(&path, "an older model").expect("it can be written");
    // A limit on the size of files (in blocks) fails the write as a full disk would; the signal that comes
    // with it is ignored.
    let script = r#"trap '' XFSZ; ulimit -f 8; exec "$0" export "$1" -o "$2""#;
    let output = Command::new("bash")
        .args(["-c", script, SPARSECBM, &checkpoint("tests/models/tiny")])
        .arg(&path)
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("model.onnx: found ") && said.contains("a file to write"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("it is still there"), "an older model");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[test]
fn a_killed_export_leaves_a_whole_file_or_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    let mut killed = 0;
    for milliseconds in (0..400).step_by(25) {
        let mut export = Command::new(SPARSECBM)
            .args(["export", &checkpoint("tests/models/tiny"), "-o"])
            .arg(&path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("the command runs");
        std::thread::sleep(Duration::from_millis(milliseconds));
        export.kill().expect("it can be killed, or is done");
        killed += u32::from(!export.wait().expect("it ends").success());
        if path.exists() {
            Model::load(&path, &LoadOptions::default()).expect("what is there is whole");
            fs::remove_file(&path).expect("it can be removed");
        }
    }
    assert!(killed > 0, "every export was quicker than its end");
}

#[test]
fn a_loaded_model_does_not_need_its_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    let export = |name: &str| {
        let output = Command::new(SPARSECBM)
            .args(["export", &checkpoint(name), "-o"])
            .arg(&path)
            .output()
            .expect("the command runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    export("tests/models/tiny");
    let model = Model::load(&path, &LoadOptions::default()).expect("it loads");
    let logits = |model: &Model| {
        let prediction = model.predict("bad plot, good acting!").expect("a prediction");
        prediction.label().logits.to_vec()
    };
    let before = logits(&model);
    export("tests/models/tiny-executed");
    assert_eq!(logits(&model), before, "another model in its place");
    fs::write(&path, "no model at all").expect("it can be written");
    assert_eq!(logits(&model), before, "overwritten");
    fs::remove_file(&path).expect("it can be removed");
    assert_eq!(logits(&model), before, "removed");
}
