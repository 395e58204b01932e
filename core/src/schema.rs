//! What a model means: concepts, label, semantics, calibration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Major version of the schema, and of the exported file, that this crate reads.
pub const FORMAT_MAJOR: u32 = 1;

/// The largest `max_length`: far above any text model's, and low enough that a broken file cannot ask for more
/// memory than there is.
const LONGEST: usize = 1 << 16;

/// What a model's concepts and label mean, and how it is to be used: `sparsecbm.json` in a checkpoint,
/// `sparsecbm.schema` in an exported file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Schema {
    /// `major.minor`; see [`FORMAT_MAJOR`].
    pub version: String,
    /// The K concepts, in order.
    pub concepts: Vec<Variable>,
    /// The label.
    pub label: Variable,
    /// Which subnetwork each concept's logits come from.
    pub semantics: Semantics,
    /// How positions are averaged.
    pub pooling: Pooling,
    /// The most positions (tokens, special ones included); longer text is cut on the right.
    pub max_length: usize,
    /// What an override does to the label.
    pub intervention: InterventionKind,
    /// Where a data file holds texts, concepts and labels.
    pub data_fields: DataFields,
    /// Numbers measured on training examples.
    pub calibration: Calibration,
    /// Recipe and metrics: carried along, never interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<serde_json::Value>,
}

/// A concept or the label: a name and its classes in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The name, unique among the concepts.
    pub name: String,
    /// The class names, unique within the variable.
    pub classes: Vec<String>,
}

impl Variable {
    /// The index of the class called `name`.
    ///
    /// # Errors
    /// `Input` where no class has that name.
    pub fn class_index(&self, name: &str) -> Result<usize> {
        self.classes.iter().position(|class| class == name).ok_or_else(|| {
            Error::new(
                ErrorKind::Input,
                format!("class of '{}'", self.name),
                format!("'{name}'"),
                format!("one of {}", list(&self.classes)),
            )
        })
    }

    /// The classes as numbers, where every class name is one (stars).
    pub fn class_values(&self) -> Option<Vec<f32>> {
        self.classes.iter().map(|class| class.parse().ok()).collect()
    }
}

/// Which subnetwork each concept's logits come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Semantics {
    /// Concept k's logits come from the backbone under mask k.
    AsIntended,
    /// Every concept's logits come from the backbone under mask 0.
    AsExecuted,
}

/// How positions are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Over the positions whose attention mask is 1.
    MaskedMean,
    /// Over all positions of an input padded to the schema's `max_length`.
    PaddedMean,
}

/// What an override does to the label; `docs/checkpoint.md` has the formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterventionKind {
    /// The change of concept probabilities goes through the effect head.
    Effect,
    /// The overridden concept's logits are replaced by calibrated ones.
    Replace,
}

/// Where a data file (JSON lines) holds things: names of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFields {
    /// The text.
    pub text: String,
    /// For each concept's name, the field that holds its class.
    pub concepts: BTreeMap<String, String>,
    /// The label's class.
    pub label: String,
    /// The concept that a person changed in this text; null for an original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<String>,
    /// What an original and its edits share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_id: Option<String>,
}

/// Numbers measured on training examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Calibration {
    /// Label logits are divided by it; above 0.
    pub temperature: f32,
    /// `[K][C][C]`: concept k's mean logits over examples whose concept k really has class j.
    pub class_logits: Vec<Vec<Vec<f32>>>,
    /// `[K][C]`: mean concept logits, the baseline of explanations.
    pub mean_concept_logits: Vec<Vec<f32>>,
    /// `[K][C]`: mean concept probabilities.
    pub mean_concept_probabilities: Vec<Vec<f32>>,
}

impl Schema {
    /// Reads a schema from JSON and checks it. `place` is named in errors.
    ///
    /// # Errors
    /// `Format` for broken JSON or a missing field, `Version` for a newer major version, `Model` where
    /// its parts contradict each other.
    pub fn from_json(json: &[u8], place: &str) -> Result<Schema> {
        #[derive(Deserialize)]
        struct Versioned {
            version: String,
        }
        // The version is read first: the rest of a newer file may not parse.
        let versioned: Versioned = serde_json::from_slice(json).map_err(|e| broken(e, place))?;
        check_version(&versioned.version, &format!("{place}: version"))?;
        let schema: Schema = serde_json::from_slice(json).map_err(|e| broken(e, place))?;
        schema.check().map_err(|e| e.within(place))?;
        Ok(schema)
    }

    /// K, the number of concepts.
    pub fn concept_count(&self) -> usize {
        self.concepts.len()
    }

    /// C, the number of classes of each concept.
    pub fn class_count(&self) -> usize {
        self.concepts[0].classes.len()
    }

    /// L, the number of classes of the label.
    pub fn label_count(&self) -> usize {
        self.label.classes.len()
    }

    /// The mask that concept k's logits come from.
    pub fn mask_of(&self, k: usize) -> usize {
        match self.semantics {
            Semantics::AsIntended => k,
            Semantics::AsExecuted => 0,
        }
    }

    /// The index of the concept called `name`.
    ///
    /// # Errors
    /// `Input` where no concept has that name.
    pub fn concept_index(&self, name: &str) -> Result<usize> {
        self.concepts.iter().position(|concept| concept.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.concepts.iter().map(|c| c.name.as_str()).collect();
            Error::new(
                ErrorKind::Input,
                "concept",
                format!("'{name}'"),
                format!("one of {}", list(&names)),
            )
        })
    }

    fn check(&self) -> Result<()> {
        let wrong = |place: &str, found: String, expected: String| {
            Err(Error::new(ErrorKind::Model, place, found, expected))
        };
        if self.concepts.is_empty() {
            return wrong("concepts", "none".into(), "at least one".into());
        }
        let count = self.class_count();
        for variable in self.concepts.iter().chain([&self.label]) {
            let place = format!("'{}': classes", variable.name);
            if variable.classes.len() < 2 {
                return wrong(&place, variable.classes.len().to_string(), "at least 2".into());
            }
            if let Some(twice) = first_duplicate(&variable.classes) {
                return wrong(&place, format!("'{twice}' twice"), "unique names".into());
            }
        }
        if let Some(other) = self.concepts.iter().find(|c| c.classes.len() != count) {
            let place = format!("concept '{}': classes", other.name);
            return wrong(
                &place,
                other.classes.len().to_string(),
                format!("{count}, as the first concept has"),
            );
        }
        let names: Vec<&str> = self.concepts.iter().map(|c| c.name.as_str()).collect();
        if let Some(twice) = first_duplicate(&names) {
            return wrong("concepts", format!("'{twice}' twice"), "unique names".into());
        }
        if !(2..=LONGEST).contains(&self.max_length) {
            return wrong("max_length", self.max_length.to_string(), format!("2 to {LONGEST}"));
        }
        for concept in &self.concepts {
            if !self.data_fields.concepts.contains_key(&concept.name) {
                let place = format!("data_fields: concepts: {}", concept.name);
                return wrong(&place, "nothing".into(), "the name of a field".into());
            }
        }
        self.check_calibration()
    }

    fn check_calibration(&self) -> Result<()> {
        let (k, c) = (self.concept_count(), self.class_count());
        let calibration = &self.calibration;
        let wrong = |field: &str, found: String, expected: String| {
            Err(Error::new(ErrorKind::Model, format!("calibration: {field}"), found, expected))
        };
        if !(calibration.temperature.is_finite() && calibration.temperature > 0.0) {
            return wrong(
                "temperature",
                calibration.temperature.to_string(),
                "a number above 0".into(),
            );
        }
        let per_class = &calibration.class_logits;
        let square = |m: &Vec<Vec<f32>>| m.len() == c && m.iter().all(|row| row.len() == c);
        if per_class.len() != k || !per_class.iter().all(square) {
            return wrong("class_logits", "another shape".into(), format!("[{k}][{c}][{c}]"));
        }
        let means = [
            ("mean_concept_logits", &calibration.mean_concept_logits),
            ("mean_concept_probabilities", &calibration.mean_concept_probabilities),
        ];
        for (field, rows) in means {
            if rows.len() != k || !rows.iter().all(|row| row.len() == c) {
                return wrong(field, "another shape".into(), format!("[{k}][{c}]"));
            }
        }
        Ok(())
    }
}

/// Refuses a `major.minor` version whose major part is newer than [`FORMAT_MAJOR`].
///
/// # Errors
/// `Format` where `version` is not of that form, `Version` where it is too new.
pub fn check_version(version: &str, place: &str) -> Result<()> {
    let major = version.split_once('.').and_then(|(major, minor)| {
        minor.parse::<u32>().ok()?;
        major.parse::<u32>().ok()
    });
    match major {
        Some(FORMAT_MAJOR) => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::Version,
            place,
            format!("version {version}"),
            format!("version {FORMAT_MAJOR}.x"),
        )),
        None => Err(Error::new(ErrorKind::Format, place, format!("'{version}'"), "major.minor")),
    }
}

fn broken(error: serde_json::Error, place: &str) -> Error {
    Error::new(ErrorKind::Format, place, error.to_string(), "a SparseCBM schema as JSON")
        .caused_by(error)
}

fn first_duplicate<T: AsRef<str>>(names: &[T]) -> Option<&str> {
    names.iter().enumerate().find_map(|(i, name)| {
        names[..i].iter().any(|earlier| earlier.as_ref() == name.as_ref()).then(|| name.as_ref())
    })
}

/// Names in quotes, separated by commas.
fn list<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(|name| format!("'{}'", name.as_ref())).collect::<Vec<_>>().join(", ")
}
