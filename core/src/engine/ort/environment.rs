use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use ort::environment::{Environment, EnvironmentBuilder, GlobalThreadPoolOptions};

use super::library;
use crate::error::{Error, ErrorKind, Result};

/// ONNX Runtime in this process: it allows one environment of one library, ever.
#[derive(Clone)]
pub(super) struct Loaded {
    pub environment: Environment,
    /// The library's file, or the name by which the loader found it.
    pub library: String,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// The process's environment, made on the first call from the library at `option` or, where that is `None`,
/// from the first that the look-up finds.
///
/// # Errors
/// `Unavailable` where there is no library that can be used, or where another one is loaded already.
pub(super) fn loaded(option: Option<&Path>) -> Result<Loaded> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = &*loaded {
        return match option {
            Some(asked) if !library::holds(asked, Path::new(&loaded.library)) => Err(Error::new(
                ErrorKind::Unavailable,
                asked.display().to_string(),
                format!("{} loaded already", loaded.library),
                "one ONNX Runtime library a process",
            )),
            _ => Ok(loaded.clone()),
        };
    }
    let (builder, library) = open(option)?;
    let environment = environment(builder).map_err(|e| {
        Error::new(ErrorKind::Unavailable, &library, e.message(), "ONNX Runtime to start")
            .caused_by(e)
    })?;
    Ok(loaded.insert(Loaded { environment, library }).clone())
}

/// Loads the first library of the look-up that is an ONNX Runtime of an accepted version.
fn open(option: Option<&Path>) -> Result<(EnvironmentBuilder, String)> {
    let mut report = Vec::new();
    for step in library::search_steps(option) {
        let candidates = match library::candidates(&step) {
            Ok(candidates) => candidates,
            Err(error) if step.asked => return Err(error),
            Err(error) => {
                report.push(format!("{}: {}", step.what, error.found()));
                continue;
            }
        };
        for candidate in candidates {
            match ort::init_from(&candidate) {
                Ok(builder) => return Ok((builder, candidate.display().to_string())),
                Err(error) => {
                    let error = library::refused(&step, &candidate, &error);
                    if step.asked {
                        return Err(error);
                    }
                    report.push(format!("{}: {}", step.what, error.found()));
                }
            }
        }
    }
    let expected = format!("ONNX Runtime 1.{} or newer in one of these places", ort::MINOR_VERSION);
    Err(Error::new(ErrorKind::Unavailable, "ONNX Runtime's library", report.join("; "), expected))
}

fn environment(builder: EnvironmentBuilder) -> ort::Result<Environment> {
    let cores = available_parallelism().map_or(1, |cores| cores.get());
    let threads = GlobalThreadPoolOptions::default().with_intra_threads(cores)?;
    builder.with_name("sparsecbm").with_telemetry(false).with_global_thread_pool(threads).build()
}
