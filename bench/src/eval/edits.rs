use std::collections::HashMap;

use serde::Serialize;

use super::metrics::{mean, pearson};
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
        let class = edit.concepts[concept];
        (before.concepts[concept] != class).then_some(HumanEdit {
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

/// How well an override foretells what a person's edit of that concept did to the label's value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditEffect {
    /// Correlation of the predicted with the real change, over all pairs; `None` where either does
    /// not vary.
    pub pearson: Option<f64>,
    /// Share of pairs with the right sign, among those that really change the label; `None` where
    /// none does.
    pub sign_accuracy: Option<f64>,
    /// Number of pairs of an original and an edit.
    pub pairs: usize,
    /// How many of them really change the label.
    pub changed_pairs: usize,
}

impl EditEffect {
    /// Compares predicted with real changes of the label's value, one of each a pair.
    pub fn new(predicted: &[f64], real: &[f64]) -> EditEffect {
        let sign = |x: f64| (x > 0.0) as i8 - (x < 0.0) as i8;
        let changed = predicted.iter().zip(real).filter(|(_, real)| **real != 0.0);
        let right: Vec<f64> =
            changed.map(|(p, r)| f64::from(u8::from(sign(*p) == sign(*r)))).collect();
        EditEffect {
            pearson: pearson(predicted, real),
            sign_accuracy: (!right.is_empty()).then(|| mean(right.iter().copied())),
            pairs: real.len(),
            changed_pairs: right.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(id: &str, edited: Option<usize>, concepts: [usize; 2], label: usize) -> Review {
        let (text, original_id) = (String::new(), Some(id.to_string()));
        Review { text, concepts: concepts.to_vec(), label, edited, original_id }
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
    fn signs_count_where_the_label_changes() {
        let effect = EditEffect::new(&[0.5, -0.1, 0.2, 0.0], &[1.0, 0.0, -1.0, 2.0]);
        assert_eq!((effect.pairs, effect.changed_pairs), (4, 3));
        // Only the first has the right sign: no change predicted is not a rise.
        assert_eq!(effect.sign_accuracy, Some(1.0 / 3.0));
        assert_eq!(EditEffect::new(&[0.1, 0.2], &[0.0, 0.0]).sign_accuracy, None);
        assert_eq!(EditEffect::new(&[0.1, 0.2], &[0.0, 0.0]).pearson, None);
    }
}
