//! ONNX Runtime's library: where it is found, and what is said where it cannot be used. A process loads one
//! library ever, so each case is a process of its own. `SPARSECBM_ORT_LIB` names the library to test with, and
//! `SPARSECBM_ORT_OLD` one that is too old; `tests/parts/onnxruntime` installs both.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;
use sparsecbm::{EngineChoice, ErrorKind, LoadOptions, Model};
use sparsecbm_exporter::ExportOptions;
use sparsecbm_tests::exported;
use tempfile::TempDir;

/// The program that loads a model and prints where it runs.
const DEVICE: &str = env!("CARGO_BIN_EXE_device");

/// A folder with an exported model, in which a case lays out its libraries.
struct Case {
    folder: TempDir,
    arguments: Vec<String>,
    variables: Vec<(&'static str, PathBuf)>,
    program: PathBuf,
}

impl Case {
    fn new(engine: &str) -> Case {
        let folder = TempDir::new().expect("a temporary folder");
        let model = folder.path().join("model.onnx");
        fs::write(&model, exported("tests/models/tiny", &ExportOptions::default()))
            .expect("written");
        let arguments = vec![model.display().to_string(), engine.to_string()];
        Case { folder, arguments, variables: Vec::new(), program: DEVICE.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        path
    }

    fn library(mut self, path: &Path) -> Case {
        self.arguments.push(path.display().to_string());
        self
    }

    fn variable(mut self, name: &'static str, path: &Path) -> Case {
        self.variables.push((name, path.into()));
        self
    }

    /// The program at another place, where the look-up begins beside it.
    fn program(mut self, name: &str) -> Case {
        let program = self.path(name);
        fs::copy(DEVICE, &program).expect("the program is copied");
        self.program = program;
        self
    }

    fn answer(&self) -> Value {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        for name in [
            "SPARSECBM_ORT_LIB",
            "ORT_DYLIB_PATH",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "LD_LIBRARY_PATH",
        ] {
            command.env_remove(name);
        }
        let output = command.envs(self.variables.clone()).output().expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{:?}: {output:?}", self.arguments);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// Asserts that ONNX Runtime runs every node.
    fn runs(&self) {
        let answer = self.answer();
        assert_eq!(answer["device"]["engine"], "ort-cpu", "{answer}");
        let nodes = answer["device"]["nodes"].as_object().expect("nodes by provider");
        assert_eq!(nodes.keys().collect::<Vec<_>>(), ["CPUExecutionProvider"]);
        assert!(nodes["CPUExecutionProvider"].as_u64() > Some(10), "{answer}");
    }

    /// Asserts that the error is `unavailable` and tells of each of `parts`.
    fn refuses(&self, parts: &[&str]) {
        let answer = self.answer();
        assert_eq!(answer["error"]["kind"], "unavailable", "{answer}");
        for part in parts {
            assert!(answer.to_string().contains(part), "no '{part}' in {answer}");
        }
    }
}

fn named(variable: &str) -> PathBuf {
    let path = env::var_os(variable).unwrap_or_else(|| panic!("{variable} is set by the part"));
    PathBuf::from(path).canonicalize().unwrap_or_else(|e| panic!("{variable}: {e}"))
}

/// The file of the library to test with.
fn library() -> PathBuf {
    named("SPARSECBM_ORT_LIB")
}

fn compile(source: &Path, output: &Path, arguments: &[&str]) {
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-o"]).arg(output).arg(source).args(arguments);
    assert!(command.status().expect("a C compiler").success());
}

#[test]
fn the_library_is_found_where_it_is_named() {
    let file = library();
    let capi = file.parent().expect("a folder");
    let wheel = capi.parent().and_then(Path::parent).expect("an installed wheel");
    for path in [&*file, capi, wheel] {
        Case::new("ort-cpu").library(path).runs();
    }
    Case::new("ort-cpu").variable("SPARSECBM_ORT_LIB", &file).runs();
    Case::new("ort-cpu").variable("ORT_DYLIB_PATH", capi).runs();
    // The first in order holds.
    let case = Case::new("ort-cpu").variable("SPARSECBM_ORT_LIB", &file);
    case.variable("ORT_DYLIB_PATH", Path::new("/nowhere")).runs();
}

#[test]
fn the_library_is_found_where_it_was_installed() {
    let file = library();
    let beside = Case::new("ort-cpu").program("bin/device");
    symlink(&file, beside.path("bin/libonnxruntime.so")).expect("a link");
    beside.runs();
    let lib = Case::new("ort-cpu").program("bin/device");
    symlink(&file, lib.path("lib/libonnxruntime.so.1")).expect("a link");
    lib.runs();
    let python = file.ancestors().nth(6).expect("a virtual environment");
    Case::new("ort-cpu").variable("VIRTUAL_ENV", python).runs();
    let loader = Case::new("ort-cpu");
    symlink(&file, loader.path("loaded/libonnxruntime.so")).expect("a link");
    let folder = loader.path("loaded");
    loader.variable("LD_LIBRARY_PATH", &folder).runs();
}

#[test]
fn without_a_library_every_step_is_told() {
    Case::new("ort-cpu").refuses(&[
        "SPARSECBM_ORT_LIB",
        "ORT_DYLIB_PATH",
        "beside the executable",
        "../lib",
        "Python environment",
        "loader's path",
    ]);
}

#[test]
fn what_is_named_must_serve() {
    let nowhere = Path::new("/nowhere/libonnxruntime.so");
    Case::new("ort-cpu").library(nowhere).refuses(&["option", "/nowhere/"]);
    Case::new("auto").library(nowhere).refuses(&["option", "/nowhere/"]);
    Case::new("ort-cpu").variable("SPARSECBM_ORT_LIB", nowhere).refuses(&["SPARSECBM_ORT_LIB"]);
    let empty = Case::new("ort-cpu");
    let folder = empty.folder.path().to_path_buf();
    empty.library(&folder).refuses(&["no library in"]);
}

#[test]
fn files_that_are_not_onnx_runtime_are_refused() {
    let case = Case::new("ort-cpu");
    let text = case.path("libonnxruntime.so");
    fs::write(&text, "not a library").expect("written");
    case.library(&text).refuses(&["libonnxruntime.so"]);

    let case = Case::new("ort-cpu");
    let (source, other) = (case.path("other.c"), case.path("libother.so"));
    fs::write(&source, "int other(void) { return 1; }").expect("written");
    compile(&source, &other, &[]);
    case.library(&other).refuses(&["another library than ONNX Runtime"]);

    let case = Case::new("ort-cpu");
    let pipe = case.path("libonnxruntime.so");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    case.library(&pipe).refuses(&["neither a file nor a folder"]);

    let case = Case::new("ort-cpu");
    let half = case.path("libonnxruntime.so");
    let bytes = fs::read(library()).expect("the library");
    fs::write(&half, &bytes[..bytes.len() / 2]).expect("written");
    case.library(&half).refuses(&["libonnxruntime.so"]);
}

#[test]
fn a_missing_dependency_is_named() {
    let case = Case::new("ort-cpu");
    let (source, absent) = (case.path("a.c"), case.path("libabsent.so"));
    fs::write(&source, "int absent(void) { return 1; }").expect("written");
    compile(&source, &absent, &["-Wl,-soname,libabsent.so"]);
    let dependent = case.path("libonnxruntime.so");
    let linked = absent.display().to_string();
    compile(&source, &dependent, &["-Wl,--no-as-needed", &linked]);
    fs::remove_file(&absent).expect("removed");
    case.library(&dependent).refuses(&["needing libabsent.so", "loader's path"]);
}

#[test]
fn a_library_that_is_too_old_is_refused_with_its_version() {
    let old = named("SPARSECBM_ORT_OLD");
    Case::new("ort-cpu").library(&old).refuses(&["ONNX Runtime 1.20.1", "1.24 or newer"]);
    // Found and not named, it is passed over; what comes after it is used.
    let case = Case::new("ort-cpu").program("bin/device");
    symlink(&old, case.path("bin/libonnxruntime.so")).expect("a link");
    symlink(library(), case.path("lib/libonnxruntime.so")).expect("a link");
    case.runs();
}

#[test]
fn auto_uses_what_there_is_and_says_why() {
    let found = Case::new("auto").variable("SPARSECBM_ORT_LIB", &library()).answer();
    assert_eq!(found["device"]["engine"], "ort-cpu");
    assert!(found["device"]["reason"].is_string());
    let missing = Case::new("auto").answer();
    assert_eq!(missing["device"]["engine"], "tract");
    let reason = missing["device"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("SPARSECBM_ORT_LIB"), "{reason}");
}

#[test]
fn a_gpu_that_is_not_there_is_an_error() {
    let case = Case::new("ort-cuda:7").variable("SPARSECBM_ORT_LIB", &library());
    case.refuses(&["ort-cuda:7"]);
}

#[test]
fn a_library_that_is_gone_after_the_start_serves_on() {
    for named in ["copy", "copy/libonnxruntime.so"] {
        let case = Case::new("ort-cpu");
        let copy = case.path("copy/libonnxruntime.so");
        fs::copy(library(), &copy).expect("the library is copied");
        let named = case.path(named);
        let mut case = case.library(&named);
        case.arguments.push(copy.display().to_string());
        let answer = case.answer();
        assert_eq!(answer["device"]["library"], copy.display().to_string());
        assert_eq!(answer["without"], serde_json::json!([answer["label"], answer["label"]]));
        assert!(!copy.exists());
    }
}

#[test]
fn a_process_keeps_its_library() {
    let bytes = exported("tests/models/tiny", &ExportOptions::default());
    let mut options = LoadOptions::default();
    options.engine = EngineChoice::OrtCpu;
    options.ort.library = Some(library());
    let first = Model::from_bytes(bytes.clone(), &options).expect("loads");
    let again = Model::from_bytes(bytes.clone(), &options).expect("loads from the same library");
    assert_eq!(first.device(), again.device());
    options.ort.library = Some(named("SPARSECBM_ORT_OLD"));
    let error = Model::from_bytes(bytes, &options).expect_err("another library");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.found().contains("loaded already"), "{error}");
}
