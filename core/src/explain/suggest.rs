use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::WhatIf;
use crate::concept_layer::Question;
use crate::error::{Error, ErrorKind, Result, named};
use crate::prediction::Prediction;

/// By what concepts are ranked: the larger, the sooner a person is asked about one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Policy {
    /// Entropy of the concept's probabilities (UCP in Shin et al., *A Closer Look at the Intervention
    /// Procedure of Concept Bottleneck Models*, ICML 2023, arXiv 2302.14260).
    Uncertainty,
    /// How far the concept moves the label logits from the baseline (in the spirit of CCTP, same paper).
    Contribution,
    /// How far the label's probabilities are expected to move when the concept becomes known (in the
    /// spirit of ECTP, same paper; here by total variation distance).
    ExpectedChange,
    /// Uncertainty times expected change: the two ingredients of CooP (Chauhan et al., *Interactive
    /// Concept Bottleneck Models*, AAAI 2023, arXiv 2212.07430), which adds them with tuned weights;
    /// the product has nothing to tune.
    #[default]
    Combined,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 4] =
        [Policy::Uncertainty, Policy::Contribution, Policy::ExpectedChange, Policy::Combined];

    /// A stable name: `uncertainty`, `contribution`, `expected-change`, `combined`.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Uncertainty => "uncertainty",
            Policy::Contribution => "contribution",
            Policy::ExpectedChange => "expected-change",
            Policy::Combined => "combined",
        }
    }
}

/// The [name](Policy::name).
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// From the [name](Policy::name).
impl FromStr for Policy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Policy> {
        named(&Policy::ALL, Policy::name, name, "policy")
    }
}

/// How [`Prediction::suggest_interventions`] ranks.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SuggestOptions {
    /// By what.
    pub policy: Policy,
    /// What asking about a concept costs, by its name: the score is divided by it. 1 where not named.
    pub costs: BTreeMap<String, f32>,
}

impl From<Policy> for SuggestOptions {
    fn from(policy: Policy) -> SuggestOptions {
        SuggestOptions { policy, ..SuggestOptions::default() }
    }
}

/// What asking a person about one concept may gain.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Suggestion {
    /// The concept's name.
    pub concept: String,
    /// The policy's value divided by the cost: suggestions are sorted by it.
    pub score: f32,
    /// Entropy of the concept's probabilities in nats: 0 where the model is sure, ln C at most.
    pub uncertainty: f32,
    /// Mean over the label's classes of the size of the concept's contribution to the logit.
    pub contribution: f32,
    /// Total variation distance (0 to 1) between the label's probabilities before and after the concept
    /// is known, on average over its classes under the model's probabilities.
    pub expected_change: f32,
    /// What asking costs.
    pub cost: f32,
}

impl Prediction {
    /// The concepts that are not overridden, ranked by what is gained from asking a person about them: what
    /// [`Prediction::correct`] would change.
    ///
    /// # Errors
    /// `Input` where a cost names a concept that the model does not have or is not above 0.
    pub fn suggest_interventions(&self, options: &SuggestOptions) -> Result<Vec<Suggestion>> {
        for (concept, cost) in &options.costs {
            self.model().schema().concept_index(concept)?;
            if !(cost.is_finite() && *cost > 0.0) {
                let place = format!("cost of concept '{concept}'");
                return Err(Error::new(
                    ErrorKind::Input,
                    place,
                    cost.to_string(),
                    "a number above 0",
                ));
            }
        }
        let contributions = self.contributions();
        let now = self.label();
        let judged =
            self.concepts().zip(self.outcomes(Question::Correct)).zip(&contributions.concepts);
        let suggestions = judged.filter(|((concept, _), _)| !concept.overridden).map(
            |((concept, what_if), contribution)| {
                let shares = &contribution.label_logits;
                let size =
                    shares.iter().map(|share| share.abs()).sum::<f32>() / shares.len() as f32;
                let mut suggestion = Suggestion {
                    concept: concept.name.into(),
                    score: 0.0,
                    uncertainty: entropy(concept.probabilities),
                    contribution: size,
                    expected_change: expected_change(
                        concept.probabilities,
                        &what_if,
                        now.probabilities,
                    ),
                    cost: options.costs.get(concept.name).copied().unwrap_or(1.0),
                };
                suggestion.score = suggestion.value(options.policy) / suggestion.cost;
                suggestion
            },
        );
        let mut suggestions: Vec<Suggestion> = suggestions.collect();
        suggestions.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(suggestions)
    }
}

impl Suggestion {
    fn value(&self, policy: Policy) -> f32 {
        match policy {
            Policy::Uncertainty => self.uncertainty,
            Policy::Contribution => self.contribution,
            Policy::ExpectedChange => self.expected_change,
            Policy::Combined => self.uncertainty * self.expected_change,
        }
    }
}

/// −Σ p ln p; a class of probability 0 adds nothing.
fn entropy(probabilities: &[f32]) -> f32 {
    probabilities.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum()
}

/// Σⱼ pⱼ · ½ Σₗ |label under class j − label now|.
fn expected_change(probabilities: &[f32], what_if: &WhatIf, now: &[f32]) -> f32 {
    let distance = |label: &[f32]| -> f32 {
        label.iter().zip(now).map(|(a, b)| (a - b).abs()).sum::<f32>() / 2.0
    };
    let outcomes = probabilities.iter().zip(&what_if.outcomes);
    outcomes.map(|(p, outcome)| p * distance(&outcome.label_probabilities)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_from_the_names_that_they_show_and_that_json_has() {
        for policy in Policy::ALL {
            let name = policy.to_string();
            assert_eq!(name.parse::<Policy>().expect("its own name"), policy);
            assert_eq!(serde_json::to_value(policy).expect("a name"), name.as_str());
        }
        assert_eq!(
            "random".parse::<Policy>().expect_err("there is no such policy").to_string(),
            "policy: found 'random', expected one of uncertainty, contribution, expected-change, combined"
        );
    }
}
