//! The gradients of a model, which edits and integrated gradients need.

use std::ffi::{CString, c_char, c_void};

use crate::arguments::{Out, array, reference, string};
use crate::load::{LoadOptions, load_options};
use crate::model::Model;
use crate::names::c_string;
use crate::status::{Failure, Status, entry, free};

/// A loaded file of gradients. Never changes, so any number of threads may use one at the same time. Keeps
/// its model alive: that may be freed first. Freed by `scbm_gradients_free`.
pub struct Gradients {
    pub(crate) inner: sparsecbm::Gradients,
    device: CString,
}

/// Loads the file of gradients that `sparsecbm export --with-gradients` wrote beside a model.
///
/// `path`: UTF-8, ends in a zero byte. `model`: the model that it belongs to, with or without patches.
/// `options`: NULL for the defaults; the gradients need not run where the model does. `SCBM_ENGINE_SPARSE`
/// runs no graphs and means the same as `SCBM_ENGINE_AUTO` here. `gradients`: receives them, the caller's to
/// free. Threads: any.
///
/// Errors: `IO`, `FORMAT`, `VERSION` and `MODEL` where the file cannot be used, `INPUT` where it belongs to
/// another model, `UNAVAILABLE` where the engine is not there, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_gradients_load(
    path: *const c_char,
    model: *const Model,
    options: *const LoadOptions,
    gradients: *mut *mut Gradients,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (path, model, options, out) = unsafe {
            (
                string(path, "path")?,
                reference(model, "model")?,
                load_options(options)?,
                Out::new(gradients, "gradients")?,
            )
        };
        out.write(Gradients::new(sparsecbm::Gradients::load(path, &model.inner, &options)?)?);
        Ok(())
    })
}

/// Loads a file of gradients from memory.
///
/// `bytes`: `length` bytes, the content of the file; not needed after the call. Else as
/// `scbm_gradients_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_gradients_from_memory(
    bytes: *const c_void,
    length: usize,
    model: *const Model,
    options: *const LoadOptions,
    gradients: *mut *mut Gradients,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (bytes, model, options, out) = unsafe {
            (
                array::<u8>(bytes.cast(), length, "bytes")?,
                reference(model, "model")?,
                load_options(options)?,
                Out::new(gradients, "gradients")?,
            )
        };
        let inner = sparsecbm::Gradients::from_bytes(bytes.to_vec(), &model.inner, &options)?;
        out.write(Gradients::new(inner)?);
        Ok(())
    })
}

/// Frees gradients; NULL is fine. Threads: any, when no other is in a call that was given them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_gradients_free(gradients: *mut Gradients) {
    // SAFETY: as the caller promises.
    unsafe { free(gradients) }
}

/// What computes the gradients, for people: the engine and what it runs on.
///
/// `device`: receives a string that lives as long as the gradients. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_gradients_get_device(
    gradients: *const Gradients,
    device: *mut *const c_char,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (gradients, device) =
            unsafe { (reference(gradients, "gradients")?, Out::new(device, "device")?) };
        device.write(gradients.device.as_ptr());
        Ok(())
    })
}

impl Gradients {
    fn new(inner: sparsecbm::Gradients) -> Result<*mut Gradients, Failure> {
        let device = c_string(&inner.device().to_string())?;
        Ok(Box::into_raw(Box::new(Gradients { inner, device })))
    }
}
