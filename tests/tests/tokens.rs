//! Token ids and offsets of awkward strings equal those of Python's `tokenizers`.

use sparsecbm::{LoadOptions, Model};
use sparsecbm_exporter::ExportOptions;
use sparsecbm_tests::{exported, token_cases};

#[test]
fn awkward_strings_tokenize_as_in_python() {
    let bytes = exported("examples/models/cebab", &ExportOptions::default());
    let model = Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads");
    let cases = token_cases();
    assert!(cases.len() >= 200, "{} cases", cases.len());
    for case in cases {
        let start: String = case.text.chars().take(40).collect();
        let tokens = model.tokenize(&case.text).unwrap_or_else(|e| panic!("{start:?}: {e}"));
        let ids: Vec<u32> = tokens.tokens.iter().map(|token| token.id).collect();
        assert_eq!(ids, case.ids, "ids of {start:?}");
        for (token, golden) in tokens.tokens.iter().zip(&case.offsets) {
            assert_eq!(
                token.span.clone().unwrap_or(0..0),
                *golden,
                "offsets of {start:?}: {token:?}"
            );
            assert!(
                case.text.is_char_boundary(golden.start) && case.text.is_char_boundary(golden.end)
            );
        }
        assert_eq!(tokens.dropped > 0, case.dropped, "truncation of {start:?}");
    }
}

#[test]
fn a_long_text_is_cut_and_says_so() {
    let bytes = exported("examples/models/cebab", &ExportOptions::default());
    let model = Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads");
    let long = "good food ".repeat(10_000);
    let prediction = model.predict(&long).expect("100 kB of text has an answer");
    assert_eq!(prediction.tokens().len(), model.schema().max_length);
    assert_eq!(prediction.dropped_tokens(), 20_000 - (model.schema().max_length - 2));
}
