//! The search for an edit of a concept's mask.

use std::ffi::{CString, c_char, c_void};
use std::ops::ControlFlow;
use std::time::Duration;

use sparsecbm::edit::{Edit as Inner, EditOptions as InnerOptions, EditOutcome, EditTask};

use crate::arguments::{Out, array, element, reference};
use crate::gradients::Gradients;
use crate::names::{self, c_string};
use crate::options::{Options, known};
use crate::patch::Patch;
use crate::prediction::Prediction;
use crate::status::{Failure, Status, entry, free};

/// How a search for an edit ended: one of the `SCBM_EDIT_…`.
pub type EditEnd = i32;

/// Every example is of the class it is to have, every guard of its own.
pub const SCBM_EDIT_TURNED: EditEnd = 0;
/// They are not, with any number of bits within the limit: the edit is the best that was found.
pub const SCBM_EDIT_NOT_TURNED: EditEnd = 1;
/// The time limit was reached, or `progress` ended the search: the edit is as far as it came.
pub const SCBM_EDIT_STOPPED: EditEnd = 2;

/// How far a search has come.
#[repr(C)]
pub struct EditProgress {
    /// Runs of the model done; how many there will be is not known.
    pub run_count: usize,
    /// Bits that the trial at hand flips.
    pub flip_count: usize,
    /// How many examples are of the class that is wanted with it.
    pub turned_count: usize,
    /// How many guards are not of their class any more.
    pub broken_count: usize,
}

/// Is told how far a search has come, between runs of the model, in the thread that called
/// `scbm_search_edit`. Returns 0 to go on and anything else to end it. Must return: no jumps, no exceptions.
pub type EditProgressFunction =
    Option<unsafe extern "C" fn(progress: *const EditProgress, context: *mut c_void) -> i32>;

/// How an edit is looked for. Set it to zero and `struct_size` to its size, then what you want, as with
/// `scbm_load_options`; it grows in the same way.
#[repr(C)]
pub struct EditOptions {
    /// `sizeof(scbm_edit_options)`.
    pub struct_size: u32,
    /// How often the gradient is taken again where one is not enough; 0: 32 times.
    pub rounds: u32,
    /// At most so large a share of the bits that the mask keeps are pruned, and as many grown; 0: 0.01.
    pub max_share: f64,
    /// What the mean loss of the guards counts beside that of the examples; 0: as much.
    pub guard_weight: f32,
    /// The search ends when this many milliseconds are over; 0: never.
    pub time_limit_ms: u32,
    /// Is told how far the search has come; NULL: nobody is.
    pub progress: EditProgressFunction,
    /// Handed to `progress`.
    pub context: *mut c_void,
}

// SAFETY: numbers, a pointer and a pointer to a function that may be NULL; the first is a `u32`.
unsafe impl Options for EditOptions {
    const NAME: &'static str = "scbm_edit_options";
}

/// A change of one concept's mask and what it does to the texts it was made for. Never changes, so any number
/// of threads may use one at the same time. Needs neither gradients nor predictions any more. Freed by
/// `scbm_edit_free`.
pub struct Edit {
    inner: Inner,
    layers: Vec<CString>,
    json: CString,
}

/// What an edit is.
#[repr(C)]
pub struct EditInfo {
    /// How the search ended.
    pub end: EditEnd,
    /// How many bits are flipped: half of them pruned, half grown.
    pub flip_count: usize,
    /// How many bits the mask keeps, before and after.
    pub kept_count: usize,
    /// How many runs of the model the search took.
    pub run_count: usize,
    /// In how many matrices bits are flipped.
    pub layer_count: usize,
    /// How many examples are of the class they are to have.
    pub turned_count: usize,
    /// How many guards do not keep their class.
    pub broken_count: usize,
}

/// How many bits of one matrix an edit flips. Its string lives as long as the edit.
#[repr(C)]
pub struct EditLayer {
    /// The linear layer's name in the backbone.
    pub name: *const c_char,
    /// Bits that are pruned.
    pub pruned_count: usize,
    /// Bits that are grown.
    pub grown_count: usize,
}

/// What an edit does to one example. Its pointers live as long as the edit.
#[repr(C)]
pub struct EditChange {
    /// C numbers: the concept's logits before.
    pub logits_before: *const f32,
    /// C numbers: the concept's logits after.
    pub logits_after: *const f32,
    /// L numbers: the label's probabilities before, under the prediction's overrides.
    pub label_before: *const f32,
    /// L numbers: the label's probabilities after, under the same.
    pub label_after: *const f32,
}

/// Searches the smallest edit of a concept's mask that gives every example the class it is to have and
/// leaves every guard its own. `scbm_edit_get_patch` gives what can be kept and applied.
///
/// `examples`: `example_count` predictions, one or more, of one model (with its patches, which the edit comes
/// on top of); `class_indices`: as many classes of the concept. `guards`: `guard_count` predictions of the same
/// model. `concept_index`: 0 to K − 1. `options`: NULL for the defaults. `edit`: receives the edit, the
/// caller's to free. Threads: the predictions'.
///
/// Errors: `INPUT` where a prediction is of another model than the others or the gradients, where the model's
/// masks are folded into its weights or an option is out of range, `ENGINE`, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_search_edit(
    gradients: *const Gradients,
    concept_index: usize,
    examples: *const *const Prediction,
    class_indices: *const usize,
    example_count: usize,
    guards: *const *const Prediction,
    guard_count: usize,
    options: *const EditOptions,
    edit: *mut *mut Edit,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (gradients, examples, classes, guards, given, out) = unsafe {
            (
                reference(gradients, "gradients")?,
                predictions(examples, example_count, "examples")?,
                array(class_indices, example_count, "class_indices")?,
                predictions(guards, guard_count, "guards")?,
                known(options)?,
                Out::new(edit, "edit")?,
            )
        };
        let Some(first) = examples.first() else {
            return Err(Failure::argument("example_count", "0", "1 or more"));
        };
        let model = first.inner.model();
        let concept = element(&model.schema().concepts, concept_index, "concept_index")?;
        let mut task = EditTask::new(model, &concept.name)?;
        for (example, &class) in examples.iter().zip(classes) {
            let class = element(&concept.classes, class, "class_indices")?;
            task.example(&example.inner, class)?;
        }
        for guard in guards {
            task.guard(&guard.inner)?;
        }
        let progress = given.as_ref().map(|given| (given.progress, given.context));
        let inner = gradients.inner.edit(&task, &edit_options(given), |now| {
            let Some((Some(told), context)) = progress else { return ControlFlow::Continue(()) };
            let now = EditProgress {
                run_count: now.runs,
                flip_count: now.flips,
                turned_count: now.turned,
                broken_count: now.broken,
            };
            // SAFETY: as the caller promises of the function and its context.
            match unsafe { told(&now, context) } {
                0 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        })?;
        out.write(Edit::new(inner)?);
        Ok(())
    })
}

/// # Safety
/// `pointers` is NULL, misaligned, or points to `count` pointers, each NULL or to a live prediction.
unsafe fn predictions<'a>(
    pointers: *const *const Prediction,
    count: usize,
    name: &str,
) -> Result<Vec<&'a Prediction>, Failure> {
    // SAFETY: as the caller promises.
    let pointers = unsafe { array(pointers, count, name) }?;
    // SAFETY: as the caller promises.
    pointers.iter().map(|&pointer| unsafe { reference(pointer, name) }).collect()
}

fn edit_options(given: Option<EditOptions>) -> InnerOptions {
    let mut options = InnerOptions::default();
    let Some(given) = given else { return options };
    if given.rounds > 0 {
        options.rounds = given.rounds as usize;
    }
    if given.max_share != 0.0 {
        options.max_share = given.max_share;
    }
    if given.guard_weight != 0.0 {
        options.guard_weight = given.guard_weight;
    }
    let limit = Duration::from_millis(given.time_limit_ms.into());
    options.time_limit = (!limit.is_zero()).then_some(limit);
    options
}

/// Frees an edit; NULL is fine. Patches that it gave stay. Threads: any, when no other is in a call that was
/// given the edit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_edit_free(edit: *mut Edit) {
    // SAFETY: as the caller promises.
    unsafe { free(edit) }
}

/// What an edit is.
///
/// `info`: receives it. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_edit_get_info(edit: *const Edit, info: *mut EditInfo) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(edit, info, "info", |edit| {
            let turned =
                |change: &&sparsecbm::edit::TextChange| change.class_after == change.wanted;
            Ok(EditInfo {
                end: match edit.inner.outcome {
                    EditOutcome::Turned => SCBM_EDIT_TURNED,
                    EditOutcome::NotTurned => SCBM_EDIT_NOT_TURNED,
                    EditOutcome::Stopped => SCBM_EDIT_STOPPED,
                },
                flip_count: edit.inner.flips,
                kept_count: edit.inner.kept,
                run_count: edit.inner.runs,
                layer_count: edit.layers.len(),
                turned_count: edit.inner.examples.iter().filter(turned).count(),
                broken_count: edit.inner.broken.len(),
            })
        })
    }
}

/// Everything as JSON, the patch too.
///
/// `json`: receives a string that lives as long as the edit. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_edit_get_json(edit: *const Edit, json: *mut *const c_char) -> Status {
    // SAFETY: as the caller promises.
    unsafe { read(edit, json, "json", |edit| Ok(edit.json.as_ptr())) }
}

/// The change itself, for `scbm_model_with_patches`.
///
/// `patch`: receives a patch, the caller's to free. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_edit_get_patch(edit: *const Edit, patch: *mut *mut Patch) -> Status {
    // SAFETY: as the caller promises.
    unsafe { read(edit, patch, "patch", |edit| Patch::new(edit.inner.patch.clone())) }
}

/// One of the matrices in which bits are flipped, in the order of the backbone.
///
/// `index`: 0 to `layer_count` − 1. `layer`: receives it; its string lives as long as the edit. Threads: any.
/// Errors: `ARGUMENT`, also where there is no such matrix.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_edit_get_layer(
    edit: *const Edit,
    index: usize,
    layer: *mut EditLayer,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(edit, layer, "layer", |edit| {
            let found = element(&edit.inner.layers, index, "index")?;
            Ok(EditLayer {
                name: edit.layers[index].as_ptr(),
                pruned_count: found.pruned,
                grown_count: found.grown,
            })
        })
    }
}

/// What an edit does to one of the examples that it was made for.
///
/// `index`: 0 to the number of examples − 1. `change`: receives it; its pointers live as long as the edit.
/// Threads: any. Errors: `ARGUMENT`, also where there is no such example.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_edit_get_change(
    edit: *const Edit,
    index: usize,
    change: *mut EditChange,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(edit, change, "change", |edit| {
            let found = element(&edit.inner.examples, index, "index")?;
            Ok(EditChange {
                logits_before: found.logits_before.as_ptr(),
                logits_after: found.logits_after.as_ptr(),
                label_before: found.label_probabilities_before.as_ptr(),
                label_after: found.label_probabilities_after.as_ptr(),
            })
        })
    }
}

/// Reads something from an edit into `out`, which errors call `name`.
///
/// # Safety
/// Each pointer is NULL, or `edit` is alive and `out` valid for writes.
unsafe fn read<T>(
    edit: *const Edit,
    out: *mut T,
    name: &str,
    value: impl FnOnce(&Edit) -> Result<T, Failure>,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (edit, out) = unsafe { (reference(edit, "edit")?, Out::new(out, name)?) };
        out.write(value(edit)?);
        Ok(())
    })
}

impl Edit {
    fn new(inner: Inner) -> Result<*mut Edit, Failure> {
        let layers: Result<_, _> = inner.layers.iter().map(|layer| c_string(&layer.name)).collect();
        let json = names::json(&inner)?;
        Ok(Box::into_raw(Box::new(Edit { layers: layers?, json, inner })))
    }
}
