use std::panic::catch_unwind;

use sparsecbm::{Error, ErrorKind, Result};

/// What the exporter needs to know of `tokenizer.json`.
pub(crate) struct Vocabulary {
    /// Every token id, in order.
    pub(crate) ids: Vec<u32>,
    /// The id with which inputs are padded.
    pub(crate) padding: u32,
}

impl Vocabulary {
    /// Reads a Hugging Face tokenizer. `place` is named in errors.
    pub(crate) fn read(json: &str, place: &str) -> Result<Vocabulary> {
        let broken = |found: String| {
            Error::new(ErrorKind::Format, place, found, "a Hugging Face tokenizer as JSON")
        };
        // The library panics on some files, such as one that breaks off within its decoder.
        let tokenizer = catch_unwind(|| tokenizers::Tokenizer::from_bytes(json.as_bytes()))
            .map_err(|_| broken("what makes the library that reads it panic".into()))?
            .map_err(|e| broken(e.to_string()).caused_by(e))?;
        let mut ids: Vec<u32> = tokenizer.get_vocab(true).into_values().collect();
        ids.sort_unstable();
        if ids.is_empty() {
            return Err(broken("an empty vocabulary".into()));
        }
        let padding = ["[PAD]", "<pad>"].iter().find_map(|piece| tokenizer.token_to_id(piece));
        // A vocabulary without such a token pads with another, as the tokenizer says.
        let own = tokenizer.get_padding().map_or(0, |padding| padding.pad_id);
        Ok(Vocabulary { ids, padding: padding.unwrap_or(own) })
    }

    /// Checks that every id has a row in an embedding table of `rows` rows.
    pub(crate) fn expect_within(&self, rows: usize, place: &str) -> Result<()> {
        match self.ids.last() {
            Some(&last) if last as usize >= rows => Err(Error::new(
                ErrorKind::Model,
                place,
                format!("token id {last}"),
                format!("ids below {rows}, the vocab_size of config.json"),
            )),
            _ => Ok(()),
        }
    }
}
