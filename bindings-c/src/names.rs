use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use serde::Serialize;
use sparsecbm::schema::Variable;
use sparsecbm::{Error, ErrorKind, Schema};

use crate::status::Failure;

/// The names of a model as C strings, shared by the model and its predictions.
pub(crate) struct Names {
    pub(crate) concepts: Vec<VariableNames>,
    pub(crate) label: VariableNames,
}

/// The names of one concept, or of the label.
pub(crate) struct VariableNames {
    pub(crate) name: CString,
    classes: Vec<CString>,
    /// Points into `classes`.
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point to strings that the same object owns on the heap and never changes, so they hold
// wherever it goes and may be read by many threads.
unsafe impl Send for VariableNames {}
// SAFETY: as above.
unsafe impl Sync for VariableNames {}

impl Names {
    pub(crate) fn new(schema: &Schema) -> Result<Names, Failure> {
        let concepts: Result<_, _> = schema.concepts.iter().map(VariableNames::new).collect();
        Ok(Names { concepts: concepts?, label: VariableNames::new(&schema.label)? })
    }
}

impl VariableNames {
    fn new(variable: &Variable) -> Result<VariableNames, Failure> {
        let classes: Result<Vec<CString>, _> =
            variable.classes.iter().map(|class| c_string(class)).collect();
        let classes = classes?;
        let pointers = classes.iter().map(|class| class.as_ptr()).collect();
        Ok(VariableNames { name: c_string(&variable.name)?, classes, pointers })
    }

    pub(crate) fn class_count(&self) -> usize {
        self.classes.len()
    }

    /// The class names in order, as many as [`VariableNames::class_count`].
    pub(crate) fn classes(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    pub(crate) fn class(&self, index: usize) -> *const c_char {
        self.pointers[index]
    }
}

/// A name of the model as a C string.
///
/// # Errors
/// `SCBM_ERROR_MODEL` where it holds a zero byte, at which C would end it.
pub(crate) fn c_string(name: &str) -> Result<CString, Failure> {
    CString::new(name).map_err(|_| {
        let found = format!("{name:?}");
        Error::new(ErrorKind::Model, "a name", found, "no zero byte, which ends a string in C")
            .into()
    })
}

/// What `made` holds; where it holds nothing yet, what `make` gives is kept.
pub(crate) fn made_once<T>(
    made: &OnceLock<T>,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<&T, Failure> {
    match made.get() {
        Some(value) => Ok(value),
        None => {
            let value = make()?;
            Ok(made.get_or_init(|| value))
        }
    }
}

/// A value that is plain data as JSON.
///
/// # Errors
/// As [`c_string`]; JSON itself writes no zero bytes.
pub(crate) fn json(value: &impl Serialize) -> Result<CString, Failure> {
    c_string(&serde_json::to_string(value).expect("it is plain data"))
}
