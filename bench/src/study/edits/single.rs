use std::ops::ControlFlow;
use std::time::Instant;

use serde::Serialize;
use sparsecbm::Result;
use sparsecbm::edit::{EditOutcome, EditTask};
use sparsecbm::gradients::MaskEditor;

use super::{EditStudyOptions, Known, argmax, unsigned};
use crate::study::spread;

/// What one way to correct does to concepts that are wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RuleReport {
    /// The way.
    pub rule: String,
    /// Wrong concepts.
    pub cases: usize,
    /// Share of them that are right after.
    pub recovered: f64,
    /// Median of the bits flipped, of those recovered; `None` where there are none.
    pub median_flips: Option<usize>,
    /// The number of bits that nine in ten of those recovered need at most.
    pub p90_flips: Option<usize>,
    /// The median as a share of the bits that the mask keeps, each way.
    pub median_share: Option<f64>,
    /// Share of the cases whose label is right before.
    pub label_before: f64,
    /// Share of the cases whose label is right after.
    pub label_after: f64,
    /// Median time of one correction.
    pub median_seconds: f64,
}

/// How often the signed rule, with as many bits as nine in ten wrong concepts need to become right, makes
/// right ones wrong: it is asked for the class that the model holds to be second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Control {
    /// Right concepts.
    pub cases: usize,
    /// The most bits it may flip.
    pub flips: usize,
    /// Share of the cases that it makes wrong.
    pub made_wrong: f64,
    /// Median of the bits flipped, of those.
    pub median_flips: Option<usize>,
}

/// One correction.
struct Case {
    recovered: bool,
    flips: usize,
    label_before: bool,
    label_after: bool,
    seconds: f64,
}

pub(super) fn measure(
    known: &Known,
    sample: &[usize],
    options: &EditStudyOptions,
    progress: &mut impl FnMut(&str),
) -> Result<(Vec<RuleReport>, Control)> {
    let of_sample = |right: bool| -> Vec<(usize, usize)> {
        let all = sample.iter().flat_map(|&review| known.concepts().map(move |k| (review, k)));
        all.filter(|&(review, k)| known.is_right(review, k) == right).collect()
    };
    let (wrong, right) = (of_sample(false), of_sample(true));
    let names = options.unsigned.iter().map(|share| format!("unsigned, {} %", 100.0 * share));
    let names: Vec<String> = ["signed".to_string()]
        .into_iter()
        .chain(names)
        .chain(["override instead".to_string()])
        .collect();
    let mut cases: Vec<Vec<Case>> = names.iter().map(|_| Vec::new()).collect();
    for (index, &(review, k)) in wrong.iter().enumerate() {
        progress(&format!("wrong concept {} of {}", index + 1, wrong.len()));
        let found = [vec![signed(known, review, k, options)?], others(known, review, k, options)?];
        cases.iter_mut().zip(found.into_iter().flatten()).for_each(|(all, case)| all.push(case));
    }
    let kept = kept(known)?;
    let rules: Vec<RuleReport> =
        names.into_iter().zip(&cases).map(|(name, cases)| report(name, cases, kept)).collect();
    let flips = rules[0].p90_flips.unwrap_or(0);
    let chosen = spread(right.len(), wrong.len()).into_iter().map(|index| right[index]).collect();
    let control = control(known, chosen, flips, options, progress)?;
    Ok((rules, control))
}

fn signed(known: &Known, review: usize, k: usize, options: &EditStudyOptions) -> Result<Case> {
    let schema = known.model.schema();
    let concept = &schema.concepts[k];
    let start = Instant::now();
    let mut task = EditTask::new(known.model, &concept.name)?;
    let class = &concept.classes[known.gold(review, k)];
    task.example(&known.predictions[review], class)?;
    let edit = known.gradients.edit(&task, &options.edit, |_| ControlFlow::Continue(()))?;
    let label = schema.label.class_index(&edit.examples[0].label_after)?;
    Ok(Case {
        recovered: edit.outcome == EditOutcome::Turned,
        flips: edit.flips,
        label_before: label_before(known, review),
        label_after: label == known.reviews[review].label,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The unsigned rule at each share, and an override.
fn others(known: &Known, review: usize, k: usize, options: &EditStudyOptions) -> Result<Vec<Case>> {
    let prediction = &known.predictions[review];
    let gold = known.gold(review, k);
    let name = &known.model.schema().concepts[k].name;
    let start = Instant::now();
    let editor = MaskEditor::new(known.gradients, known.model, name)?;
    let mut of_logits = prediction.concept(name)?.probabilities.to_vec();
    of_logits[gold] -= 1.0;
    let texts = [prediction.tokenized()];
    let gradients = editor.mask_gradients(&texts, &[of_logits])?;
    let mut cases = Vec::new();
    for &share in &options.unsigned {
        let (flipped, flips) = unsigned::flip(&editor, &gradients, share)?;
        let logits = flipped.logits(&texts)?.swap_remove(0);
        let mut all = prediction.concept_logits().to_owned();
        all.row_mut(k).iter_mut().zip(&logits).for_each(|(to, from)| *to = *from);
        let label = argmax(&known.model.label_probabilities(all.view())?);
        cases.push(Case {
            recovered: argmax(&logits) == gold,
            flips,
            label_before: label_before(known, review),
            label_after: label == known.reviews[review].label,
            seconds: start.elapsed().as_secs_f64(),
        });
    }
    let start = Instant::now();
    let overridden = prediction.correct([(name, gold)])?;
    cases.push(Case {
        recovered: true,
        flips: 0,
        label_before: label_before(known, review),
        label_after: overridden.label().class_index == known.reviews[review].label,
        seconds: start.elapsed().as_secs_f64(),
    });
    Ok(cases)
}

fn label_before(known: &Known, review: usize) -> bool {
    known.predictions[review].label().class_index == known.reviews[review].label
}

/// Bits that the masks keep, on average over the concepts.
fn kept(known: &Known) -> Result<f64> {
    let mut kept = 0;
    for concept in &known.model.schema().concepts {
        let editor = MaskEditor::new(known.gradients, known.model, &concept.name)?;
        kept += editor.masks().iter().map(|mask| mask.kept()).sum::<usize>();
    }
    Ok(kept as f64 / known.concepts().len() as f64)
}

fn report(rule: String, cases: &[Case], kept: f64) -> RuleReport {
    let share = |of: fn(&Case) -> bool| {
        cases.iter().filter(|case| of(case)).count() as f64 / cases.len().max(1) as f64
    };
    let recovered = cases.iter().filter(|case| case.recovered);
    let flips: Vec<usize> = sorted(recovered.map(|case| case.flips));
    let median_flips = quantile(&flips, 0.5);
    let mut seconds: Vec<f64> = cases.iter().map(|case| case.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    RuleReport {
        rule,
        cases: cases.len(),
        recovered: share(|case| case.recovered),
        median_flips,
        p90_flips: quantile(&flips, 0.9),
        median_share: median_flips.map(|flips| flips as f64 / 2.0 / kept),
        label_before: share(|case| case.label_before),
        label_after: share(|case| case.label_after),
        median_seconds: seconds.get(seconds.len() / 2).copied().unwrap_or(0.0),
    }
}

fn control(
    known: &Known,
    right: Vec<(usize, usize)>,
    flips: usize,
    options: &EditStudyOptions,
    progress: &mut impl FnMut(&str),
) -> Result<Control> {
    let mut made_wrong = Vec::new();
    for (index, &(review, k)) in right.iter().enumerate() {
        progress(&format!("right concept {} of {}", index + 1, right.len()));
        let concept = &known.model.schema().concepts[k];
        let own = known.class(review, k);
        let mut logits = known.logits(review, k);
        logits[own] = f32::NEG_INFINITY;
        let mut task = EditTask::new(known.model, &concept.name)?;
        task.example(&known.predictions[review], &concept.classes[argmax(&logits)])?;
        let edit = known.gradients.edit(&task, &options.edit, |progress| {
            // What would need more bits is not of interest.
            match progress.flips > 2 * flips {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        made_wrong.extend(
            (edit.outcome == EditOutcome::Turned && edit.flips <= flips).then_some(edit.flips),
        );
    }
    let flipped = sorted(made_wrong.into_iter());
    Ok(Control {
        cases: right.len(),
        flips,
        made_wrong: flipped.len() as f64 / right.len().max(1) as f64,
        median_flips: quantile(&flipped, 0.5),
    })
}

fn sorted(values: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut values: Vec<usize> = values.collect();
    values.sort_unstable();
    values
}

/// The smallest of the values that so large a share of them does not exceed.
fn quantile(sorted: &[usize], share: f64) -> Option<usize> {
    let nth = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(nth.saturating_sub(1)).copied()
}
