use crate::error::{Error, ErrorKind, Result};
use crate::model::Model;
use crate::prediction::Prediction;

/// What an edit of one concept's mask is to bring about: classes of examples that are to change, and texts
/// whose class is to stay.
#[derive(Debug, Clone)]
pub struct EditTask {
    pub(super) model: Model,
    pub(super) concept: usize,
    pub(super) examples: Vec<(Prediction, usize)>,
    pub(super) guards: Vec<Prediction>,
}

impl EditTask {
    /// A task for `concept` of `model`, with nothing to do yet. Where the model has patches, the edit comes
    /// on top of them.
    ///
    /// # Errors
    /// `Input` where the model has no such concept.
    pub fn new(model: &Model, concept: &str) -> Result<EditTask> {
        let concept = model.schema().concept_index(concept)?;
        Ok(EditTask { model: model.clone(), concept, examples: Vec::new(), guards: Vec::new() })
    }

    /// Adds a text whose concept is to be of `class`.
    ///
    /// # Errors
    /// `Input` where the concept has no such class, or the prediction is of another model.
    pub fn example(&mut self, prediction: &Prediction, class: &str) -> Result<()> {
        let class = self.model.schema().concepts[self.concept].class_index(class)?;
        self.check(prediction)?;
        self.examples.push((prediction.clone(), class));
        Ok(())
    }

    /// Adds a text whose concept is to stay of the class that the model reads.
    ///
    /// # Errors
    /// `Input` where the prediction is of another model.
    pub fn guard(&mut self, prediction: &Prediction) -> Result<()> {
        self.check(prediction)?;
        self.guards.push(prediction.clone());
        Ok(())
    }

    fn check(&self, prediction: &Prediction) -> Result<()> {
        match prediction.model().is(&self.model) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Input,
                "prediction",
                "one of another model, or of one with other patches",
                "one of the model that is to be edited",
            )),
        }
    }
}
