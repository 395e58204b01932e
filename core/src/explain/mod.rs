//! Why a model says what it says, at three levels: concepts, words, subnetworks. Forward passes only, so
//! every engine can. `docs/explanations.md` tells what each number means and how to read it.

mod contributions;
mod counterfactual;
mod heads;
mod suggest;
mod words;

use serde::Serialize;

pub use contributions::{ConceptContribution, Contributions};
pub use counterfactual::{ConceptChange, Counterfactual, Outcome, WhatIf};
pub(crate) use heads::Heads;
pub use suggest::{Policy, SuggestOptions, Suggestion};
pub use words::{ConceptEvidence, Word, WordEvidence};

use crate::{Prediction, Result};

/// What an explanation is to hold beyond what is free.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExplainOptions {
    /// How concepts are ranked by what is gained from asking a person about them.
    pub suggest: SuggestOptions,
}

/// Why a model says what it says of one text: every part is also a function of [`Prediction`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The text; `None` where token ids were given.
    pub text: Option<String>,
    /// What each concept adds to each label logit.
    pub contributions: Contributions,
    /// For each concept, the label under every class.
    pub what_if: Vec<WhatIf>,
    /// The smallest set of concept changes that gives another label; `None` where none does.
    pub counterfactual: Option<Counterfactual>,
    /// Which concept to ask a person about, best first; overridden concepts are left out.
    pub suggestions: Vec<Suggestion>,
    /// What each word adds to each concept logit.
    pub evidence: WordEvidence,
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
        Ok(Explanation {
            text: self.text().map(str::to_string),
            contributions: self.contributions(),
            what_if: self.what_if()?,
            counterfactual: self.counterfactual()?,
            suggestions: self.suggest_interventions(&options.suggest)?,
            evidence: self.word_evidence(),
        })
    }
}
