//! What is to be predicted: a text, token ids, or a list of either.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyMapping, PyString};

use crate::error::{told, wrong};

pub(crate) enum Input {
    Text(String),
    /// Token ids, special tokens included.
    Ids(Vec<u32>),
    Texts(Vec<String>),
    IdLists(Vec<Vec<u32>>),
}

const EXPECTED: &str = "a str, a list of str, a list of token ids, or a list of lists of them";

impl Input {
    pub(crate) fn read(given: &Bound<'_, PyAny>) -> PyResult<Input> {
        if let Ok(text) = given.cast::<PyString>() {
            return Ok(Input::Text(text.to_str()?.into()));
        }
        if given.is_instance_of::<PyBytes>() || given.cast::<PyMapping>().is_ok() {
            return Err(wrong("text", told(given), EXPECTED));
        }
        let items = given.try_iter().map_err(|e| unless_type(e, given))?;
        let items: Vec<Bound<'_, PyAny>> = items.collect::<PyResult<_>>()?;
        match items.first() {
            None => Ok(Input::Texts(Vec::new())),
            Some(first) if first.is_instance_of::<PyString>() => Ok(Input::Texts(texts(&items)?)),
            Some(first) if is_id(first) => Ok(Input::Ids(ids(&items, "token ids")?)),
            Some(first) if first.try_iter().is_err() => {
                Err(wrong("texts: 0", told(first), "a str"))
            }
            Some(_) => {
                let list = |(i, item): (usize, &Bound<'_, PyAny>)| {
                    let place = format!("texts: {i}");
                    let inner = item.try_iter().map_err(|e| unless_type(e, item))?;
                    ids(&inner.collect::<PyResult<Vec<_>>>()?, &place)
                };
                Ok(Input::IdLists(items.iter().enumerate().map(list).collect::<PyResult<_>>()?))
            }
        }
    }
}

/// Several texts, where nothing else will do.
pub(crate) fn texts(items: &[Bound<'_, PyAny>]) -> PyResult<Vec<String>> {
    let text = |(i, item): (usize, &Bound<'_, PyAny>)| match item.cast::<PyString>() {
        Ok(text) => Ok(text.to_str()?.to_string()),
        Err(_) => Err(wrong(format!("texts: {i}"), told(item), "a str")),
    };
    items.iter().enumerate().map(text).collect()
}

fn ids(items: &[Bound<'_, PyAny>], place: &str) -> PyResult<Vec<u32>> {
    let id = |(i, item): (usize, &Bound<'_, PyAny>)| {
        item.extract().map_err(|_| {
            wrong(format!("{place}: position {i}"), told(item), "a token id, an int from 0")
        })
    };
    items.iter().enumerate().map(id).collect()
}

/// An int, Python's or NumPy's.
fn is_id(item: &Bound<'_, PyAny>) -> bool {
    item.is_instance_of::<PyInt>() || item.extract::<i64>().is_ok()
}

/// The error of what cannot be iterated over; another is the object's own.
fn unless_type(error: PyErr, given: &Bound<'_, PyAny>) -> PyErr {
    match error.is_instance_of::<PyTypeError>(given.py()) {
        true => wrong("text", told(given), EXPECTED),
        false => error,
    }
}
