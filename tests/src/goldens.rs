use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use sparsecbm::Question;

use crate::repository;

/// A file of golden vectors, computed by PyTorch from a checkpoint (`tests/goldens/renew`).
#[derive(Deserialize)]
pub struct Goldens {
    /// The checkpoint's folder, from the root of the repository.
    pub model: String,
    pub cases: Vec<Case>,
}

/// Inputs and outputs of one run of the whole graph.
#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    /// The texts of the rows, where the case is made of texts.
    pub texts: Option<Vec<String>>,
    pub inputs: BTreeMap<String, Tensor>,
    pub outputs: BTreeMap<String, Tensor>,
}

#[derive(Clone, Deserialize)]
pub struct Tensor {
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

impl Goldens {
    /// The goldens called `name`: `tiny`, `tiny-executed` or `cebab`.
    pub fn read(name: &str) -> Goldens {
        let path = repository().join("tests/goldens").join(name).with_extension("json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"))
    }
}

impl Case {
    /// Rows of the batch.
    pub fn rows(&self) -> usize {
        self.inputs["input_ids"].shape[0]
    }

    /// The token ids of one row, without padding.
    pub fn token_ids(&self, row: usize) -> Vec<u32> {
        let mask = self.inputs["attention_mask"].row(row);
        let ids = self.inputs["input_ids"].row(row);
        ids.iter().zip(mask).filter(|&(_, &mask)| mask == 1.0).map(|(&id, _)| id as u32).collect()
    }

    /// The overridden concepts of one row, the question that each asks, and the probabilities that it is given:
    /// one per class of the concept, of which `classes` tells the number.
    pub fn overrides(&self, row: usize, classes: &[usize]) -> Vec<(usize, Question, Vec<f32>)> {
        let mask = self.inputs["concept_override_mask"].row(row);
        let values = self.inputs["concept_override"].row(row);
        let width = values.len() / mask.len();
        let given = mask.iter().enumerate().filter(|&(_, &mask)| mask != 0.0);
        given
            .map(|(k, &mask)| {
                let question = if mask == 2.0 { Question::Correct } else { Question::Suppose };
                (k, question, values[k * width..][..classes[k]].to_vec())
            })
            .collect()
    }
}

impl Tensor {
    /// One row of the first dimension.
    pub fn row(&self, row: usize) -> &[f32] {
        let size = self.data.len() / self.shape[0];
        &self.data[row * size..(row + 1) * size]
    }
}

/// The largest absolute difference; NaN anywhere gives infinity.
pub fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "number of values");
    let difference =
        |(a, b): (&f32, &f32)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() };
    found.iter().zip(expected).map(difference).fold(0.0, f32::max)
}

/// What Python's `tokenizers` makes of an awkward string.
pub struct TokenCase {
    pub text: String,
    pub ids: Vec<u32>,
    /// Byte offsets; (0, 0) for special tokens.
    pub offsets: Vec<Range<usize>>,
    /// Whether the text goes beyond the model's maximum length.
    pub dropped: bool,
}

/// The cases of `tests/goldens/NAME.json`: `tokens` under the shipped model's tokenizer, `tokens-unigram` under that of
/// `tests/models/xlm-roberta`.
pub fn token_cases(name: &str) -> Vec<TokenCase> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        text: Option<String>,
        repeat: Option<String>,
        times: Option<usize>,
        ids: Vec<u32>,
        offsets: Vec<(usize, usize)>,
        dropped: bool,
    }
    let path = repository().join(format!("tests/goldens/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let file: File = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let case = |entry: Entry| TokenCase {
        text: match (entry.text, entry.repeat, entry.times) {
            (Some(text), None, None) => text,
            (None, Some(part), Some(times)) => part.repeat(times),
            _ => panic!("{path:?}: a case has either a text, or a part and how often"),
        },
        ids: entry.ids,
        offsets: entry.offsets.into_iter().map(|(start, end)| start..end).collect(),
        dropped: entry.dropped,
    };
    file.cases.into_iter().map(case).collect()
}
