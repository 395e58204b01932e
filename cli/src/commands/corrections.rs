//! `--set CONCEPT=VALUE`: overrides as the commands take them.

use sparsecbm::{ConceptValue, Result, Schema};

/// What a `--set` says.
#[derive(Debug, Clone)]
pub struct Correction {
    /// The concept's name.
    pub concept: String,
    /// What is said of it, as it was written.
    pub value: String,
}

/// Reads the argument of one `--set`.
pub fn parse(argument: &str) -> std::result::Result<Correction, String> {
    let (concept, value) =
        argument.split_once('=').ok_or("expected CONCEPT=CLASS, such as noise=positive")?;
    Ok(Correction { concept: concept.trim().into(), value: value.trim().into() })
}

/// The corrections under the model's own names.
pub fn overrides(
    corrections: &[Correction],
    schema: &Schema,
) -> Result<Vec<(String, ConceptValue)>> {
    let value = |Correction { concept, value }: &Correction| -> Result<_> {
        let variable = &schema.concepts[schema.concept_index(concept)?];
        let numbers: Option<Vec<f32>> = value.split(',').map(|p| p.trim().parse().ok()).collect();
        let given: ConceptValue = match numbers {
            // A class may be called anything, so its name comes first.
            Some(numbers) if numbers.len() > 1 && variable.class_index(value).is_err() => {
                numbers.into()
            }
            _ => value.into(),
        };
        Ok((concept.clone(), given))
    };
    corrections.iter().map(|c| value(c).map_err(|e| e.within("--set"))).collect()
}
