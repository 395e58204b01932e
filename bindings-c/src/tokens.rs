use std::ffi::{CString, c_char};

use crate::arguments::{Out, element, reference, text};
use crate::model::Model;
use crate::names::c_string;
use crate::status::{Failure, Status, entry, free};

/// A text as a model reads it: its tokens, special ones included, as many as fit. Never changes, so any number
/// of threads may use one at the same time. Needs neither its model nor the text any more. Freed by
/// `scbm_tokens_free`.
pub struct Tokens {
    inner: sparsecbm::Tokens,
    ids: Vec<u32>,
    pieces: Vec<CString>,
}

/// How much there is of tokens. Its pointer lives as long as they.
#[repr(C)]
pub struct TokensInfo {
    /// The number of tokens, special ones included.
    pub token_count: usize,
    /// How many tokens at the end of the text did not fit into the model's `max_length` and were left out.
    pub dropped_token_count: usize,
    /// `token_count` ids of the model's vocabulary, as `scbm_predict_tokens` takes them.
    pub ids: *const u32,
}

/// One token that the model reads. Its pointer lives as long as what it was read from.
#[repr(C)]
pub struct Token {
    /// The token's id in the model's vocabulary.
    pub id: u32,
    /// Whether the token stands for a part of the text. Special tokens do not, nor do token ids.
    pub has_span: bool,
    /// Where that part begins, in bytes; 0 where there is none.
    pub start: usize,
    /// Where it ends: the first byte after it; 0 where there is none.
    pub end: usize,
    /// The piece of the vocabulary, as the tokenizer writes it (`##ing`, `[CLS]`).
    pub piece: *const c_char,
}

/// The tokens of a text, without predicting it.
///
/// `text`: `length` bytes of UTF-8, as for `scbm_predict`. `tokens`: receives the tokens, which are the caller's
/// to free.
///
/// Threads: any. Errors: `MODEL` where a piece of the vocabulary holds a zero byte, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_tokenize(
    model: *const Model,
    text: *const c_char,
    length: usize,
    tokens: *mut *mut Tokens,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, text, out) = unsafe {
            (
                reference(model, "model")?,
                self::text(text, length, "text")?,
                Out::new(tokens, "tokens")?,
            )
        };
        let inner = model.inner.tokenize(text)?;
        let ids = inner.tokens.iter().map(|token| token.id).collect();
        let pieces = pieces(&inner.tokens)?;
        out.write(Box::into_raw(Box::new(Tokens { inner, ids, pieces })));
        Ok(())
    })
}

/// Frees tokens; NULL is fine. What was read from them is gone with them. Threads: any, when no other is in a
/// call that was given them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_tokens_free(tokens: *mut Tokens) {
    // SAFETY: as the caller promises.
    unsafe { free(tokens) }
}

/// How much there is, and the ids.
///
/// `info`: receives it; its pointer lives as long as the tokens. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_tokens_get_info(
    tokens: *const Tokens,
    info: *mut TokensInfo,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (tokens, info) = unsafe { (reference(tokens, "tokens")?, Out::new(info, "info")?) };
        info.write(TokensInfo {
            token_count: tokens.ids.len(),
            dropped_token_count: tokens.inner.dropped,
            ids: tokens.ids.as_ptr(),
        });
        Ok(())
    })
}

/// One token, in the order of the text.
///
/// `index`: 0 to `token_count` − 1. `token`: receives it; its pointer lives as long as the tokens. Threads: any.
/// Errors: `ARGUMENT`, also where there is no such token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_tokens_get_token(
    tokens: *const Tokens,
    index: usize,
    token: *mut Token,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (tokens, out) = unsafe { (reference(tokens, "tokens")?, Out::new(token, "token")?) };
        out.write(Token::at(index, &tokens.inner.tokens, &tokens.pieces)?);
        Ok(())
    })
}

impl Token {
    /// The token at `index` of `tokens`, whose pieces those are.
    pub(crate) fn at(
        index: usize,
        tokens: &[sparsecbm::Token],
        pieces: &[CString],
    ) -> Result<Token, Failure> {
        let token = element(tokens, index, "index")?;
        let span = token.span.as_ref();
        Ok(Token {
            id: token.id,
            has_span: span.is_some(),
            start: span.map_or(0, |span| span.start),
            end: span.map_or(0, |span| span.end),
            piece: pieces[index].as_ptr(),
        })
    }
}

/// The pieces of tokens as C strings.
///
/// # Errors
/// `SCBM_ERROR_MODEL` where one holds a zero byte.
pub(crate) fn pieces(tokens: &[sparsecbm::Token]) -> Result<Vec<CString>, Failure> {
    tokens.iter().map(|token| c_string(&token.piece)).collect()
}
