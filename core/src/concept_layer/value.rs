use serde::Serialize;

use super::softmax;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Variable;

/// What a person who overrides a concept asks.
///
/// Models of one answer (`effect` and `replace`: see
/// [`InterventionKind`](crate::schema::InterventionKind)) answer both alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Question {
    /// "As it would be if": the label follows as it does when a person edits the text.
    Suppose,
    /// "You misread the text": the label's probabilities given the text and what is now known of the concept.
    Correct,
}

/// One concept's override.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    pub question: Question,
    /// `[C]`: 0 for classes that the concept does not have.
    pub probabilities: Vec<f32>,
}

/// What a concept is to be, whatever the model believes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ConceptValue {
    /// One class, by name.
    Class(String),
    /// One class, by index.
    ClassIndex(usize),
    /// `[C]` probabilities, which sum to 1.
    Probabilities(Vec<f32>),
    /// `[C]` logits; their softmax is used.
    Logits(Vec<f32>),
}

impl From<&str> for ConceptValue {
    fn from(class: &str) -> ConceptValue {
        ConceptValue::Class(class.into())
    }
}

impl From<&String> for ConceptValue {
    fn from(class: &String) -> ConceptValue {
        ConceptValue::Class(class.clone())
    }
}

impl From<String> for ConceptValue {
    fn from(class: String) -> ConceptValue {
        ConceptValue::Class(class)
    }
}

impl From<usize> for ConceptValue {
    fn from(class_index: usize) -> ConceptValue {
        ConceptValue::ClassIndex(class_index)
    }
}

/// Probabilities, never logits: those are said by name.
impl From<&[f32]> for ConceptValue {
    fn from(probabilities: &[f32]) -> ConceptValue {
        ConceptValue::Probabilities(probabilities.into())
    }
}

/// Probabilities, never logits: those are said by name.
impl From<Vec<f32>> for ConceptValue {
    fn from(probabilities: Vec<f32>) -> ConceptValue {
        ConceptValue::Probabilities(probabilities)
    }
}

/// How far given probabilities may be from summing to 1.
const SUM_TOLERANCE: f32 = 1e-3;

impl ConceptValue {
    /// The probabilities that this value gives `concept`, one per class of it.
    pub(crate) fn probabilities(&self, concept: &Variable) -> Result<Vec<f32>> {
        let count = concept.classes.len();
        let wrong = |what: &str, found: String, expected: String| {
            let place = format!("{what} for concept '{}'", concept.name);
            Err(Error::new(ErrorKind::Input, place, found, expected))
        };
        let one_hot = |index: usize| (0..count).map(|i| f32::from(i == index)).collect();
        match self {
            ConceptValue::Class(name) => concept.class_index(name).map(one_hot),
            ConceptValue::ClassIndex(index) if *index < count => Ok(one_hot(*index)),
            ConceptValue::ClassIndex(index) => {
                wrong("class index", index.to_string(), format!("0 to {}", count - 1))
            }
            ConceptValue::Probabilities(values) | ConceptValue::Logits(values)
                if values.len() != count =>
            {
                wrong("values", format!("{} values", values.len()), format!("{count}, one a class"))
            }
            ConceptValue::Probabilities(values) => {
                let sum: f32 = values.iter().sum();
                // Written so that NaN fails too.
                if !values.iter().all(|p| (0.0..=1.0).contains(p))
                    || (sum - 1.0).abs() > SUM_TOLERANCE
                {
                    return wrong(
                        "probabilities",
                        format!("{values:?}, sum {sum}"),
                        "numbers from 0 to 1 with sum 1".into(),
                    );
                }
                Ok(values.clone())
            }
            ConceptValue::Logits(values) if values.iter().all(|logit| logit.is_finite()) => {
                Ok(softmax(values))
            }
            ConceptValue::Logits(values) => {
                wrong("logits", format!("{values:?}"), "finite numbers".into())
            }
        }
    }
}
