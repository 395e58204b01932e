//! What the crate reports, as Python's own dicts and lists, under the names that it has in JSON. Places in a text are
//! told as Python counts them, in characters.

use pyo3::prelude::*;
use pyo3::types::PyString;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A report that names no places of a text.
pub(crate) fn report<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    loads(py, &serde_json::to_value(value).expect("reports are plain data"))
}

/// A report whose words lie in `text`.
pub(crate) fn report_of_text<'py>(
    py: Python<'py>,
    value: &impl Serialize,
    text: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut value = serde_json::to_value(value).expect("reports are plain data");
    if let Some(text) = text {
        place_words(&mut value, &Characters::of(text));
    } else {
        place_words(&mut value, &Characters::of(""));
    }
    loads(py, &value)
}

fn loads<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    let json = PyString::new(py, &value.to_string());
    py.import("json")?.call_method1("loads", (json,))
}

/// Turns each word's and phrase's bytes and UTF-16 units into `start` and `end` in characters.
fn place_words(value: &mut Value, characters: &Characters) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| place_words(item, characters)),
        Value::Object(fields) if fields.contains_key("utf16") => place_word(fields, characters),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| place_words(field, characters));
        }
        _ => {}
    }
}

fn place_word(word: &mut Map<String, Value>, characters: &Characters) {
    word.remove("utf16");
    let bytes = word.remove("utf8").unwrap_or_default();
    for end in ["start", "end"] {
        let byte = bytes.get(end).and_then(Value::as_u64);
        word.insert(end.into(), json!(byte.map(|byte| characters.at(byte as usize))));
    }
    for range in ["positions", "words"] {
        if let Some(range) = word.get_mut(range) {
            *range = json!([range["start"], range["end"]]);
        }
    }
}

/// Places of a text in characters (code points), which Python counts, for places in bytes.
pub(crate) struct Characters {
    /// Where each character begins; nothing where all are of one byte.
    starts: Option<Vec<usize>>,
}

impl Characters {
    pub(crate) fn of(text: &str) -> Characters {
        let starts = || text.char_indices().map(|(start, _)| start).collect();
        Characters { starts: (!text.is_ascii()).then(starts) }
    }

    /// The character at a byte; one that a piece ends inside of belongs to it whole.
    pub(crate) fn at(&self, byte: usize) -> usize {
        match &self.starts {
            Some(starts) => starts.partition_point(|&start| start < byte),
            None => byte,
        }
    }
}
