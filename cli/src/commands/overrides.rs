//! `--set CONCEPT=VALUE` and `--correct CONCEPT=VALUE`: overrides as the commands take them.

use clap::Args;
use sparsecbm::{ConceptValue, Prediction, Question, Result, Schema};

/// What is to be supposed of concepts, and what corrected.
#[derive(Args)]
pub struct OverrideArguments {
    /// Suppose that a concept is otherwise: of a class (noise=positive), or of probabilities in the order of its
    /// classes (noise=0.1,0.8,0.1). The label follows as it does when a person edits the text. May be given several
    /// times.
    #[arg(long = "set", value_name = "CONCEPT=CLASS", value_parser = parse)]
    suppose: Vec<OverrideArgument>,
    /// Correct a concept that the model misread: the text is as it is. Values as for --set. May be given several times.
    #[arg(long, value_name = "CONCEPT=CLASS", value_parser = parse)]
    correct: Vec<OverrideArgument>,
}

/// What one of these options says.
#[derive(Debug, Clone)]
pub struct OverrideArgument {
    /// The concept's name.
    pub concept: String,
    /// What is said of it, as it was written.
    pub value: String,
}

/// Overrides under a model's own names.
#[derive(Clone)]
pub struct Overrides(Vec<(Question, String, ConceptValue)>);

/// Reads the argument of one such option.
pub fn parse(argument: &str) -> std::result::Result<OverrideArgument, String> {
    let (concept, value) =
        argument.split_once('=').ok_or("expected CONCEPT=CLASS, such as noise=positive")?;
    Ok(OverrideArgument { concept: concept.trim().into(), value: value.trim().into() })
}

impl OverrideArguments {
    /// The overrides under the model's own names. A concept that is both supposed and corrected is corrected.
    pub fn read(&self, schema: &Schema) -> Result<Overrides> {
        let questions = [
            (Question::Suppose, "--set", &self.suppose),
            (Question::Correct, "--correct", &self.correct),
        ];
        let mut overrides = Vec::new();
        for (question, option, given) in questions {
            for given in given {
                let value = value(given, schema).map_err(|e| e.within(option))?;
                overrides.push((question, given.concept.clone(), value));
            }
        }
        Ok(Overrides(overrides))
    }
}

impl Overrides {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The prediction with these overrides.
    pub fn of(&self, prediction: &Prediction) -> Result<Prediction> {
        prediction.overridden(self.0.iter().cloned())
    }
}

/// The value that an override gives its concept.
pub fn value(given: &OverrideArgument, schema: &Schema) -> Result<ConceptValue> {
    let variable = &schema.concepts[schema.concept_index(&given.concept)?];
    let value = &given.value;
    let numbers: Option<Vec<f32>> = value.split(',').map(|p| p.trim().parse().ok()).collect();
    Ok(match numbers {
        // A class may be called anything, so its name comes first.
        Some(numbers) if numbers.len() > 1 && variable.class_index(value).is_err() => {
            numbers.into()
        }
        _ => value.into(),
    })
}
