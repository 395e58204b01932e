//! What a phrase does, in words: the same on a page, in the terminal and in a notebook.

use serde::Serialize;
use sparsecbm::explain::{Explanation, Phrase, Reason};
use sparsecbm::{ConceptPrediction, Question};

/// How a phrase's effects are told.
pub struct Effects<'a> {
    label: &'a str,
}

/// A piece of the text: what stands between the phrases, or part of some.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Piece {
    pub text: String,
    /// Whether it is part of a phrase that speaks for its concept's class, and of one against.
    pub is_for: bool,
    pub is_against: bool,
    /// Concepts whose phrases end here, `against` before those that they speak against.
    pub ends: Vec<String>,
}

impl<'a> Effects<'a> {
    pub fn of(explanation: &'a Explanation) -> Effects<'a> {
        Effects { label: &explanation.contributions.label }
    }

    /// Such as `makes noise negative (+0.62), rating −0.80`.
    pub fn tell(&self, reason: &Reason, phrase: &Phrase) -> String {
        let (concept, class) = (&reason.concept, &reason.class);
        let does = match (phrase.support > 0.0, reason.question) {
            (true, None) => format!("makes {concept} {class}"),
            (false, None) => format!("speaks against {concept} {class}"),
            (true, Some(_)) => format!("was read as {concept} {class}"),
            (false, Some(_)) => format!("spoke against {concept} {class}"),
        };
        let label =
            phrase.label.as_ref().map_or(String::new(), |change| match change.expected_value {
                Some(change) => format!(", {} {}", self.label, signed(change)),
                None => format!(", {} {} {}", self.label, change.class, signed(change.probability)),
            });
        format!("{does} ({}){label}", signed(phrase.probability))
    }

    /// What is told of a concept that shows no phrase.
    pub fn none(&self, reason: &Reason) -> &'static str {
        match reason.question {
            Some(Question::Suppose) => "supposed: no words are its reason",
            _ => "no words stand out",
        }
    }
}

/// A change with its sign and two digits.
pub fn signed(value: f32) -> String {
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{:.2}", value.abs())
}

/// What was done to a concept, and what the model itself had read.
pub fn override_note(concept: &ConceptPrediction, reason: &Reason) -> Option<String> {
    let how = match concept.question? {
        Question::Correct => "corrected",
        _ => "supposed",
    };
    Some(format!("{how}; the model read {}", reason.class))
}

/// The text in pieces that give it back, with the phrases of all concepts; one piece where there is none, or no text.
pub fn pieces(explanation: &Explanation) -> Vec<Piece> {
    let Some(text) = &explanation.text else { return Vec::new() };
    let phrases: Vec<(&str, &Phrase, &std::ops::Range<usize>)> = explanation
        .reasons
        .iter()
        .flat_map(|reason| reason.phrases.iter().map(move |phrase| (&*reason.concept, phrase)))
        .filter_map(|(concept, phrase)| Some((concept, phrase, phrase.utf8.as_ref()?)))
        .collect();
    let mut bounds: Vec<usize> = phrases.iter().flat_map(|(.., at)| [at.start, at.end]).collect();
    bounds.extend([0, text.len()]);
    bounds.sort_unstable();
    bounds.dedup();
    let piece = |bounds: &[usize]| {
        let (start, end) = (bounds[0], bounds[1]);
        let over = || phrases.iter().filter(|(.., at)| at.start <= start && end <= at.end);
        let ends = over().filter(|(.., at)| at.end == end);
        Piece {
            text: text[start..end].into(),
            is_for: over().any(|(_, phrase, _)| phrase.support > 0.0),
            is_against: over().any(|(_, phrase, _)| phrase.support < 0.0),
            ends: ends
                .map(|(concept, phrase, _)| match phrase.support > 0.0 {
                    true => (*concept).to_string(),
                    false => format!("against {concept}"),
                })
                .collect(),
        }
    };
    bounds.windows(2).map(piece).collect()
}
