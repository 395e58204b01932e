use prost::Message;
use sparsecbm::{EngineChoice, LoadOptions, Model};

use crate::graph::tiny;

/// Loads the tiny model with a tokenizer of these bytes, and tokenizes awkward texts with it.
pub fn tokenizer(bytes: &[u8]) {
    let Ok(json) = str::from_utf8(bytes) else { return };
    let mut model = tiny();
    for entry in &mut model.metadata_props {
        if entry.key == "sparsecbm.tokenizer" {
            entry.value = json.into();
        }
    }
    let options = LoadOptions::default().with_engine(EngineChoice::Sparse);
    let Ok(model) = Model::from_bytes(model.encode_to_vec(), &options) else { return };
    for text in [
        "",
        "bad plot, good acting!",
        "\0 e\u{301}\u{1f600}\u{202e} ##ing [CLS]",
        &"a ".repeat(300),
    ] {
        if let Ok(prediction) = model.predict(text) {
            let within = |token: &sparsecbm::Token| {
                token.span.as_ref().is_none_or(|span| text.get(span.clone()).is_some())
            };
            assert!(prediction.tokens().iter().all(within), "a token's place is outside the text");
        }
    }
}
