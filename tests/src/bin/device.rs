//! `device MODEL [ENGINE [LIBRARY]]` loads a model and prints, as JSON, where it runs, or the error. A process
//! loads ONNX Runtime's library once, so each test of the look-up is a process of its own.

use sparsecbm::{LoadOptions, Model};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut options = LoadOptions::default();
    if let Some(engine) = arguments.get(1) {
        options.engine = engine.parse().unwrap_or_else(|e| panic!("{e}"));
    }
    options.ort.library = arguments.get(2).map(Into::into);
    let answer = match Model::load(&arguments[0], &options) {
        Ok(model) => {
            let prediction = model.predict("Great food, slow service.").expect("a prediction");
            serde_json::json!({ "device": model.device(), "label": prediction.label().logits })
        }
        Err(e) => serde_json::json!({ "error": {
            "kind": e.kind().name(), "place": e.place(), "found": e.found(), "expected": e.expected(),
        }}),
    };
    println!("{answer}");
}
