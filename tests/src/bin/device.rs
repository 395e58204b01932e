//! `device MODEL [ENGINE [LIBRARY [REMOVED]]]` loads a model and prints, as JSON, where it runs, or the error. A
//! process loads ONNX Runtime's library once, so each test of the look-up is a process of its own. REMOVED is a
//! file that is removed then; what the model says without it, and one that is loaded without it, is printed too.

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
            let mut answer =
                serde_json::json!({ "device": model.device(), "label": label(&model) });
            if let Some(file) = arguments.get(3) {
                std::fs::remove_file(file).unwrap_or_else(|e| panic!("{file}: {e}"));
                let again = Model::load(&arguments[0], &options).unwrap_or_else(|e| panic!("{e}"));
                answer["without"] = serde_json::json!([label(&model), label(&again)]);
            }
            answer
        }
        Err(e) => serde_json::json!({ "error": {
            "kind": e.kind().name(), "place": e.place(), "found": e.found(), "expected": e.expected(),
        }}),
    };
    println!("{answer}");
}

fn label(model: &Model) -> Vec<f32> {
    let prediction = model.predict("Great food, slow service.").expect("a prediction");
    prediction.label().logits.to_vec()
}
