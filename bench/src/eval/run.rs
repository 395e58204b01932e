use sparsecbm::{Model, Prediction, Result};

use super::calibration::Calibration;
use super::edits::{EditOutcomes, SupposeReport, human_edits};
use super::metrics::{accuracy, macro_f1, mean, paper_macro_f1};
use super::policies::policy_curves;
use super::report::{CalibrationReport, ConceptReport, CorrectReport, Report};
use super::reviews::Review;

/// How many reviews an engine is given at once.
const BATCH: usize = 16;
/// Where the random orders begin that policies are compared with.
const SEED: u64 = 0;

/// Predicts every review, corrects it, and compares with what is right.
///
/// `progress` is told, now and then, how many reviews are done. `reviews` must not be empty, and must
/// come from [`read_reviews`](super::read_reviews) under the model's own schema.
///
/// # Errors
/// Those of [`Model::predict`].
pub fn evaluate(
    model: &Model,
    reviews: &[Review],
    mut progress: impl FnMut(usize),
) -> Result<Report> {
    let mut predictions = Vec::with_capacity(reviews.len());
    for chunk in reviews.chunks(BATCH) {
        let texts: Vec<&str> = chunk.iter().map(|review| review.text.as_str()).collect();
        predictions.extend(model.predict_batch(&texts)?);
        progress(predictions.len());
    }
    let mut notes = Vec::new();
    let schema = model.schema();
    let suppose = match schema.label.class_values() {
        Some(values) => supposed(&predictions, reviews, &values)?,
        None if human_edits(reviews).is_empty() => None,
        None => {
            notes.push("suppose is left out: the label's classes are not numbers".to_string());
            None
        }
    };
    let concepts: Vec<ConceptReport> =
        (0..schema.concept_count()).map(|k| concept_report(&predictions, reviews, k)).collect();
    let labelled: usize = concepts.iter().map(|concept| concept.labelled).sum();
    let right: f64 = concepts.iter().map(|c| c.accuracy * c.labelled as f64).sum();
    let gold: Vec<usize> = reviews.iter().map(|review| review.label).collect();
    let labels: Vec<usize> = predictions.iter().map(|p| p.label().class_index).collect();
    Ok(Report {
        reviews: reviews.len(),
        reviews_cut: predictions.iter().filter(|p| p.dropped_tokens() > 0).count(),
        concept_accuracy: right / labelled as f64,
        concept_macro_f1: mean(concepts.iter().map(|c| c.macro_f1)),
        concept_macro_f1_paper: mean(concepts.iter().map(|c| c.macro_f1_paper)),
        label_accuracy: accuracy(&labels, &gold),
        label_macro_f1: macro_f1(&labels, &gold, schema.label_count()),
        label_macro_f1_paper: paper_macro_f1(&labels, &gold, schema.label_count()),
        calibration: calibration(&predictions, reviews, &concepts),
        correct: CorrectReport {
            curve: correction_curve(&predictions, reviews)?,
            policies: policy_curves(&predictions, reviews, SEED)?,
        },
        concepts,
        suppose,
        notes,
    })
}

/// The reviews whose concept k somebody labelled: their predictions and its right class.
fn labelled<'a>(
    predictions: &'a [Prediction],
    reviews: &'a [Review],
    k: usize,
) -> impl Iterator<Item = (&'a Prediction, usize)> {
    predictions.iter().zip(reviews).filter_map(move |(p, review)| Some((p, review.concepts[k]?)))
}

fn concept_report(predictions: &[Prediction], reviews: &[Review], k: usize) -> ConceptReport {
    let concept = &predictions[0].model().schema().concepts[k];
    let class = |p: &Prediction| p.concepts().nth(k).map_or(0, |concept| concept.class_index);
    let (predicted, gold): (Vec<usize>, Vec<usize>) =
        labelled(predictions, reviews, k).map(|(p, right)| (class(p), right)).unzip();
    let classes = concept.classes.len();
    ConceptReport {
        name: concept.name.clone(),
        labelled: gold.len(),
        accuracy: accuracy(&predicted, &gold),
        macro_f1: macro_f1(&predicted, &gold, classes),
        macro_f1_paper: paper_macro_f1(&predicted, &gold, classes),
    }
}

fn calibration(
    predictions: &[Prediction],
    reviews: &[Review],
    concepts: &[ConceptReport],
) -> CalibrationReport {
    let label = predictions.iter().map(|p| p.label().probabilities);
    let of_concept = |(k, concept): (usize, &ConceptReport)| {
        let given = labelled(predictions, reviews, k)
            .filter_map(|(p, right)| Some((p.concepts().nth(k)?.probabilities, right)));
        (concept.name.clone(), Calibration::of(given))
    };
    CalibrationReport {
        label: Calibration::of(label.zip(reviews.iter().map(|review| review.label))),
        concepts: concepts.iter().enumerate().map(of_concept).collect(),
    }
}

/// `[K + 1]`: label accuracy after 0, 1, … K wrong concepts of each review are corrected, in the schema's order.
fn correction_curve(predictions: &[Prediction], reviews: &[Review]) -> Result<Vec<f64>> {
    let mut labels = vec![Vec::new(); reviews[0].concepts.len() + 1];
    for (prediction, review) in predictions.iter().zip(reviews) {
        let mut corrected = prediction.clone();
        let mut classes = vec![corrected.label().class_index];
        for (concept, right) in prediction.concepts().zip(&review.concepts) {
            if let Some(right) = right.filter(|&right| right != concept.class_index) {
                corrected = corrected.correct([(concept.name, right)])?;
                classes.push(corrected.label().class_index);
            }
        }
        // Further steps find nothing wrong any more.
        classes.resize(labels.len(), corrected.label().class_index);
        labels.iter_mut().zip(classes).for_each(|(step, class)| step.push(class));
    }
    let gold: Vec<usize> = reviews.iter().map(|review| review.label).collect();
    Ok(labels.iter().map(|labels| accuracy(labels, &gold)).collect())
}

/// What supposing predicts of people's edits; `None` where there are none.
fn supposed(
    predictions: &[Prediction],
    reviews: &[Review],
    values: &[f32],
) -> Result<Option<SupposeReport>> {
    let [mut supposed, mut unchanged, mut reread] = [(); 3].map(|()| EditOutcomes::default());
    for edit in human_edits(reviews) {
        let before = &predictions[edit.original];
        let concept = &before.model().schema().concepts[edit.concept].name;
        let after = before.suppose([(concept, edit.class)])?;
        let was = before.label().probabilities;
        supposed.add(&edit, was, after.label().probabilities, values);
        unchanged.add(&edit, was, was, values);
        reread.add(&edit, was, predictions[edit.edited].label().probabilities, values);
    }
    let all = (supposed.figures(), unchanged.figures(), reread.figures());
    let (Some(figures), Some(no_change), Some(reread)) = all else { return Ok(None) };
    Ok(Some(SupposeReport { figures, no_change, reread }))
}
