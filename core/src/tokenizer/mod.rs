mod limits;

use std::ops::Range;

use serde::Serialize;
use tokenizers::TruncationDirection;

use crate::error::{Error, ErrorKind, Result};
use crate::panic::catch_panic;

/// One position of the model's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The token's id in the model's vocabulary.
    pub id: u32,
    /// The vocabulary piece, as the tokenizer writes it (`##ing`, `[CLS]`).
    pub piece: String,
    /// The bytes of the UTF-8 text that it stands for; `None` for special tokens, and where token ids
    /// were given instead of a text.
    pub span: Option<Range<usize>>,
}

/// A text as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// The text itself; `None` where token ids were given instead.
    pub text: Option<String>,
    /// The positions, special tokens included.
    pub tokens: Vec<Token>,
    /// How many tokens at the end of the text did not fit and were left out.
    pub dropped: usize,
}

/// The tokenizer inside a model.
pub(crate) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    max_length: usize,
    /// Special tokens around each text.
    special: usize,
    /// What the tokenizer itself would pad with; 0 where it would not.
    own_padding: u32,
}

impl Tokenizer {
    /// Reads `tokenizer.json`. Padding and truncation set in it are replaced by the model's own; of the
    /// padding its token is kept.
    ///
    /// # Errors
    /// `Format` where it cannot be read, `Model` where it leaves no room for text or asks for more than
    /// [`limits`] allow.
    pub(crate) fn from_json(json: &[u8], max_length: usize, place: &str) -> Result<Tokenizer> {
        let broken =
            |found: String| Error::new(ErrorKind::Format, place, found, "a Hugging Face tokenizer");
        limits::check(json, place)?;
        let mut inner = catch_panic(|| tokenizers::Tokenizer::from_bytes(json))
            .map_err(broken)?
            .map_err(|e| broken(e.to_string()).caused_by(e))?;
        let own_padding = inner.get_padding().map_or(0, |padding| padding.pad_id);
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| failed(e, place))?;
        let special = run(|| inner.encode("", true), place)?.len();
        if special >= max_length {
            return Err(Error::new(
                ErrorKind::Model,
                place,
                format!("{special} special tokens around each text"),
                format!("fewer than max_length, {max_length}"),
            ));
        }
        Ok(Tokenizer { inner, max_length, special, own_padding })
    }

    /// Number of ids; every id of the vocabulary is below it.
    pub(crate) fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    pub(crate) fn encode(&self, text: &str) -> Result<Tokens> {
        // Cut here: the library's own truncation does not tell how much it left out.
        let mut own = run(|| self.inner.encode(text, false), "text")?;
        let room = self.max_length - self.special;
        let dropped = own.len().saturating_sub(room);
        own.truncate(room, 0, TruncationDirection::Right);
        // The library keeps what was cut off, and would join each part of it with each copy in a template.
        own.take_overflowing();
        let encoding = run(|| self.inner.post_process(own, None, true), "text")?;
        // A template may name the text more than once.
        if encoding.len() > self.max_length {
            let found = format!("{} positions", encoding.len());
            let expected = format!("at most max_length, {}, as the model reads", self.max_length);
            return Err(Error::new(ErrorKind::Model, "tokenizer", found, expected));
        }
        let positions = encoding
            .get_ids()
            .iter()
            .zip(encoding.get_tokens())
            .zip(encoding.get_offsets().iter().zip(encoding.get_special_tokens_mask()));
        Ok(Tokens {
            text: Some(text.into()),
            tokens: positions
                .map(|((&id, piece), (&(start, end), &special))| Token {
                    id,
                    piece: piece.clone(),
                    span: (special == 0).then_some(start..end),
                })
                .collect(),
            dropped,
        })
    }

    /// Token ids given by the caller, special tokens included, as positions.
    pub(crate) fn describe(&self, ids: &[u32]) -> Result<Tokens> {
        self.check_length(ids.len())?;
        let tokens = ids.iter().enumerate().map(|(position, &id)| {
            let piece = self.inner.id_to_token(id).ok_or_else(|| self.unknown(position, id))?;
            Ok(Token { id, piece, span: None })
        });
        Ok(Tokens { text: None, tokens: tokens.collect::<Result<_>>()?, dropped: 0 })
    }

    /// Refuses tokens that the model cannot read, whoever made them.
    pub(crate) fn check(&self, tokens: &Tokens) -> Result<()> {
        self.check_length(tokens.tokens.len())?;
        let size = self.vocabulary_size();
        let mut ids = tokens.tokens.iter().map(|token| token.id).enumerate();
        match ids.find(|&(_, id)| id as usize >= size) {
            Some((position, id)) => Err(self.unknown(position, id)),
            None => Ok(()),
        }
    }

    fn check_length(&self, length: usize) -> Result<()> {
        if length == 0 || length > self.max_length {
            let expected = format!("1 to {}", self.max_length);
            let found = format!("{length} ids");
            return Err(Error::new(ErrorKind::Input, "token ids", found, expected));
        }
        Ok(())
    }

    fn unknown(&self, position: usize, id: u32) -> Error {
        Error::new(
            ErrorKind::Input,
            format!("token ids: position {position}"),
            format!("id {id}"),
            format!("an id of the vocabulary, below {}", self.vocabulary_size()),
        )
    }

    /// Whether an id stands for a special token.
    pub(crate) fn is_special(&self, id: u32) -> bool {
        let added = self.inner.get_added_tokens_decoder();
        added.get(&id).is_some_and(|token| token.special)
    }

    /// The id with which inputs are padded.
    pub(crate) fn padding_id(&self) -> u32 {
        self.first_of(&["[PAD]", "<pad>"]).unwrap_or(self.own_padding)
    }

    /// The id that stands for a token that is masked out.
    pub(crate) fn mask_id(&self) -> u32 {
        self.first_of(&["[MASK]", "<mask>", "[UNK]", "<unk>"]).unwrap_or(self.padding_id())
    }

    /// The id of the first of `pieces` that the vocabulary has.
    fn first_of(&self, pieces: &[&str]) -> Option<u32> {
        pieces.iter().find_map(|piece| self.inner.token_to_id(piece))
    }
}

/// What the library gives; its panics are errors too.
fn run<T>(call: impl FnOnce() -> tokenizers::Result<T>, place: &str) -> Result<T> {
    catch_panic(call).unwrap_or_else(|message| Err(message.into())).map_err(|e| failed(e, place))
}

fn failed(error: tokenizers::Error, place: &str) -> Error {
    Error::new(ErrorKind::Format, place, error.to_string(), "text the tokenizer can read")
}
