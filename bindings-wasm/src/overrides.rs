use js_sys::{Array, Float32Array, Object, Reflect};
use sparsecbm::ConceptValue;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::wrong_input;

/// Overrides as JavaScript writes them, `{noise: "positive", food: [0.1, 0.9, 0]}`.
pub(crate) fn read(overrides: &JsValue) -> Result<Vec<(String, ConceptValue)>, JsValue> {
    let expected = "an object from concept names to values";
    let object = overrides
        .dyn_ref::<Object>()
        .filter(|object| !Array::is_array(object))
        .ok_or_else(|| wrong_input("overrides", &type_of(overrides), expected))?;
    let entry = |entry: JsValue| {
        let entry: Array = entry.unchecked_into();
        let name = entry.get(0).as_string().expect("keys of Object.entries are strings");
        let value = value(&name, &entry.get(1))?;
        Ok((name, value))
    };
    Object::entries(object).iter().map(entry).collect()
}

/// A class by name or index, probabilities as an array, or `{logits}`.
fn value(concept: &str, value: &JsValue) -> Result<ConceptValue, JsValue> {
    if let Some(class) = value.as_string() {
        return Ok(ConceptValue::Class(class));
    }
    if let Some(index) = value.as_f64()
        && index >= 0.0
        && index.fract() == 0.0
    {
        return Ok(ConceptValue::ClassIndex(index as usize));
    }
    if let Some(probabilities) = floats(value) {
        return Ok(ConceptValue::Probabilities(probabilities));
    }
    let logits = Reflect::get(value, &"logits".into()).ok().and_then(|logits| floats(&logits));
    logits.map(ConceptValue::Logits).ok_or_else(|| {
        let expected = "a class name, a class index, an array of probabilities, or {logits}";
        wrong_input(&format!("value for concept '{concept}'"), &type_of(value), expected)
    })
}

/// An array of numbers, typed or not.
fn floats(value: &JsValue) -> Option<Vec<f32>> {
    if let Some(typed) = value.dyn_ref::<Float32Array>() {
        return Some(typed.to_vec());
    }
    let array = value.dyn_ref::<Array>()?;
    array.iter().map(|number| number.as_f64().map(|number| number as f32)).collect()
}

fn type_of(value: &JsValue) -> String {
    match value.as_f64() {
        Some(number) => number.to_string(),
        None if value.is_null() => "null".into(),
        None if Array::is_array(value) => "an array".into(),
        None => value.js_typeof().as_string().unwrap_or_default(),
    }
}
