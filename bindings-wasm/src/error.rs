use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

/// An error as the plain object from which the scripts make a `SparseCbmError`: its kind's name as
/// `code`, the message, and the parts of the message.
pub(crate) fn to_js(error: sparsecbm::Error) -> JsValue {
    let object = Object::new();
    let fields = [
        ("code", error.kind().name()),
        ("message", &error.to_string()),
        ("place", error.place()),
        ("found", error.found()),
        ("expected", error.expected()),
    ];
    for (name, value) in fields {
        Reflect::set(&object, &name.into(), &value.into())
            .expect("a field of a new object can be set");
    }
    object.into()
}

/// An `input` error.
pub(crate) fn wrong_input(place: &str, found: &str, expected: &str) -> JsValue {
    to_js(sparsecbm::Error::new(sparsecbm::ErrorKind::Input, place, found, expected))
}
