use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use sparsecbm::{Error, ErrorKind};

/// The exception for an error: `sparsecbm.SparseCbmError`, a class of the package's Python part.
pub(crate) fn to_python(error: Error) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Python::attach(|py| {
        let class = match CLASS.import(py, "sparsecbm._error", "SparseCbmError") {
            Ok(class) => class,
            Err(missing) => return missing,
        };
        let fields = (error.kind().name(), error.place(), error.found(), error.expected());
        PyErr::from_type(class.clone(), fields.into_pyobject(py).map(Bound::unbind).ok())
    })
}

/// A call that cannot be: the argument, what it was and what was expected.
pub(crate) fn wrong(
    place: impl Into<String>,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> PyErr {
    to_python(Error::new(ErrorKind::Input, place, found, expected))
}

/// How an object is told in an error: its type, and what it is.
pub(crate) fn told(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name().map_or("object".into(), |name| name.to_string());
    match object.repr() {
        Ok(text) if text.to_string().chars().count() <= 60 => format!("{name} {text}"),
        _ => name,
    }
}
