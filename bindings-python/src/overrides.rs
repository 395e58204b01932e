//! What is asserted of concepts, as Python says it.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyMapping, PyString};
use sparsecbm::ConceptValue;

use crate::error::{told, wrong};

const EXPECTED: &str = "a class name, a class index, or probabilities, one a class";

/// The overrides of a mapping, for concepts whose names are no identifiers, and of keyword arguments.
pub(crate) fn read(
    values: Option<&Bound<'_, PyAny>>,
    named: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<(String, ConceptValue)>> {
    let mut all = Vec::new();
    if let Some(values) = values {
        let values = values
            .cast::<PyMapping>()
            .map_err(|_| wrong("concepts", told(values), "a mapping from concepts to classes"))?;
        for item in values.items()?.iter() {
            let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let text = name.cast::<PyString>();
            let text = text.map_err(|_| wrong("concept", told(&name), "a str"))?;
            all.push((text.to_str()?.to_string(), value_of(text.to_str()?, &value)?));
        }
    }
    for (name, value) in named.into_iter().flatten() {
        let name = name.cast::<PyString>()?.to_str()?.to_string();
        let value = value_of(&name, &value)?;
        all.push((name, value));
    }
    if all.is_empty() {
        return Err(wrong("concepts", "none", "one at least, such as noise=\"positive\""));
    }
    Ok(all)
}

fn value_of(concept: &str, value: &Bound<'_, PyAny>) -> PyResult<ConceptValue> {
    let refused = || wrong(format!("value for concept '{concept}'"), told(value), EXPECTED);
    if let Ok(class) = value.cast::<PyString>() {
        return Ok(class.to_str()?.into());
    }
    if value.is_instance_of::<PyBool>() || value.is_instance_of::<PyFloat>() {
        return Err(refused());
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(value.extract::<usize>().map_err(|_| refused())?.into());
    }
    if value.cast::<PyMapping>().is_ok() {
        return Err(refused());
    }
    // NumPy's own ints are no Python ints.
    if let Ok(index) = value.extract::<usize>() {
        return Ok(index.into());
    }
    let numbers = value.try_iter().map_err(|_| refused())?;
    let number = |number: PyResult<Bound<'_, PyAny>>| number?.extract::<f32>();
    Ok(numbers.map(number).collect::<PyResult<Vec<f32>>>().map_err(|_| refused())?.into())
}
