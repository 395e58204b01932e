//! What a panic said. WebAssembly cannot unwind: a panic ends as a trap, which the scripts turn into an error.

use std::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has what panics say kept.
#[wasm_bindgen(start)]
fn keep_messages() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("without a message");
        MESSAGE.set(Some(format!("a panic: {message}")));
    }));
}

/// What the last panic said, once.
#[wasm_bindgen(js_name = takePanic)]
pub fn take_panic() -> Option<String> {
    MESSAGE.take()
}
