use std::collections::HashMap;

use serde::Serialize;

use super::metrics::{argmax, mean, pearson};
use super::reviews::Review;

/// A human what-if: a review as it was written, and what became of it when a person changed what it
/// says of one concept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HumanEdit {
    /// Index of the original review.
    pub original: usize,
    /// Index of the edited review.
    pub edited: usize,
    /// The concept that was changed.
    pub concept: usize,
    /// Its right class in the edited review.
    pub class: usize,
    /// The right label of the original.
    pub label_before: usize,
    /// The right label of the edited review.
    pub label_after: usize,
}

/// The pairs of an original and an edit of it whose class of the edited concept really differs.
pub fn human_edits(reviews: &[Review]) -> Vec<HumanEdit> {
    let ids = |edited: bool| {
        let wanted = move |(_, review): &(usize, &Review)| review.edited.is_some() == edited;
        reviews.iter().enumerate().filter(wanted)
    };
    let originals: HashMap<&str, usize> = ids(false)
        .filter_map(|(index, review)| Some((review.original_id.as_deref()?, index)))
        .collect();
    let pair = |(edited, edit): (usize, &Review)| {
        let (concept, id) = (edit.edited?, edit.original_id.as_deref()?);
        let original = *originals.get(id)?;
        let before = &reviews[original];
        let class = edit.concepts[concept]?;
        (before.concepts[concept]? != class).then_some(HumanEdit {
            original,
            edited,
            concept,
            class,
            label_before: before.label,
            label_after: edit.label,
        })
    };
    ids(true).filter_map(pair).collect()
}

/// The label before and after what stands for a person's edit, beside what the edit really did.
#[derive(Debug, Clone, Default)]
pub struct EditOutcomes {
    /// Of each pair, the change of the label's mean: predicted, and real.
    changes: (Vec<f64>, Vec<f64>),
    /// Of each pair, how far the label's mean is from the edited review's label.
    errors: Vec<f64>,
    /// Of each pair, whether the label's class changed.
    moved: Vec<bool>,
    /// Of each pair, whether the label's class is that of the edited review.
    right: Vec<bool>,
}

impl EditOutcomes {
    /// Adds a pair: the label's probabilities before and after, and what each label class is worth.
    pub fn add(&mut self, edit: &HumanEdit, before: &[f32], after: &[f32], values: &[f32]) {
        let mean = |probabilities: &[f32]| -> f64 {
            values.iter().zip(probabilities).map(|(v, p)| f64::from(*v) * f64::from(*p)).sum()
        };
        let (was, is) = (f64::from(values[edit.label_before]), f64::from(values[edit.label_after]));
        self.changes.0.push(mean(after) - mean(before));
        self.changes.1.push(is - was);
        self.errors.push((mean(after) - is).abs());
        self.moved.push(argmax(before) != argmax(after));
        self.right.push(argmax(after) == edit.label_after);
    }

    /// The figures of all pairs; `None` where there is none.
    pub fn figures(&self) -> Option<EditFigures> {
        let (predicted, real) = (&self.changes.0, &self.changes.1);
        let sign = |x: f64| (x > 0.0) as i8 - (x < 0.0) as i8;
        let changed = predicted.iter().zip(real).filter(|(_, real)| **real != 0.0);
        let signs: Vec<bool> = changed.map(|(p, r)| sign(*p) == sign(*r)).collect();
        let product: f64 = predicted.iter().zip(real).map(|(p, r)| p * r).sum();
        let squares: f64 = real.iter().map(|r| r * r).sum();
        (!real.is_empty()).then(|| EditFigures {
            pairs: real.len(),
            pearson: pearson(predicted, real),
            sign_accuracy: (!signs.is_empty()).then(|| share(&signs)),
            size: (squares > 0.0).then(|| product / squares),
            mean_error: mean(self.errors.iter().copied()),
            label_moved: share(&self.moved),
            label_right: share(&self.right),
        })
    }
}

/// How well something predicts what people's edits of one concept did to the label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditFigures {
    /// Number of pairs of an original and an edit.
    pub pairs: usize,
    /// Correlation of the predicted with the real change of the label's mean; `None` where either does not vary.
    pub pearson: Option<f64>,
    /// Share of pairs with the right sign, among those that really change the label; `None` where none does.
    pub sign_accuracy: Option<f64>,
    /// Σ predicted · real / Σ real², of the changes; `None` where nothing really changes.
    pub size: Option<f64>,
    /// Mean distance of the label's mean from the edited review's label.
    pub mean_error: f64,
    /// Share of pairs whose label changes its class.
    pub label_moved: f64,
    /// Share of pairs whose label is the one that people gave the edited review.
    pub label_right: f64,
}

/// What supposing the edited concept predicts of people's edits, and what it is to be compared with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SupposeReport {
    /// Supposing.
    #[serde(flatten)]
    pub figures: EditFigures,
    /// Leaving the label as it is.
    pub no_change: EditFigures,
    /// Reading the edited review.
    pub reread: EditFigures,
}

fn share(of: &[bool]) -> f64 {
    mean(of.iter().map(|&yes| f64::from(u8::from(yes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(id: &str, edited: Option<usize>, concepts: [usize; 2], label: usize) -> Review {
        let (text, original_id) = (String::new(), Some(id.to_string()));
        let concepts = concepts.map(Some).to_vec();
        Review { text, concepts, label, edited, original_id }
    }

    #[test]
    fn pairs_are_edits_that_changed_their_concept() {
        let reviews = [
            review("a", Some(1), [0, 1], 2), // an edit of the review after it
            review("a", None, [0, 0], 4),
            review("a", Some(0), [0, 2], 3), // the edited concept stayed as it was
            review("b", Some(0), [1, 1], 0), // no original
            review("c", None, [1, 1], 0),    // no edit
        ];
        let expected = HumanEdit {
            original: 1,
            edited: 0,
            concept: 1,
            class: 1,
            label_before: 4,
            label_after: 2,
        };
        assert_eq!(human_edits(&reviews), [expected]);
    }

    #[test]
    fn figures_compare_predicted_with_real_changes() {
        let edit = |label_before, label_after| HumanEdit {
            original: 0,
            edited: 1,
            concept: 0,
            class: 0,
            label_before,
            label_after,
        };
        let mut outcomes = EditOutcomes::default();
        // From 1 to 3, where half of that is predicted; from 1 to 1, where nothing is.
        outcomes.add(&edit(0, 2), &[1.0, 0.0, 0.0], &[0.25, 0.5, 0.25], &[1.0, 2.0, 3.0]);
        outcomes.add(&edit(0, 0), &[0.75, 0.25, 0.0], &[0.75, 0.25, 0.0], &[1.0, 2.0, 3.0]);
        let expected = EditFigures {
            pairs: 2,
            pearson: Some(1.0),
            sign_accuracy: Some(1.0),
            size: Some(0.5),
            mean_error: (1.0 + 0.25) / 2.0,
            label_moved: 0.5,
            label_right: 0.5,
        };
        assert_eq!(outcomes.figures(), Some(expected));
        assert_eq!(EditOutcomes::default().figures(), None);
    }
}
