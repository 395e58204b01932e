use serde::Serialize;

use crate::concept_layer::Question;
use crate::prediction::{ConceptPrediction, Prediction};

/// The label under every class of one concept, the other concepts as they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WhatIf {
    /// The concept's name.
    pub concept: String,
    /// The index of its class as it is.
    pub class_index: usize,
    /// `[C]`: one entry a class, the present one included: asserting it can still move the label,
    /// since the model may be less than sure of it.
    pub outcomes: Vec<Outcome>,
}

/// The label where one concept is asserted to be of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The class asserted.
    pub class: String,
    /// The label's class that follows.
    pub label: String,
    /// Its index.
    pub label_index: usize,
    /// `[L]`: the label's logits.
    pub label_logits: Vec<f32>,
    /// `[L]`: the label's probabilities.
    pub label_probabilities: Vec<f32>,
    /// The label's mean, where its classes are numbers.
    pub expected_value: Option<f32>,
}

/// A smallest set of concept changes that gives another label.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Counterfactual {
    /// What to change: as few concepts as possible.
    pub changes: Vec<ConceptChange>,
    /// The label's class that follows.
    pub label: String,
    /// Its index.
    pub label_index: usize,
    /// `[L]`: the label's probabilities that follow.
    pub label_probabilities: Vec<f32>,
    /// The label's mean that follows, where its classes are numbers.
    pub expected_value: Option<f32>,
}

/// One concept, taken from one class to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConceptChange {
    /// The concept's name.
    pub concept: String,
    /// Its class as it is.
    pub from: String,
    /// The class asserted instead.
    pub to: String,
    /// That class's index.
    pub to_index: usize,
}

impl Prediction {
    /// For each concept, the label if it were of each class: what [`Prediction::suppose`] gives.
    pub fn what_if(&self) -> Vec<WhatIf> {
        self.outcomes(Question::Suppose)
    }

    /// For each concept, the label under every class, by the answers to `question`.
    pub(super) fn outcomes(&self, question: Question) -> Vec<WhatIf> {
        let of_concept = |(k, concept): (usize, ConceptPrediction<'_>)| {
            let classes = &self.model().schema().concepts[k].classes;
            let outcomes = classes.iter().enumerate().map(|(class, name)| {
                let asserted = self.asserting(question, &[(k, class)]);
                let label = asserted.label();
                Outcome {
                    class: name.clone(),
                    label: label.class.into(),
                    label_index: label.class_index,
                    label_logits: label.logits.to_vec(),
                    label_probabilities: label.probabilities.to_vec(),
                    expected_value: label.expected_value,
                }
            });
            WhatIf {
                concept: concept.name.into(),
                class_index: concept.class_index,
                outcomes: outcomes.collect(),
            }
        };
        self.concepts().enumerate().map(of_concept).collect()
    }

    /// The smallest set of concepts to be of another class so that the label is another one; among sets
    /// of that size, one that gives the new label the largest margin over the old. `None` where no set
    /// does.
    ///
    /// Found exactly, however many concepts there are: what supposing adds to the label logits does
    /// not depend on the other concepts' overrides, so for each label class the best n changes are the n
    /// concepts whose best class moves the margin most.
    pub fn counterfactual(&self) -> Option<Counterfactual> {
        self.counterfactual_among(&self.what_if())
    }

    /// [`Prediction::counterfactual`] from what [`Prediction::what_if`] gave.
    pub(super) fn counterfactual_among(&self, what_if: &[WhatIf]) -> Option<Counterfactual> {
        let now = self.label();
        let ranked: Vec<Route> = (0..now.logits.len())
            .filter(|&target| target != now.class_index)
            .map(|target| Route::new(what_if, now.logits, now.class_index, target))
            .collect();
        for size in 1..=what_if.len() {
            let mut routes: Vec<(f64, &[Step])> =
                ranked.iter().map(|route| (route.margin(size), &route.steps[..size])).collect();
            routes.sort_by(|a, b| b.0.total_cmp(&a.0));
            // The concept layer has the last word: it rounds otherwise than the sums here.
            for (_, steps) in routes.into_iter().take_while(|(margin, _)| *margin > 0.0) {
                let found = self.take(steps, what_if);
                if found.label_index != now.class_index {
                    return Some(found);
                }
            }
        }
        None
    }

    fn take(&self, steps: &[Step], what_if: &[WhatIf]) -> Counterfactual {
        let classes: Vec<(usize, usize)> =
            steps.iter().map(|step| (step.concept, step.class)).collect();
        let changed = self.asserting(Question::Suppose, &classes);
        let label = changed.label();
        let change = |step: &Step| {
            let concept = &what_if[step.concept];
            ConceptChange {
                concept: concept.concept.clone(),
                from: concept.outcomes[concept.class_index].class.clone(),
                to: concept.outcomes[step.class].class.clone(),
                to_index: step.class,
            }
        };
        Counterfactual {
            changes: steps.iter().map(change).collect(),
            label: label.class.into(),
            label_index: label.class_index,
            label_probabilities: label.probabilities.to_vec(),
            expected_value: label.expected_value,
        }
    }
}

/// Towards one label class: the best change of each concept, the most helpful first.
struct Route {
    /// Logit of the target less that of the present label, as things are.
    start: f64,
    steps: Vec<Step>,
}

/// One concept's change and what it adds to the margin.
struct Step {
    concept: usize,
    class: usize,
    gain: f64,
}

impl Route {
    fn new(what_if: &[WhatIf], logits: &[f32], present: usize, target: usize) -> Route {
        let margin = |logits: &[f32]| f64::from(logits[target]) - f64::from(logits[present]);
        let start = margin(logits);
        let best = |(concept, what_if): (usize, &WhatIf)| {
            let changes = what_if.outcomes.iter().enumerate();
            let steps = changes.filter(|&(class, _)| class != what_if.class_index).map(
                |(class, outcome)| Step {
                    concept,
                    class,
                    gain: margin(&outcome.label_logits) - start,
                },
            );
            // A concept has two classes or more, so there is one to change to.
            steps.max_by(|a, b| a.gain.total_cmp(&b.gain))
        };
        let mut steps: Vec<Step> = what_if.iter().enumerate().filter_map(best).collect();
        steps.sort_by(|a, b| b.gain.total_cmp(&a.gain));
        Route { start, steps }
    }

    /// The margin after the best `size` changes.
    fn margin(&self, size: usize) -> f64 {
        self.start + self.steps[..size].iter().map(|step| step.gain).sum::<f64>()
    }
}
