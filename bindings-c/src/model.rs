use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::Arc;

use sparsecbm::EngineChoice;

use crate::arguments::{Out, array, element, reference, string};
use crate::names::{Names, VariableNames};
use crate::status::{Failure, Status, entry, free};

/// A loaded model. Never changes, so any number of threads may use one at the same time. Freed by
/// `scbm_model_free`; its predictions hold on to what they need and may outlive it.
pub struct Model {
    pub(crate) inner: sparsecbm::Model,
    pub(crate) names: Arc<Names>,
    engine: CString,
}

/// Which engine is to run a model: one of the `SCBM_ENGINE_…`.
pub type Engine = i32;

/// The best engine there is; `scbm_model_get_info` says which it was.
pub const SCBM_ENGINE_AUTO: Engine = 0;
/// tract: on any processor, no other library needed.
pub const SCBM_ENGINE_TRACT: Engine = 1;
/// ONNX Runtime on the processor, in libraries that were built with it.
pub const SCBM_ENGINE_ORT_CPU: Engine = 2;
/// ONNX Runtime on an NVIDIA GPU, in libraries that were built with it.
pub const SCBM_ENGINE_ORT_CUDA: Engine = 3;

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
    /// Threads of one run of ONNX Runtime; 0: all runs share one pool with a thread a core.
    pub ort_threads: u32,
    /// ONNX Runtime's library, or the folder that holds it: UTF-8, ends in a zero byte. NULL: it is looked
    /// for where the platform keeps libraries.
    pub ort_library: *const c_char,
}

/// What a model is. Its strings live as long as the model.
#[repr(C)]
pub struct ModelInfo {
    /// K, the number of concepts.
    pub concept_count: usize,
    /// C, the number of classes of each concept.
    pub class_count: usize,
    /// L, the number of classes of the label.
    pub label_class_count: usize,
    /// The most tokens that the model reads, special ones included; what is beyond is left out.
    pub max_length: usize,
    /// The engine really in use, for people.
    pub engine: *const c_char,
}

/// A concept or the label: a name and its classes in order. Its strings live as long as the model.
#[repr(C)]
pub struct Variable {
    /// The name.
    pub name: *const c_char,
    /// How many classes there are.
    pub class_count: usize,
    /// `class_count` names.
    pub class_names: *const *const c_char,
}

/// Loads an exported model from a file.
///
/// `path`: UTF-8, ends in a zero byte. `options`: NULL for the defaults. `model`: receives the model, which
/// is the caller's to free.
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
/// `bytes`: `length` bytes, the content of an exported file; not needed after the call. `options`, `model`
/// and errors: as for `scbm_model_load`.
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

/// Frees a model; NULL is fine. Legal while predictions of it live; not while another thread is in a call
/// that was given the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_free(model: *mut Model) {
    // SAFETY: as the caller promises.
    unsafe { free(model) }
}

/// What a model is.
///
/// `info`: receives it; its strings live as long as the model. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_get_info(model: *const Model, info: *mut ModelInfo) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, info) = unsafe { (reference(model, "model")?, Out::new(info, "info")?) };
        let schema = model.inner.schema();
        info.write(ModelInfo {
            concept_count: schema.concept_count(),
            class_count: schema.class_count(),
            label_class_count: schema.label_count(),
            max_length: schema.max_length,
            engine: model.engine.as_ptr(),
        });
        Ok(())
    })
}

/// The name and classes of a concept.
///
/// `index`: 0 to K − 1. `variable`: receives them; its strings live as long as the model. Errors:
/// `ARGUMENT`, also where there is no such concept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_get_concept(
    model: *const Model,
    index: usize,
    variable: *mut Variable,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, variable) =
            unsafe { (reference(model, "model")?, Out::new(variable, "variable")?) };
        variable.write(Variable::of(element(&model.names.concepts, index, "index")?));
        Ok(())
    })
}

/// The name and classes of the label.
///
/// `variable`: receives them; its strings live as long as the model. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_get_label(
    model: *const Model,
    variable: *mut Variable,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, variable) =
            unsafe { (reference(model, "model")?, Out::new(variable, "variable")?) };
        variable.write(Variable::of(&model.names.label));
        Ok(())
    })
}

/// The index of the concept of that name.
///
/// `name`: UTF-8, ends in a zero byte. `index`: receives the index. Errors: `INPUT` where the model has no
/// such concept, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_find_concept(
    model: *const Model,
    name: *const c_char,
    index: *mut usize,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, name, index) = unsafe {
            (reference(model, "model")?, string(name, "name")?, Out::new(index, "index")?)
        };
        index.write(model.inner.schema().concept_index(name)?);
        Ok(())
    })
}

impl Model {
    fn new(inner: sparsecbm::Model) -> Result<*mut Model, Failure> {
        let names = Arc::new(Names::new(inner.schema())?);
        let engine = CString::new(inner.device().to_string().replace('\0', "")).unwrap_or_default();
        Ok(Box::into_raw(Box::new(Model { inner, names, engine })))
    }
}

impl Variable {
    fn of(names: &VariableNames) -> Variable {
        Variable {
            name: names.name.as_ptr(),
            class_count: names.class_count(),
            class_names: names.classes(),
        }
    }
}

/// The size of the options up to the engine: what any program sets.
const SMALLEST_OPTIONS: usize = 8;

/// # Safety
/// `options` is NULL, or points to as many bytes as its first field says.
unsafe fn load_options(options: *const LoadOptions) -> Result<sparsecbm::LoadOptions, Failure> {
    let mut chosen = sparsecbm::LoadOptions::default();
    if options.is_null() {
        return Ok(chosen);
    }
    // SAFETY: as the caller promises.
    let known = unsafe { known_options(options) }?;
    chosen.engine = match known.engine {
        SCBM_ENGINE_AUTO => EngineChoice::Auto,
        SCBM_ENGINE_TRACT => EngineChoice::Tract,
        SCBM_ENGINE_ORT_CPU => EngineChoice::OrtCpu,
        SCBM_ENGINE_ORT_CUDA => EngineChoice::OrtCuda { device: known.cuda_device },
        other => {
            let found = format!("number {other}");
            return Err(Failure::argument("options: engine", found, "one of SCBM_ENGINE_…"));
        }
    };
    chosen.ort.threads = NonZeroUsize::new(known.ort_threads as usize);
    if !known.ort_library.is_null() {
        // SAFETY: a string that ends in a zero byte, as the caller promises.
        chosen.ort.library =
            Some(unsafe { string(known.ort_library, "options: ort_library") }?.into());
    }
    Ok(chosen)
}

/// The fields that this library knows, zero where the caller's header did not have them.
///
/// # Safety
/// `options` points to as many bytes as its first field says.
unsafe fn known_options(options: *const LoadOptions) -> Result<LoadOptions, Failure> {
    // SAFETY: the first field is there, as the caller promises.
    let size = unsafe { *reference(options.cast::<u32>(), "options")? } as usize;
    if !(SMALLEST_OPTIONS..=1 << 16).contains(&size) {
        let expected = "sizeof(scbm_load_options)";
        return Err(Failure::argument("options: struct_size", size.to_string(), expected));
    }
    let shared = size.min(size_of::<LoadOptions>());
    let mut known = MaybeUninit::<LoadOptions>::zeroed();
    // SAFETY: `shared` bytes are readable there, as the caller promises, and fit here.
    unsafe { ptr::copy_nonoverlapping(options.cast::<u8>(), known.as_mut_ptr().cast(), shared) };
    // SAFETY: the bytes between what this library knows and the size are readable, as promised.
    let rest = unsafe { array(options.cast::<u8>().add(shared), size - shared, "options")? };
    if rest.iter().any(|&byte| byte != 0) {
        let expected = "zero in the fields that this library does not know";
        return Err(Failure::argument("options", format!("{size} bytes"), expected));
    }
    // SAFETY: numbers and a pointer, for which every pattern of bits is a value.
    Ok(unsafe { known.assume_init() })
}
