use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex};

use serde_json::Value;
use sparsecbm_exporter::{Checkpoint, ExportOptions, export};
use tempfile::TempDir;

/// Everything that the tests of this process write.
pub static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| TempDir::new().expect("a temporary folder"));

/// The checkpoint in folder `model` of the repository as an exported file, written once.
pub fn exported(model: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let path = FOLDER.path().join(model.replace('/', "-")).with_extension("onnx");
    if !path.exists() {
        let folder = repository().join(model);
        let checkpoint = Checkpoint::open(&folder).unwrap_or_else(|e| panic!("{e}"));
        let exported = export(&checkpoint, &ExportOptions::default());
        exported.and_then(|e| e.write_to(&path)).unwrap_or_else(|e| panic!("{e}"));
    }
    path
}

/// Three concepts of two classes, a label whose classes are words.
pub fn tiny() -> PathBuf {
    exported("tests/models/tiny")
}

/// Two concepts of three classes, a label whose classes are numbers, fields for human edits.
pub fn tiny_executed() -> PathBuf {
    exported("tests/models/tiny-executed")
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the command lies in the repository")
}

/// A file in a folder of its own: tests run side by side.
pub fn write(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let folder = TempDir::new_in(FOLDER.path()).expect("a folder in the temporary one").keep();
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a file in the temporary folder");
    path
}

/// Runs the command with `stdin` as its standard input.
pub fn run_with<const N: usize>(arguments: [&dyn AsArgument; N], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sparsecbm"))
        .args(arguments.map(|argument| argument.text()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that fails early does not read its input.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin);
    child.wait_with_output().expect("the command ends")
}

pub fn run<const N: usize>(arguments: [&dyn AsArgument; N]) -> Output {
    run_with(arguments, b"")
}

/// What a command that succeeds prints.
pub fn printed(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    assert_eq!(errors, "", "nothing but a progress bar belongs on stderr");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The JSON that a command prints.
pub fn json(output: Output) -> Value {
    serde_json::from_str(&printed(output)).expect("JSON on stdout")
}

/// The message of a command that fails: exit code 2, a message that says all of `parts`, and nothing
/// on stdout.
pub fn assert_fails(output: Output, parts: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    for part in parts {
        assert!(message.contains(part), "no '{part}' in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

/// Arguments are texts or paths.
pub trait AsArgument {
    fn text(&self) -> std::ffi::OsString;
}

impl AsArgument for &str {
    fn text(&self) -> std::ffi::OsString {
        self.into()
    }
}

impl AsArgument for PathBuf {
    fn text(&self) -> std::ffi::OsString {
        self.into()
    }
}
