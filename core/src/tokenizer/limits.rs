use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// How many times longer than a text the rules of a tokenizer may make it, all of them together. Those of real
/// models stay below a hundred.
const GROWTH: usize = 1 << 12;

/// The longest word, in characters, that is looked up piece by piece, which takes the square of its length. Real
/// models have 100.
const WORD: u64 = 1000;

/// The most bytes that are put before each piece looked up inside a word. Real models have 2.
const PREFIX: usize = 64;

/// What in a `tokenizer.json` can make much of little; the rest is passed over.
#[derive(Deserialize)]
struct Rules {
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    model: Pieces,
}

#[derive(Deserialize)]
struct Pieces {
    max_input_chars_per_word: Option<u64>,
    continuing_subword_prefix: Option<String>,
}

/// Refuses a tokenizer with which a short text could take more memory or time than there is: the library that
/// reads it has no limits of its own.
///
/// # Errors
/// `Format` where `json` is no tokenizer, `Model` where it asks for more than the limits.
pub(super) fn check(json: &[u8], place: &str) -> Result<()> {
    let rules: Rules = serde_json::from_slice(json).map_err(|e| {
        let expected = "a Hugging Face tokenizer";
        Error::new(ErrorKind::Format, place, e.to_string(), expected).caused_by(e)
    })?;
    let wrong = |field: &str, found: String, expected: String| {
        Err(Error::new(ErrorKind::Model, format!("{place}: {field}"), found, expected))
    };
    let all = [rules.normalizer, rules.pre_tokenizer];
    if all.iter().flatten().map(growth).fold(1, usize::saturating_mul) > GROWTH {
        let found = "rules that replace little by much, over and over".into();
        return wrong("normalizer", found, format!("a text made at most {GROWTH} times as long"));
    }
    let Pieces { max_input_chars_per_word: word, continuing_subword_prefix: prefix } = rules.model;
    if let Some(length) = word.filter(|length| *length > WORD) {
        let expected = format!("at most {WORD}");
        return wrong("model: max_input_chars_per_word", length.to_string(), expected);
    }
    if let Some(prefix) = prefix.filter(|prefix| prefix.len() > PREFIX) {
        let found = format!("{} bytes", prefix.len());
        return wrong("model: continuing_subword_prefix", found, format!("at most {PREFIX}"));
    }
    Ok(())
}

/// How many times as long as before a rule and those inside it can make a text, one after the other.
fn growth(rule: &Value) -> usize {
    match rule {
        Value::Array(rules) => rules.iter().map(growth).fold(1, usize::saturating_mul),
        Value::Object(fields) => {
            let own = match fields.get("type").and_then(Value::as_str) {
                // The content instead of each character, or beside it.
                Some("Replace") => {
                    fields.get("content").and_then(Value::as_str).map_or(1, str::len) + 1
                }
                // A byte beyond ASCII becomes a character of two.
                Some("ByteLevel") => 2,
                // A table of replacements. Those of real models make 11 times as much of a character; a sequence of
                // such tables is what must not be.
                Some("Precompiled") => 64,
                _ => 1,
            };
            fields.values().map(growth).fold(own, usize::saturating_mul)
        }
        _ => 1,
    }
}
