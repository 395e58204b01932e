//! Where ONNX Runtime's library is looked for, and why one is refused.

use std::env;
use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::elf;
use crate::error::{Error, ErrorKind, Result};

/// One step of the look-up.
pub(super) struct SearchStep {
    /// What the step is, for people.
    pub what: String,
    /// A file, a folder, or a bare name for the loader; `None` where the step has nothing to look at.
    path: Option<PathBuf>,
    /// Whether a person named it: then it must serve, and nothing else is tried.
    pub asked: bool,
}

/// The steps, in order.
pub(super) fn search_steps(option: Option<&Path>) -> Vec<SearchStep> {
    if let Some(path) = option {
        return vec![SearchStep { what: "option".into(), path: Some(path.into()), asked: true }];
    }
    let variable = |name: &str| {
        let path = env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        SearchStep { what: name.into(), asked: path.is_some(), path }
    };
    let folder =
        |what: &str, path: Option<PathBuf>| SearchStep { what: what.into(), path, asked: false };
    let executable = env::current_exe().ok().and_then(|file| file.parent().map(Path::to_path_buf));
    let python = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .into_iter()
        .find_map(|name| env::var_os(name).filter(|value| !value.is_empty()));
    let mut search_steps = vec![
        variable("SPARSECBM_ORT_LIB"),
        variable("ORT_DYLIB_PATH"),
        folder("beside the executable", executable.clone()),
        folder("../lib of the executable", executable.map(|folder| folder.join("../lib"))),
        folder(
            "the active Python environment",
            python.and_then(|root| python_package(Path::new(&root))),
        ),
    ];
    search_steps.extend(LOADER_NAMES.iter().map(|name| SearchStep {
        what: format!("the loader's path for {name}"),
        path: Some(name.into()),
        asked: false,
    }));
    search_steps
}

#[cfg(windows)]
const LOADER_NAMES: &[&str] = &["onnxruntime.dll"];
#[cfg(target_vendor = "apple")]
const LOADER_NAMES: &[&str] = &["libonnxruntime.dylib"];
#[cfg(not(any(windows, target_vendor = "apple")))]
const LOADER_NAMES: &[&str] = &["libonnxruntime.so", "libonnxruntime.so.1"];

/// The folder of an environment's package `onnxruntime`, where it has one.
fn python_package(root: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(root.join("lib")).into_iter().flatten().flatten();
    let unix = versions.map(|entry| entry.path().join("site-packages/onnxruntime"));
    unix.chain([root.join("Lib/site-packages/onnxruntime")]).find(|folder| folder.is_dir())
}

/// The library files that a step offers, the newest first.
///
/// # Errors
/// `Unavailable` where it offers none.
pub(super) fn candidates(step: &SearchStep) -> Result<Vec<PathBuf>> {
    let nothing = |found: String| {
        let where_ = step.path.as_ref().map(|path| path.display().to_string());
        let where_ = where_.map_or(step.what.clone(), |path| format!("{}: {path}", step.what));
        Err(Error::new(ErrorKind::Unavailable, where_, found, "ONNX Runtime's library"))
    };
    let Some(path) = &step.path else {
        return nothing("nothing set".into());
    };
    if path.is_dir() {
        let files = in_folder(path);
        return if files.is_empty() {
            nothing(format!("no library in {}", path.display()))
        } else {
            Ok(files)
        };
    }
    match fs::metadata(path) {
        // Opening a pipe would wait for its writer.
        Ok(metadata) if !metadata.is_file() => nothing("neither a file nor a folder".into()),
        Ok(_) if elf::is_cut_short(path).unwrap_or(false) => {
            nothing(format!("{} cut short", path.display()))
        }
        Ok(_) => Ok(vec![path.canonicalize().unwrap_or_else(|_| path.clone())]),
        // A bare name is the loader's to find.
        Err(_) if path.components().count() == 1 => Ok(vec![path.clone()]),
        Err(error) => nothing(error.to_string()),
    }
}

/// The library files in `folder`, or where an unpacked wheel, an installed package or a release archive has
/// them below it; the newest version first.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let inner = ["", "capi", "onnxruntime/capi", "lib"].map(|inner| folder.join(inner));
    let mut files: Vec<PathBuf> = inner
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && is_library(path))
        .filter(|path| !elf::is_cut_short(path).unwrap_or(false))
        .map(|path| path.canonicalize().unwrap_or(path))
        .collect();
    files.sort_by_key(|path| std::cmp::Reverse(version(path)));
    files.dedup();
    files
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == "onnxruntime.dll"
        || name == "libonnxruntime.so"
        || name.starts_with("libonnxruntime.so.")
        || name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
}

/// The numbers in a file's name: [1, 32, 0] of `libonnxruntime.so.1.32.0`.
fn version(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// Whether `file` is one of those that asking for `asked` would load, or would have loaded: a library that is
/// loaded serves on when its file is gone.
pub(super) fn holds(asked: &Path, file: &Path) -> bool {
    let step = SearchStep { what: String::new(), path: Some(asked.into()), asked: true };
    candidates(&step).is_ok_and(|files| files.iter().any(|candidate| candidate == file))
        || (!file.exists() && file.starts_with(asked))
}

/// Why `candidate` is not the library that is needed.
pub(super) fn refused(step: &SearchStep, candidate: &Path, error: &ort::LoadDynamicError) -> Error {
    use ort::LoadDynamicError as Reason;
    let file = candidate.display();
    let (found, expected) = match error {
        Reason::BadVersion { version_str, .. } => (
            format!("ONNX Runtime {version_str} in {file}"),
            format!("1.{} or newer", ort::MINOR_VERSION),
        ),
        Reason::MissingApi { .. } | Reason::InvalidVersionString => {
            (format!("another library than ONNX Runtime in {file}"), "ONNX Runtime".to_string())
        }
        Reason::Dlopen { error, .. } => {
            let message = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            match missing_dependency(&message, candidate) {
                Some(name) => (
                    format!("{file} needing {name}, which is not there"),
                    format!("the library {name} on the loader's path"),
                ),
                None => (message, "a library that the loader can open".to_string()),
            }
        }
    };
    Error::new(ErrorKind::Unavailable, &step.what, found, expected)
}

/// The library that the loader's message misses, where that is another than `candidate`.
fn missing_dependency(message: &str, candidate: &Path) -> Option<String> {
    let (name, _) = message.split_once(": cannot open shared object file")?;
    (Path::new(name) != candidate).then(|| name.to_string())
}
