use serde::Serialize;
use sparsecbm::{Prediction, Result};

use crate::eval::{EditFigures, EditOutcomes, HumanEdit, Review, human_edits};

/// How well one way to override a concept predicts what people's edits of that concept did to the
/// label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverrideEffect {
    /// The way.
    pub method: String,
    /// Predicted against real changes of the label's value.
    #[serde(flatten)]
    pub effect: EditFigures,
}

/// Compares, on human edits: what supposing does; the label head fed with replaced
/// logits (means of the asserted class, 95th percentiles as in Koh et al., *Concept Bottleneck
/// Models*, ICML 2020, extremes); and reading the edited text.
///
/// Percentiles and extremes are taken from these very reviews, which can only favour them. Empty where
/// there are no edits or the label's classes are not numbers.
///
/// # Errors
/// `Engine` where the engine fails.
pub fn override_effects(
    predictions: &[Prediction],
    reviews: &[Review],
) -> Result<Vec<OverrideEffect>> {
    let edits = human_edits(reviews);
    let values = predictions.first().and_then(|p| p.model().schema().label.class_values());
    let (Some(values), false) = (values, edits.is_empty()) else { return Ok(Vec::new()) };
    let ranges = Ranges::new(predictions);
    let effect = |(method, way): (&str, Way)| {
        let mut outcomes = EditOutcomes::default();
        for edit in &edits {
            let before = &predictions[edit.original];
            let after = match way {
                Way::Suppose => supposed(before, edit)?,
                Way::Reading => predictions[edit.edited].label().probabilities.to_vec(),
                Way::ClassMeans => {
                    let calibration = &before.model().schema().calibration;
                    replaced(before, edit, &calibration.class_logits[edit.concept][edit.class])?
                }
                Way::Quantile(high) => replaced(before, edit, &ranges.asserted(edit, high))?,
            };
            outcomes.add(edit, before.label().probabilities, &after, &values);
        }
        let effect = outcomes.figures().expect("there are edits");
        Ok(OverrideEffect { method: method.into(), effect })
    };
    let mut ways = vec![("supposing", Way::Suppose)];
    if !predictions[0].model().schema().calibration.class_logits.is_empty() {
        ways.push(("logits: class means", Way::ClassMeans));
    }
    ways.extend([
        ("logits: 95th percentiles", Way::Quantile(0.95)),
        ("logits: extremes", Way::Quantile(1.0)),
        ("reading the edited text", Way::Reading),
    ]);
    ways.into_iter().map(effect).collect()
}

/// How the label's probabilities after an edit are predicted.
#[derive(Clone, Copy)]
enum Way {
    /// By supposing the edited concept.
    Suppose,
    /// By the label head, the concept's logits being the mean of those of the asserted class.
    ClassMeans,
    /// By the label head, the asserted class's logit being at this quantile and the others at the
    /// opposite one.
    Quantile(f64),
    /// By predicting the edited text.
    Reading,
}

fn supposed(prediction: &Prediction, edit: &HumanEdit) -> Result<Vec<f32>> {
    let name = &prediction.model().schema().concepts[edit.concept].name;
    let after = prediction.suppose([(name, edit.class)])?;
    Ok(after.label().probabilities.to_vec())
}

fn replaced(prediction: &Prediction, edit: &HumanEdit, logits: &[f32]) -> Result<Vec<f32>> {
    let mut changed = prediction.concept_logits().to_owned();
    changed.row_mut(edit.concept).iter_mut().zip(logits).for_each(|(to, from)| *to = *from);
    prediction.model().label_probabilities(changed.view())
}

/// The logits of every concept's classes over some texts, sorted.
struct Ranges {
    /// For each concept and class the logits of all texts.
    sorted: Vec<Vec<Vec<f32>>>,
}

impl Ranges {
    fn new(predictions: &[Prediction]) -> Ranges {
        let logits: Vec<_> = predictions.iter().map(|p| p.concept_logits()).collect();
        let schema = predictions[0].model().schema();
        let sorted = |k: usize, c: usize| {
            let mut values: Vec<f32> = logits.iter().map(|logits| logits[[k, c]]).collect();
            values.sort_by(f32::total_cmp);
            values
        };
        let of_concept =
            |k: usize| (0..schema.concepts[k].classes.len()).map(|c| sorted(k, c)).collect();
        Ranges { sorted: (0..schema.concept_count()).map(of_concept).collect() }
    }

    /// The asserted class at its quantile `high`, the others at 1 − `high`.
    fn asserted(&self, edit: &HumanEdit, high: f64) -> Vec<f32> {
        let quantile =
            |values: &[f32], q: f64| values[((values.len() - 1) as f64 * q).round() as usize];
        let class = |(c, values): (usize, &Vec<f32>)| {
            quantile(values, if c == edit.class { high } else { 1.0 - high })
        };
        self.sorted[edit.concept].iter().enumerate().map(class).collect()
    }
}
