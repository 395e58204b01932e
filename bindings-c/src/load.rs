use std::ffi::{c_char, c_void};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use sparsecbm::{EngineChoice, OrtOptions, SparseOptions};

use crate::arguments::{Out, array, string};
use crate::engine::{
    Engine, SCBM_ENGINE_AUTO, SCBM_ENGINE_ORT_CPU, SCBM_ENGINE_ORT_CUDA, SCBM_ENGINE_SPARSE,
    SCBM_ENGINE_TRACT,
};
use crate::model::Model;
use crate::options::{Options, known};
use crate::status::{Failure, Status, entry};

/// How a model is to be loaded. Set it to zero and `struct_size` to its size, then what you want:
/// `scbm_load_options options = {0}; options.struct_size = sizeof options;`
///
/// It only grows, and zero in a field always means what a library without that field did. A library older
/// than the header refuses a field that it does not know unless it is zero.
#[repr(C)]
pub struct LoadOptions {
    /// `sizeof(scbm_load_options)`.
    pub struct_size: u32,
    /// Which engine is to run the model. An engine that is not there is an error, never replaced.
    pub engine: Engine,
    /// CUDA's number of the GPU, for `SCBM_ENGINE_ORT_CUDA`.
    pub cuda_device: u32,
    /// Threads of one run of ONNX Runtime; 0: all runs share one pool with a thread per core.
    pub ort_threads: u32,
    /// ONNX Runtime's library, or the folder that holds it: UTF-8, ends in a zero byte. NULL: what the
    /// variable `SPARSECBM_ORT_LIB` or `ORT_DYLIB_PATH` names, else it is looked for beside the program, in
    /// the active Python environment and where the platform keeps libraries.
    pub ort_library: *const c_char,
    /// The most runs of ONNX Runtime at one time; more callers than that wait. 0: one per core.
    pub ort_sessions: u32,
    /// The most memory of the GPU that ONNX Runtime's arena may take, in MiB; 0: no limit.
    pub cuda_memory_mib: u32,
    /// 1: products on the GPU may round their factors to TensorFloat-32: faster, about 3 decimal digits.
    pub cuda_tf32: u32,
    /// Threads over which `SCBM_ENGINE_SPARSE` spreads one text, its concepts and its tokens, and over which a batch of
    /// texts is spread; 0: one for a text, one per core for a batch.
    pub threads: u32,
}

// SAFETY: numbers and a pointer; the first is a `u32`.
unsafe impl Options for LoadOptions {
    const NAME: &'static str = "scbm_load_options";
}

/// Loads an exported model from a file.
///
/// `path`: UTF-8, ends in a zero byte. `options`: NULL for the defaults. `model`: receives the model, which
/// is the caller's to free. Threads: any.
///
/// Errors: `IO` where the file cannot be read, `FORMAT`, `VERSION` and `MODEL` where it is not a model that
/// the library can run, `UNAVAILABLE` where the engine is not there, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_load(
    path: *const c_char,
    options: *const LoadOptions,
    model: *mut *mut Model,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (path, options, model) =
            unsafe { (string(path, "path")?, load_options(options)?, Out::new(model, "model")?) };
        model.write(Model::new(sparsecbm::Model::load(path, &options)?)?);
        Ok(())
    })
}

/// Loads an exported model from memory.
///
/// `bytes`: `length` bytes, the content of an exported file; not needed after the call. `options`, `model`,
/// threads and errors: as for `scbm_model_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_from_memory(
    bytes: *const c_void,
    length: usize,
    options: *const LoadOptions,
    model: *mut *mut Model,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (bytes, options, model) = unsafe {
            (
                array::<u8>(bytes.cast(), length, "bytes")?,
                load_options(options)?,
                Out::new(model, "model")?,
            )
        };
        model.write(Model::new(sparsecbm::Model::from_bytes(bytes.to_vec(), &options)?)?);
        Ok(())
    })
}

/// # Safety
/// `options` is NULL, or points to as many bytes as its first field says.
pub(crate) unsafe fn load_options(
    options: *const LoadOptions,
) -> Result<sparsecbm::LoadOptions, Failure> {
    // SAFETY: as the caller promises.
    let Some(given) = unsafe { known(options) }? else {
        return Ok(sparsecbm::LoadOptions::default());
    };
    let engine = match given.engine {
        SCBM_ENGINE_AUTO => EngineChoice::Auto,
        SCBM_ENGINE_TRACT => EngineChoice::Tract,
        SCBM_ENGINE_ORT_CPU => EngineChoice::OrtCpu,
        SCBM_ENGINE_ORT_CUDA => EngineChoice::OrtCuda { device: given.cuda_device },
        SCBM_ENGINE_SPARSE => EngineChoice::Sparse,
        other => {
            let found = format!("number {other}");
            return Err(Failure::argument("options: engine", found, "one of SCBM_ENGINE_…"));
        }
    };
    let number = |value: u32| NonZeroUsize::new(value as usize);
    let memory = number(given.cuda_memory_mib).map(|mib| mib.get().saturating_mul(1 << 20));
    let tf32 = match given.cuda_tf32 {
        0 => false,
        1 => true,
        other => {
            return Err(Failure::argument("options: cuda_tf32", other.to_string(), "0 or 1"));
        }
    };
    let mut ort = OrtOptions::default()
        .with_threads(number(given.ort_threads))
        .with_sessions(number(given.ort_sessions))
        .with_cuda_memory_limit(memory)
        .with_cuda_tf32(tf32);
    if !given.ort_library.is_null() {
        // SAFETY: a string that ends in a zero byte, as the caller promises.
        let library = unsafe { string(given.ort_library, "options: ort_library") }?;
        ort = ort.with_library(PathBuf::from(library));
    }
    Ok(sparsecbm::LoadOptions::default()
        .with_engine(engine)
        .with_sparse(SparseOptions::default().with_threads(number(given.threads)))
        .with_ort(ort))
}
