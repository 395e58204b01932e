//! Why a model says what it says, at three levels: concepts, words, subnetworks. Forward passes only, so
//! every engine can; but for integrated gradients, which need the file of gradients.
//! `docs/guide/explain.md` tells what each number means and how to read it.

mod contributions;
mod counterfactual;
mod faithfulness;
mod integrated;
mod occlusion;
mod phrases;
mod reasons;
mod subnetworks;
mod suggest;
mod words;

use std::ops::ControlFlow;

use serde::Serialize;

pub use contributions::{ConceptContribution, Contributions};
pub use counterfactual::{ConceptChange, Counterfactual, Outcome, WhatIf};
pub use faithfulness::{Faithfulness, FaithfulnessOptions};
pub use integrated::{ConceptAttribution, IntegratedGradients, IntegratedOptions};
pub use occlusion::{ConceptOcclusion, Occlusion, OcclusionOptions, Progress};
pub use reasons::{LabelChange, Phrase, Reason};
pub use subnetworks::{
    LayerSubnetworks, Loss, Responsibility, SubnetworkReport, Subnetworks, SwitchedOff, Units,
};
pub use suggest::{Policy, SuggestOptions, Suggestion};
pub use words::{ConceptEvidence, Word, WordEvidence, combined, descending};

use crate::error::Result;
use crate::pauses::{at_once, without_pauses};
use crate::prediction::Prediction;

/// What an explanation is to hold beyond what is free.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExplainOptions {
    /// How concepts are ranked by what is gained from asking a person about them.
    pub suggest: SuggestOptions,
    /// Whether words are masked out one at a time, and how: one run of the model a word.
    pub occlusion: Option<OcclusionOptions>,
    /// Whether the gradient is integrated over the way to the text, and how: many runs of the gradient graph.
    pub integrated: Option<IntegratedOptions>,
    /// Whether the orders of words that evidence and occlusion give are put to the test, and how.
    pub faithfulness: Option<FaithfulnessOptions>,
}

/// Why a model says what it says of one text: every part is also a function of [`Prediction`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The text; `None` where token ids were given.
    pub text: Option<String>,
    /// What each concept adds to each label logit.
    pub contributions: Contributions,
    /// For each concept, the label if it were of each class.
    pub what_if: Vec<WhatIf>,
    /// The smallest set of concept changes that gives another label; `None` where none does.
    pub counterfactual: Option<Counterfactual>,
    /// Which concept to ask a person about, best first; overridden concepts are left out.
    pub suggestions: Vec<Suggestion>,
    /// For each concept the few phrases that matter, by occlusion where it was asked for, else by evidence: what to
    /// show first.
    pub reasons: Vec<Reason>,
    /// What each word adds to each concept logit.
    pub evidence: WordEvidence,
    /// What the model loses with each word, where asked for.
    pub occlusion: Option<Occlusion>,
    /// What each word adds by the integral of its gradient, where asked for.
    pub integrated: Option<IntegratedGradients>,
    /// How well the words with the most support for each concept's class are the words that matter, by
    /// evidence and, where they were computed for all words, by occlusion and integrated gradients; empty
    /// where not asked for.
    pub faithfulness: Vec<Faithfulness>,
}

impl Prediction {
    /// Explains the prediction, with the overrides that it has.
    ///
    /// ```no_run
    /// # fn main() -> sparsecbm::Result<()> {
    /// # let model = sparsecbm::Model::load("model.onnx", &Default::default())?;
    /// let prediction = model.predict("Good food, but so loud we had to shout.")?;
    /// let explanation = prediction.explain(&Default::default())?;
    /// let label = prediction.label().class_index;
    /// for concept in &explanation.contributions.concepts {
    ///     println!("{}: {:+.2}", concept.name, concept.label_logits[label]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Input` where the options name a concept that the model does not have; `Engine` where the
    /// engine fails.
    pub fn explain(&self, options: &ExplainOptions) -> Result<Explanation> {
        self.explain_with_progress(options, |_| ControlFlow::Continue(()))
    }

    /// As [`Prediction::explain`]; `progress` hears of occlusion, then of its reasons, then of integrated gradients,
    /// and may end each early: see [`Prediction::occlusion`], [`Prediction::reasons`] and
    /// [`Prediction::integrated_gradients`].
    ///
    /// # Errors
    /// As [`Prediction::explain`].
    pub fn explain_with_progress(
        &self,
        options: &ExplainOptions,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation> {
        without_pauses(self.explain_with_pauses(options, at_once(progress)))
    }

    /// As [`Prediction::explain_with_progress`], where `progress` may wait: see
    /// [`Gradients::edit_with_pauses`](crate::Gradients::edit_with_pauses).
    ///
    /// # Errors
    /// As [`Prediction::explain`].
    pub async fn explain_with_pauses(
        &self,
        options: &ExplainOptions,
        mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation> {
        let evidence = self.word_evidence();
        let occlusion = match &options.occlusion {
            Some(options) => Some(self.occlusion_with_pauses(options, &mut progress).await?),
            None => None,
        };
        let reasons =
            self.reasons_with_pauses(&evidence, occlusion.as_ref(), &mut progress).await?;
        let integrated = match &options.integrated {
            Some(options) => {
                Some(self.integrated_gradients_with_pauses(options, &mut progress).await?)
            }
            None => None,
        };
        let faithfulness = match &options.faithfulness {
            Some(options) => {
                self.judge(&evidence, occlusion.as_ref(), integrated.as_ref(), options)?
            }
            None => Vec::new(),
        };
        let what_if = self.what_if();
        Ok(Explanation {
            text: self.text().map(str::to_string),
            contributions: self.contributions(),
            counterfactual: self.counterfactual_among(&what_if),
            what_if,
            suggestions: self.suggest_interventions(&options.suggest)?,
            reasons,
            evidence,
            occlusion,
            integrated,
            faithfulness,
        })
    }

    fn judge(
        &self,
        evidence: &WordEvidence,
        occlusion: Option<&Occlusion>,
        integrated: Option<&IntegratedGradients>,
        options: &FaithfulnessOptions,
    ) -> Result<Vec<Faithfulness>> {
        let occlusion = occlusion.filter(|occlusion| occlusion.complete);
        let integrated = integrated.filter(|integrated| integrated.complete);
        let mut all = Vec::new();
        for (k, concept) in evidence.concepts.iter().enumerate() {
            let class = self.own_class(k);
            let order = descending(&concept.support(class));
            all.push(self.faithfulness(&concept.name, "evidence", &order, options)?);
            if let Some(occlusion) = occlusion {
                let order = descending(&occlusion.concepts[k].support(class));
                all.push(self.faithfulness(&concept.name, "occlusion", &order, options)?);
            }
            if let Some(integrated) = integrated {
                let order = descending(&integrated.concepts[k].support(class));
                all.push(self.faithfulness(&concept.name, "integrated", &order, options)?);
            }
        }
        Ok(all)
    }
}
