//! Patches of masks: read, listed, and applied to a model.

use std::ffi::{CString, c_char};

use sparsecbm::MaskPatch;

use crate::arguments::{Out, array, element, reference, string, text};
use crate::model::Model;
use crate::names::c_string;
use crate::status::{Failure, Status, entry, free};

/// Bits of one concept's mask that are to be flipped. Never changes, so any number of threads may use one at
/// the same time. Freed by `scbm_patch_free`.
pub struct Patch {
    inner: MaskPatch,
    concept: CString,
    note: Option<CString>,
    json: CString,
}

/// What a patch is. Its strings live as long as the patch.
#[repr(C)]
pub struct PatchInfo {
    /// The name of the concept whose mask it changes.
    pub concept_name: *const c_char,
    /// What it was made for, in words; NULL where it does not say.
    pub note: *const c_char,
    /// How many bits it flips.
    pub flip_count: usize,
    /// In how many matrices.
    pub layer_count: usize,
}

/// Reads a patch file.
///
/// `path`: UTF-8, ends in a zero byte. `patch`: receives the patch, the caller's to free. Threads: any.
/// Errors: `IO`, `FORMAT`, `VERSION`, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_patch_load(path: *const c_char, patch: *mut *mut Patch) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (path, out) = unsafe { (string(path, "path")?, Out::new(patch, "patch")?) };
        out.write(Patch::new(MaskPatch::load(path)?)?);
        Ok(())
    })
}

/// Reads a patch from JSON, as `scbm_patch_get_json` gives it.
///
/// `json`: `length` bytes of UTF-8. Else as `scbm_patch_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_patch_from_json(
    json: *const c_char,
    length: usize,
    patch: *mut *mut Patch,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (json, out) = unsafe { (text(json, length, "json")?, Out::new(patch, "patch")?) };
        out.write(Patch::new(MaskPatch::from_json(json.as_bytes())?)?);
        Ok(())
    })
}

/// Frees a patch; NULL is fine. Models that have it keep what they need. Threads: any, when no other is in a
/// call that was given the patch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_patch_free(patch: *mut Patch) {
    // SAFETY: as the caller promises.
    unsafe { free(patch) }
}

/// What a patch is.
///
/// `info`: receives it; its strings live as long as the patch. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_patch_get_info(patch: *const Patch, info: *mut PatchInfo) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (patch, info) = unsafe { (reference(patch, "patch")?, Out::new(info, "info")?) };
        info.write(PatchInfo {
            concept_name: patch.concept.as_ptr(),
            note: patch.note.as_ref().map_or(std::ptr::null(), |note| note.as_ptr()),
            flip_count: patch.inner.flips(),
            layer_count: patch.inner.layers.len(),
        });
        Ok(())
    })
}

/// A patch as JSON: the content of a patch file.
///
/// `json`: receives a string that lives as long as the patch. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_patch_get_json(
    patch: *const Patch,
    json: *mut *const c_char,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (patch, json) = unsafe { (reference(patch, "patch")?, Out::new(json, "json")?) };
        json.write(patch.json.as_ptr());
        Ok(())
    })
}

/// The original of a model with these patches, applied in this order, and no others: those that `model` has
/// count for nothing. Without patches it is the original, whose answers are the same bit for bit: so a patch
/// is undone.
///
/// `patches`: `count` patches, not needed after the call. `changed`: receives another model, the caller's to
/// free; `model` stays as it is. Threads: any. Errors: `INPUT` where a patch does not fit the model, and where
/// the model's file holds its masks folded into the weights, `ENGINE`, `UNAVAILABLE`, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_with_patches(
    model: *const Model,
    patches: *const *const Patch,
    count: usize,
    changed: *mut *mut Model,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, pointers, changed) = unsafe {
            (
                reference(model, "model")?,
                array(patches, count, "patches")?,
                Out::new(changed, "changed")?,
            )
        };
        // SAFETY: as the caller promises.
        let inner = |&patch: &*const Patch| Ok(unsafe { reference(patch, "patch") }?.inner.clone());
        let patches: Vec<MaskPatch> = pointers.iter().map(inner).collect::<Result<_, Failure>>()?;
        changed.write(Model::new(model.inner.with_patches(&patches)?)?);
        Ok(())
    })
}

/// How many patches a model has.
///
/// `count`: receives the number. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_get_patch_count(
    model: *const Model,
    count: *mut usize,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, count) = unsafe { (reference(model, "model")?, Out::new(count, "count")?) };
        count.write(model.inner.patches().len());
        Ok(())
    })
}

/// One of a model's patches, in the order in which they are applied.
///
/// `index`: 0 to the number of patches − 1. `patch`: receives a patch, the caller's to free. Threads: any.
/// Errors: `ARGUMENT`, also where there is no such patch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_get_patch(
    model: *const Model,
    index: usize,
    patch: *mut *mut Patch,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, patch) = unsafe { (reference(model, "model")?, Out::new(patch, "patch")?) };
        patch.write(Patch::new(element(model.inner.patches(), index, "index")?.clone())?);
        Ok(())
    })
}

impl Patch {
    pub(crate) fn new(inner: MaskPatch) -> Result<*mut Patch, Failure> {
        let concept = c_string(&inner.concept)?;
        // A text of a caller may hold a zero byte, at which C would end it: it is shown as U+FFFD.
        let note = inner.note.as_ref().map(|note| c_string(&note.replace('\0', "\u{fffd}")));
        let json = c_string(&inner.to_json())?;
        Ok(Box::into_raw(Box::new(Patch { concept, note: note.transpose()?, json, inner })))
    }
}
