use std::ffi::{CString, c_char};
use std::sync::{Arc, OnceLock};

use crate::arguments::{Out, element, reference, string};
use crate::engine::{Engine, engine_number};
use crate::names::{self, Names, VariableNames, c_string, made_once};
use crate::status::{Failure, Status, entry, free};

/// A loaded model. Never changes, so any number of threads may use one at the same time. Freed by
/// `scbm_model_free`; its predictions hold on to what they need and may outlive it.
pub struct Model {
    pub(crate) inner: sparsecbm::Model,
    pub(crate) names: Arc<Names>,
    engine: Engine,
    device: CString,
    /// Made when it is asked for.
    schema: OnceLock<CString>,
}

/// What a model is. Its strings live as long as the model.
#[repr(C)]
pub struct ModelInfo {
    /// K, the number of concepts.
    pub concept_count: usize,
    /// C, the largest number of classes of a concept. Concepts may have different numbers:
    /// `scbm_model_get_concept` tells each one's.
    pub class_count: usize,
    /// L, the number of classes of the label.
    pub label_class_count: usize,
    /// The most tokens that the model reads, special ones included; what is beyond is left out.
    pub max_length: usize,
    /// The engine really in use: never `SCBM_ENGINE_AUTO`, unless it is newer than this header.
    pub engine: Engine,
    /// The same for people: the engine, what it runs on, and why it was chosen.
    pub device: *const c_char,
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

/// Frees a model; NULL is fine. Legal while predictions of it live. Threads: any, when no other is in a call
/// that was given the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_free(model: *mut Model) {
    // SAFETY: as the caller promises.
    unsafe { free(model) }
}

/// What a model is.
///
/// `info`: receives it; its strings live as long as the model. Threads: any. Errors: `ARGUMENT`.
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
            engine: model.engine,
            device: model.device.as_ptr(),
        });
        Ok(())
    })
}

/// The name and classes of a concept.
///
/// `index`: 0 to K − 1. `variable`: receives them; its strings live as long as the model. Threads: any.
/// Errors: `ARGUMENT`, also where there is no such concept.
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
/// `variable`: receives them; its strings live as long as the model. Threads: any. Errors: `ARGUMENT`.
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

/// The model's schema as JSON, as a checkpoint's `sparsecbm.json` has it: concepts, label and their classes,
/// semantics, calibration, fields of data files.
///
/// `json`: receives a string that lives as long as the model. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_get_schema_json(
    model: *const Model,
    json: *mut *const c_char,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, json) = unsafe { (reference(model, "model")?, Out::new(json, "json")?) };
        json.write(made_once(&model.schema, || names::json(model.inner.schema()))?.as_ptr());
        Ok(())
    })
}

/// The index of the concept of that name.
///
/// `name`: UTF-8, ends in a zero byte. `index`: receives the index. Threads: any. Errors: `INPUT` where the
/// model has no such concept, `ARGUMENT`.
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
    pub(crate) fn new(inner: sparsecbm::Model) -> Result<*mut Model, Failure> {
        let names = Arc::new(Names::new(inner.schema())?);
        let engine = engine_number(inner.engine())?;
        let device = c_string(&inner.device().to_string())?;
        let schema = OnceLock::new();
        Ok(Box::into_raw(Box::new(Model { inner, names, engine, device, schema })))
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
