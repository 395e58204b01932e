use js_sys::{Array, Map, Object};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::{JsCast, JsValue};

/// A report of the crate as JavaScript has it, with its fields in camelCase.
///
/// Only names of fields are changed: what the crate has as a map, with keys that are data, comes as a `Map`, which is
/// left alone.
pub(crate) fn report(value: &impl Serialize) -> Result<JsValue, JsValue> {
    let serializer = Serializer::new().serialize_missing_as_null(true);
    Ok(in_camel_case(value.serialize(&serializer)?))
}

/// As JavaScript's own objects, arrays and numbers, with the names that it has in JSON: what is the file's own.
pub(crate) fn plain(value: &impl Serialize) -> Result<JsValue, JsValue> {
    value.serialize(&Serializer::json_compatible()).map_err(JsValue::from)
}

fn in_camel_case(value: JsValue) -> JsValue {
    if let Some(array) = value.dyn_ref::<Array>() {
        return array.iter().map(in_camel_case).collect::<Array>().into();
    }
    let fields = value.dyn_ref::<Object>().filter(|object| !object.is_instance_of::<Map>());
    let Some(fields) = fields else { return value };
    let renamed = Object::entries(fields).into_iter().map(|field| {
        let field: Array = field.unchecked_into();
        let name = field.get(0).as_string().expect("keys of Object.entries are strings");
        Array::of2(&camel_case(&name).into(), &in_camel_case(field.get(1)))
    });
    let renamed: Array = renamed.collect();
    Object::from_entries(&renamed).expect("pairs of a name and a value").into()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |name, word| {
        let (letter, rest) = word.split_at(word.len().min(1));
        name + &letter.to_ascii_uppercase() + rest
    })
}
