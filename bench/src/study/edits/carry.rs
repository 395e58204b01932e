use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Serialize;
use sparsecbm::Result;
use sparsecbm::edit::{EditOutcome, EditTask};

use super::{EditStudyOptions, Known, argmax};
use crate::study::{predict, spread};

/// Of what an edit is made that is to serve other reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// Reviews whose concept is wrong, and is corrected.
    pub examples: usize,
    /// Reviews whose concept is right, and is to stay.
    pub guards: usize,
}

/// What edits of one recipe do to reviews that they were not made for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CarryOver {
    /// How they were made.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// How many edits.
    pub edits: usize,
    /// Share of them that turned all examples and left all guards.
    pub turned: f64,
    /// Bits flipped, on average.
    pub flips: f64,
    /// Of the other reviews whose concept is wrong: share that is right after, on average over edits.
    pub repaired: f64,
    /// Of the other reviews whose concept is right: share that is wrong after.
    pub broken: f64,
    /// Change of the concept's accuracy on the other reviews.
    pub concept_accuracy: f64,
    /// Change of the label's accuracy on the other reviews.
    pub label_accuracy: f64,
    /// Share of the edits that repair more than they break.
    pub more_repaired: f64,
}

/// Makes edits of half of the reviews and measures them on the other half, of which no review has its
/// original in the first; gives how many of that are used, too.
pub(super) fn measure(
    known: &Known,
    options: &EditStudyOptions,
    progress: &mut impl FnMut(&str),
) -> Result<(usize, Vec<CarryOver>)> {
    let (sources, others) = halves(known);
    let others: Vec<usize> =
        spread(others.len(), options.others).into_iter().map(|index| others[index]).collect();
    let mut found = Vec::new();
    for recipe in &options.recipes {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let mut effects = Vec::new();
        for k in known.concepts() {
            let of_sources = |right: bool| -> Vec<usize> {
                let all = sources.iter().copied();
                all.filter(|&review| known.is_right(review, k) == right).collect()
            };
            let (mut wrong, mut right) = (of_sources(false), of_sources(true));
            random.shuffle(&mut wrong);
            for examples in wrong.chunks_exact(recipe.examples).take(options.draws) {
                progress(&format!("{recipe:?}: edit {}", effects.len() + 1));
                random.shuffle(&mut right);
                let guards = &right[..recipe.guards.min(right.len())];
                effects.push(effect(known, k, [examples, guards], &others, options)?);
            }
        }
        found.extend((!effects.is_empty()).then(|| summary(*recipe, &effects)));
    }
    Ok((others.len(), found))
}

/// Every other original, with its edits; reviews without an original are originals of their own.
fn halves(known: &Known) -> (Vec<usize>, Vec<usize>) {
    let mut originals: HashMap<String, usize> = HashMap::new();
    let mut halves = (Vec::new(), Vec::new());
    for (index, review) in known.reviews.iter().enumerate() {
        let id = review.original_id.clone().unwrap_or_else(|| format!("review {index}"));
        let next = originals.len();
        let half = if originals.entry(id).or_insert(next).is_multiple_of(2) {
            &mut halves.0
        } else {
            &mut halves.1
        };
        half.push(index);
    }
    halves
}

/// What one edit does.
struct Effect {
    turned: bool,
    flips: usize,
    wrong: usize,
    repaired: usize,
    right: usize,
    broken: usize,
    /// Labels that are right after, less those that were before.
    labels: i64,
}

fn effect(
    known: &Known,
    k: usize,
    [examples, guards]: [&[usize]; 2],
    others: &[usize],
    options: &EditStudyOptions,
) -> Result<Effect> {
    let concept = &known.model.schema().concepts[k];
    let mut task = EditTask::new(known.model, &concept.name)?;
    for &review in examples {
        let class = &concept.classes[known.gold(review, k)];
        task.example(&known.predictions[review], class)?;
    }
    for &review in guards {
        task.guard(&known.predictions[review])?;
    }
    let edit = known.gradients.edit(&task, &options.edit, |_| ControlFlow::Continue(()))?;
    let turned = edit.outcome == EditOutcome::Turned;
    let flips = edit.flips;
    let edited = known.model.with_patches(&[edit.patch])?;
    let reviews: Vec<_> = others.iter().map(|&index| known.reviews[index].clone()).collect();
    let mut effect =
        Effect { turned, flips, wrong: 0, repaired: 0, right: 0, broken: 0, labels: 0 };
    for (after, &index) in predict(&edited, &reviews)?.iter().zip(others) {
        let review = &known.reviews[index];
        let right = argmax(&after.concept_logits().row(k).to_vec()) == known.gold(index, k);
        if known.is_right(index, k) {
            effect.right += 1;
            effect.broken += usize::from(!right);
        } else {
            effect.wrong += 1;
            effect.repaired += usize::from(right);
        }
        let label = |class: usize| i64::from(class == review.label);
        effect.labels +=
            label(after.label().class_index) - label(known.predictions[index].label().class_index);
    }
    Ok(effect)
}

fn summary(recipe: Recipe, effects: &[Effect]) -> CarryOver {
    let mean =
        |of: &dyn Fn(&Effect) -> f64| effects.iter().map(of).sum::<f64>() / effects.len() as f64;
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let all = |effect: &Effect| (effect.wrong + effect.right).max(1) as f64;
    CarryOver {
        recipe,
        edits: effects.len(),
        turned: mean(&|effect| f64::from(u8::from(effect.turned))),
        flips: mean(&|effect| effect.flips as f64),
        repaired: mean(&|effect| share(effect.repaired, effect.wrong)),
        broken: mean(&|effect| share(effect.broken, effect.right)),
        concept_accuracy: mean(&|effect| {
            (effect.repaired as f64 - effect.broken as f64) / all(effect)
        }),
        label_accuracy: mean(&|effect| effect.labels as f64 / all(effect)),
        more_repaired: mean(&|effect| f64::from(u8::from(effect.repaired > effect.broken))),
    }
}
