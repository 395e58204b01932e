//! Integrated gradients (Sundararajan, Taly, Yan, *Axiomatic Attribution for Deep Networks*, ICML 2017) on the
//! embeddings of the words.

mod quadrature;

use std::ops::ControlFlow;

use serde::Serialize;

use self::quadrature::gauss_legendre;
use super::occlusion::Progress;
use super::words::{Word, support};
use crate::engine::Sequence;
use crate::error::{Error, ErrorKind, Result};
use crate::gradients::{Gradients, MaskEditor, Point};
use crate::pauses::{at_once, without_pauses};
use crate::prediction::Prediction;

/// How integrated gradients are computed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IntegratedOptions {
    /// The gradients of the prediction's model.
    pub gradients: Gradients,
    /// Points between baseline and text at which the gradient is taken, for each class of each concept:
    /// those of the Gauss-Legendre rule. The convergence error says whether they were enough.
    pub steps: usize,
    /// The token id that stands for each token of the text in the baseline, whose special tokens stay as
    /// they are. `None`: as in [`OcclusionOptions`](super::OcclusionOptions).
    pub baseline: Option<u32>,
}

impl IntegratedOptions {
    /// Fifty steps from the usual baseline.
    pub fn new(gradients: &Gradients) -> IntegratedOptions {
        IntegratedOptions { gradients: gradients.clone(), steps: 50, baseline: None }
    }
}

/// What each word adds to each concept logit on the way from a text without words to the text.
///
/// For each concept and class the sum over the words, plus `special`, plus `baseline`, is the logit, but for
/// `convergence_error`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IntegratedGradients {
    /// The W words that the model read, in the order of the text.
    pub words: Vec<Word>,
    /// The piece that stands for each token of the text in the baseline.
    pub baseline_piece: String,
    /// How many points the gradient was taken at.
    pub steps: usize,
    /// Whether every concept was done; else those at the end are missing.
    pub complete: bool,
    /// One entry a concept, in the schema's order.
    pub concepts: Vec<ConceptAttribution>,
}

/// What each word adds to one concept's logits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConceptAttribution {
    /// The concept's name.
    pub name: String,
    /// `[C]`: its class names.
    pub classes: Vec<String>,
    /// `[C][W]`
    pub attributions: Vec<Vec<f32>>,
    /// `[C][S]`: the same of each position (token), special ones included.
    pub positions: Vec<Vec<f32>>,
    /// `[C]`: what the positions outside all words add.
    pub special: Vec<f32>,
    /// `[C]`: the logits of the baseline.
    pub baseline: Vec<f32>,
    /// `[C]`: how far the attributions' sum is from what text and baseline differ by.
    pub convergence_error: Vec<f32>,
}

impl ConceptAttribution {
    /// `[W]`: how much each word speaks for `class` rather than for the others.
    pub fn support(&self, class: usize) -> Vec<f32> {
        support(&self.attributions, class)
    }
}

impl Prediction {
    /// Integrates the gradient of each concept logit over the way from a text without words to the text.
    ///
    /// `progress` is called after each class of each concept; where it breaks, the result holds the
    /// concepts done so far.
    ///
    /// # Errors
    /// `Input` where the gradients are another model's, there are no steps or the vocabulary lacks the
    /// baseline's token; `Engine` where the engine fails.
    pub fn integrated_gradients(
        &self,
        options: &IntegratedOptions,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<IntegratedGradients> {
        without_pauses(self.integrated_gradients_with_pauses(options, at_once(progress)))
    }

    /// As [`Prediction::integrated_gradients`], where `progress` may wait: see [`Gradients::edit_with_pauses`].
    ///
    /// # Errors
    /// As [`Prediction::integrated_gradients`].
    pub async fn integrated_gradients_with_pauses(
        &self,
        options: &IntegratedOptions,
        mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<IntegratedGradients> {
        if options.steps == 0 {
            let place = "steps of integrated gradients";
            return Err(Error::new(ErrorKind::Input, place, "0", "1 or more"));
        }
        let baseline = self.replacement(options.baseline)?;
        let schema = self.model().schema();
        let concepts = schema.concept_count();
        let total = schema.concepts.iter().map(|concept| concept.classes.len()).sum();
        let path = Path { prediction: self, options, baseline: self.without_words(baseline) };
        let mut found = Vec::with_capacity(concepts);
        let mut go_on = ControlFlow::Continue(());
        let mut done = 0;
        for k in 0..concepts {
            let tell = async || {
                done += 1;
                go_on = progress(Progress { done, total }).await;
                go_on
            };
            found.extend(path.concept(k, tell).await?);
            if go_on.is_break() {
                break;
            }
        }
        Ok(IntegratedGradients {
            words: self.words(),
            baseline_piece: self.model().tokenize_ids(&[baseline])?.tokens.swap_remove(0).piece,
            steps: options.steps,
            complete: found.len() == concepts,
            concepts: found,
        })
    }

    /// The input with every token replaced that is not a special one.
    fn without_words(&self, replacement: u32) -> Vec<i64> {
        let given = self.text().is_none();
        let special = |token: &crate::Token| match given {
            true => self.model().is_special(token.id),
            false => token.span.is_none(),
        };
        let id = |token: &crate::Token| if special(token) { token.id } else { replacement };
        self.tokens().iter().map(|token| id(token).into()).collect()
    }
}

/// The way from a baseline to a prediction's text.
struct Path<'a> {
    prediction: &'a Prediction,
    options: &'a IntegratedOptions,
    baseline: Vec<i64>,
}

impl Path<'_> {
    /// `None` where `go_on` ended it.
    async fn concept(
        &self,
        k: usize,
        mut go_on: impl AsyncFnMut() -> ControlFlow<()>,
    ) -> Result<Option<ConceptAttribution>> {
        let model = self.prediction.model();
        let variable = &model.schema().concepts[k];
        let gradients = &self.options.gradients;
        let editor = MaskEditor::new(gradients, model, &variable.name)?;
        let ends =
            gradients.file().logits(k, editor.masks(), &[self.point(0.0), self.point(1.0)])?;
        let words = self.prediction.words();
        let mut concept = ConceptAttribution {
            name: variable.name.clone(),
            classes: variable.classes.clone(),
            attributions: Vec::new(),
            positions: Vec::new(),
            special: Vec::new(),
            baseline: ends[0][..variable.classes.len()].to_vec(),
            convergence_error: Vec::new(),
        };
        let both = ends[0].iter().zip(&ends[1]).take(variable.classes.len());
        let changes: Vec<f64> = both.map(|(from, to)| f64::from(*to) - f64::from(*from)).collect();
        for (class, change) in changes.into_iter().enumerate() {
            let positions = self.positions(k, &editor, class)?;
            let sum: f64 = positions.iter().sum();
            let of_word = |word: &Word| positions[word.positions.clone()].iter().sum::<f64>();
            let by_word: Vec<f64> = words.iter().map(of_word).collect();
            concept.special.push((sum - by_word.iter().sum::<f64>()) as f32);
            concept.convergence_error.push((sum - change).abs() as f32);
            concept.attributions.push(by_word.into_iter().map(|value| value as f32).collect());
            concept.positions.push(positions.into_iter().map(|value| value as f32).collect());
            let last = class + 1 == variable.classes.len();
            if go_on().await.is_break() && !last {
                return Ok(None);
            }
        }
        Ok(Some(concept))
    }

    /// `[S]`: the integral of one logit's gradient, for each position.
    fn positions(&self, k: usize, editor: &MaskEditor, class: usize) -> Result<Vec<f64>> {
        let rule = gauss_legendre(self.options.steps);
        let points: Vec<Point> = rule.iter().map(|(alpha, _)| self.point(*alpha as f32)).collect();
        let classes = self.prediction.model().schema().class_count();
        let one: Vec<f32> = (0..classes).map(|c| f32::from(u8::from(c == class))).collect();
        let of_logits = vec![one; points.len()];
        let file = self.options.gradients.file();
        let found = file.embedding_gradients(k, editor.masks(), &points, &of_logits)?;
        let length = self.prediction.tokens().len();
        let mut positions = vec![0.0; length];
        for ((_, weight), found) in rule.iter().zip(&found) {
            let size = found.gradient.len() / points[0].ids.len();
            let rows = found.gradient.chunks(size).zip(found.change.chunks(size));
            for (sum, (gradient, change)) in positions.iter_mut().zip(rows) {
                let products = gradient.iter().zip(change);
                *sum += weight * products.map(|(g, x)| f64::from(g * x)).sum::<f64>();
            }
        }
        Ok(positions)
    }

    fn point(&self, alpha: f32) -> Point {
        let ids = self.prediction.tokens().iter().map(|token| token.id.into()).collect();
        let Sequence { ids, attended } = self.prediction.model().sequence(ids);
        let mut baseline = self.baseline.clone();
        baseline.extend_from_slice(&ids[baseline.len()..]);
        Point { ids, attended, baseline, alpha }
    }
}
