//! Token ids and offsets of awkward strings equal those of Python's `tokenizers`.

use sparsecbm::{ErrorKind, LoadOptions, Model};
use sparsecbm_exporter::ExportOptions;
use sparsecbm_tests::{exported, token_cases};

#[test]
fn awkward_strings_tokenize_as_in_python() {
    tokenize_as_in_python("examples/models/cebab", "tokens");
}

#[test]
fn awkward_strings_tokenize_as_in_python_by_unigram() {
    tokenize_as_in_python("tests/models/xlm-roberta", "tokens-unigram");
}

fn tokenize_as_in_python(folder: &str, goldens: &str) {
    let bytes = exported(folder, &ExportOptions::default());
    let model = Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads");
    let cases = token_cases(goldens);
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

#[test]
fn what_was_tokenized_is_predicted_as_the_text_is() {
    let bytes = exported("tests/models/tiny", &ExportOptions::default());
    let model = Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads");
    let text = "The movie was very good";
    let own = model.tokenize(text).expect("any text has tokens");
    let ids: Vec<u32> = own.tokens.iter().map(|token| token.id).collect();
    let same = model.tokenize_ids(&ids).expect("the model's own ids");
    // A batch of the same size: ONNX Runtime rounds otherwise in another.
    let expected = model.predict_batch(&[text, text]).expect("answers");
    let answers = model.predict_tokenized(vec![own.clone(), same]).expect("answers");
    assert_eq!(answers.iter().map(|a| a.text()).collect::<Vec<_>>(), [Some(text), None]);
    for (answer, expected) in answers.iter().zip(&expected) {
        assert_eq!(answer.concept_logits(), expected.concept_logits());
        assert_eq!(answer.label(), expected.label());
    }

    let mut by_hand = own.clone();
    by_hand.tokens[1].id = 1_000_000;
    let mut none = own.clone();
    none.tokens.clear();
    let mut long = own.clone();
    long.tokens = own.tokens.iter().cycle().take(1000).cloned().collect();
    for (wrong, found) in [(by_hand, "id 1000000"), (none, "0 ids"), (long, "1000 ids")] {
        let error = model.predict_tokenized(vec![own.clone(), wrong]).expect_err("wrong tokens");
        assert_eq!((error.kind(), error.found()), (ErrorKind::Input, found));
    }
    assert!(model.tokenize_ids(&[]).is_err());
}
