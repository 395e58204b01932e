use serde::Serialize;
use sparsecbm::explain::Progress;
use sparsecbm::{Prediction, Question};
use wasm_bindgen::prelude::*;

use crate::error::to_js;
use crate::explain;
use crate::overrides;
use crate::pausing::RawWork;
use crate::report::{plain, report};

/// A prediction and its overrides.
#[wasm_bindgen]
pub struct RawPrediction {
    pub(crate) prediction: Prediction,
}

/// What a prediction says, under the names that JavaScript has for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot<'a> {
    label: Label<'a>,
    concepts: Vec<Concept<'a>>,
    dropped_tokens: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Label<'a> {
    name: &'a str,
    class: &'a str,
    class_index: usize,
    probabilities: &'a [f32],
    logits: &'a [f32],
    expected_value: Option<f32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Concept<'a> {
    name: &'a str,
    class: &'a str,
    class_index: usize,
    probabilities: &'a [f32],
    logits: &'a [f32],
    overridden: bool,
    question: Option<Question>,
}

#[derive(Serialize)]
struct Token<'a> {
    id: u32,
    piece: &'a str,
    /// UTF-16 units of the text, the end excluded.
    start: Option<usize>,
    end: Option<usize>,
}

impl RawPrediction {
    pub(crate) fn new(prediction: Prediction) -> RawPrediction {
        RawPrediction { prediction }
    }
}

#[wasm_bindgen]
impl RawPrediction {
    /// Label and concepts.
    pub fn snapshot(&self) -> Result<JsValue, JsValue> {
        let label = self.prediction.label();
        plain(&Snapshot {
            label: Label {
                name: label.name,
                class: label.class,
                class_index: label.class_index,
                probabilities: label.probabilities,
                logits: label.logits,
                expected_value: label.expected_value,
            },
            concepts: self.prediction.concepts().map(Concept::from).collect(),
            dropped_tokens: self.prediction.dropped_tokens(),
        })
    }

    /// The positions that the model read.
    pub fn tokens(&self) -> Result<JsValue, JsValue> {
        let text = self.prediction.text().unwrap_or_default();
        let tokens = self.prediction.tokens();
        let ends = tokens.iter().filter_map(|token| token.span.clone());
        let units = Utf16::of(text, ends.flat_map(|span| [span.start, span.end]).collect());
        let tokens = tokens.iter().map(|token| Token {
            id: token.id,
            piece: &token.piece,
            start: token.span.as_ref().map(|span| units.at(span.start)),
            end: token.span.as_ref().map(|span| units.at(span.end)),
        });
        plain(&tokens.collect::<Vec<_>>())
    }

    /// `[K, C, S]`, flat: what each position adds to each concept logit; 0 for classes that a concept does not have.
    #[wasm_bindgen(js_name = tokenEvidence)]
    pub fn token_evidence(&self) -> Vec<f32> {
        self.prediction.token_evidence().iter().copied().collect()
    }

    /// The prediction as it would be if these concepts were so.
    pub fn suppose(&self, overrides: &JsValue) -> Result<RawPrediction, JsValue> {
        let overrides = overrides::read(overrides)?;
        self.prediction.suppose(overrides).map(RawPrediction::new).map_err(to_js)
    }

    /// The prediction where these concepts are so and the model misread them.
    pub fn correct(&self, overrides: &JsValue) -> Result<RawPrediction, JsValue> {
        let overrides = overrides::read(overrides)?;
        self.prediction.correct(overrides).map(RawPrediction::new).map_err(to_js)
    }

    /// The prediction without the override of `concept`, or without any.
    pub fn undo(&self, concept: Option<String>) -> Result<RawPrediction, JsValue> {
        let undone = match concept {
            Some(concept) => self.prediction.undo(&concept),
            None => Ok(self.prediction.undo_all()),
        };
        undone.map(RawPrediction::new).map_err(to_js)
    }

    /// Why; it pauses between runs of the model, and ends there where it is to.
    pub fn explain(&self, options: JsValue) -> Result<RawWork, JsValue> {
        let (options, end) = explain::options(options)?;
        let prediction = self.prediction.clone();
        Ok(RawWork::new(|pauses| async move {
            let progress = async |now: Progress| {
                pauses.explained(now).await?;
                end.look()
            };
            report(&prediction.explain_with_pauses(&options, progress).await.map_err(to_js)?)
        }))
    }

    /// The concepts worth asking a person about, the best first.
    #[wasm_bindgen(js_name = suggestInterventions)]
    pub fn suggest_interventions(&self, options: JsValue) -> Result<JsValue, JsValue> {
        let options = explain::suggest_options(options)?;
        report(&self.prediction.suggest_interventions(&options).map_err(to_js)?)
    }
}

impl<'a> From<sparsecbm::ConceptPrediction<'a>> for Concept<'a> {
    fn from(concept: sparsecbm::ConceptPrediction<'a>) -> Concept<'a> {
        Concept {
            name: concept.name,
            class: concept.class,
            class_index: concept.class_index,
            probabilities: concept.probabilities,
            logits: concept.logits,
            overridden: concept.overridden,
            question: concept.question,
        }
    }
}

/// Offsets in UTF-16 units for some byte offsets of a text, found in one walk.
struct Utf16 {
    /// Byte offset and UTF-16 offset, in order.
    offsets: Vec<(usize, usize)>,
}

impl Utf16 {
    fn of(text: &str, mut bytes: Vec<usize>) -> Utf16 {
        bytes.sort_unstable();
        bytes.dedup();
        let (mut walked, mut unit) = (0, 0);
        let mut characters = text.chars().peekable();
        let offsets = bytes.into_iter().map(|byte| {
            // A piece may end inside a character; it then has all of it.
            while let Some(character) = characters.next_if(|_| walked < byte) {
                walked += character.len_utf8();
                unit += character.len_utf16();
            }
            (byte, unit)
        });
        Utf16 { offsets: offsets.collect() }
    }

    fn at(&self, byte: usize) -> usize {
        let found = self.offsets.binary_search_by_key(&byte, |&(byte, _)| byte);
        self.offsets[found.expect("every offset asked for was given")].1
    }
}
