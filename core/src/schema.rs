//! What a model means: concepts, label, semantics, calibration.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};

/// Major version of the schema, and of the exported file, that this crate reads.
pub const FORMAT_MAJOR: u32 = 1;

/// The largest `max_length`: far above any text model's, and low enough that a broken file cannot ask for more
/// memory than there is.
const LONGEST: usize = 1 << 16;

/// What a model's concepts and label mean, and how it is to be used: `sparsecbm.json` in a checkpoint,
/// `sparsecbm.schema` in an exported file. Reading one from JSON checks it, however it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Variable {
    /// The name, unique among the concepts.
    pub name: String,
    /// The class names, unique within the variable.
    pub classes: Vec<String>,
    /// What each class is worth, where the classes have an order that their names do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<f32>>,
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

    /// The classes as numbers: [`values`](Variable::values) where they are given, else the class names where
    /// every one is a number (stars).
    pub fn class_values(&self) -> Option<Vec<f32>> {
        let number = |class: &String| class.parse().ok().filter(|value: &f32| value.is_finite());
        self.values.clone().or_else(|| self.classes.iter().map(number).collect())
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

/// What an override does to the label; `docs/reference/checkpoint.md` has the formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InterventionKind {
    /// The change of concept probabilities goes through the effect head.
    Effect,
    /// The overridden concept's logits are replaced by calibrated ones.
    Replace,
    /// Supposing and correcting a concept have a head each. The other kinds have one answer to both questions.
    SupposeCorrect,
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
    /// For each concept of n classes `[n][n]`: its mean logits over examples whose class is really j. Empty where
    /// nothing was measured, which `replace` models need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_logits: Vec<Vec<Vec<f32>>>,
    /// For each concept one number per class of it: mean concept logits, the baseline of explanations.
    pub mean_concept_logits: Vec<Vec<f32>>,
    /// For each concept one number per class of it: mean concept probabilities.
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
        let mut json = serde_json::Deserializer::from_slice(json);
        let schema = Schema::deserialize(&mut json).map_err(|e| broken(e, place))?;
        json.end().map_err(|e| broken(e, place))?;
        schema.check().map_err(|e| e.within(place))?;
        Ok(schema)
    }

    /// K, the number of concepts.
    pub fn concept_count(&self) -> usize {
        self.concepts.len()
    }

    /// C, the number of classes of the concept that has the most: the width of arrays `[K, C]`. Where a concept has
    /// fewer, the end of its row is padding: logits so low that their probability is 0, and no evidence.
    pub fn class_count(&self) -> usize {
        self.concepts.iter().map(|concept| concept.classes.len()).max().unwrap_or(0)
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
        for variable in self.concepts.iter().chain([&self.label]) {
            let place = format!("'{}': classes", variable.name);
            if variable.classes.len() < 2 {
                return wrong(&place, variable.classes.len().to_string(), "at least 2".into());
            }
            if let Some(twice) = first_duplicate(&variable.classes) {
                return wrong(&place, format!("'{twice}' twice"), "unique names".into());
            }
            if let Some(values) = &variable.values
                && (values.len() != variable.classes.len() || !values.iter().all(|v| v.is_finite()))
            {
                let place = format!("'{}': values", variable.name);
                let expected = format!("{} finite numbers, one a class", variable.classes.len());
                return wrong(&place, format!("{values:?}"), expected);
            }
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
        let classes: Vec<usize> = self.concepts.iter().map(|c| c.classes.len()).collect();
        let per_class = &calibration.class_logits;
        let square =
            |(m, &c): (&Vec<Vec<f32>>, &usize)| m.len() == c && m.iter().all(|row| row.len() == c);
        let measured =
            per_class.len() == classes.len() && per_class.iter().zip(&classes).all(square);
        let needed = self.intervention == InterventionKind::Replace;
        if !(measured || per_class.is_empty() && !needed) {
            let expected = "for each concept as many rows and columns as it has classes";
            return wrong("class_logits", "another shape".into(), expected.into());
        }
        let means = [
            ("mean_concept_logits", &calibration.mean_concept_logits),
            ("mean_concept_probabilities", &calibration.mean_concept_probabilities),
        ];
        for (field, rows) in means {
            if rows.iter().map(Vec::len).ne(classes.iter().copied()) {
                let expected = "for each concept one number per class";
                return wrong(field, "another shape".into(), expected.into());
            }
        }
        Ok(())
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Schema::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Schema, D::Error> {
        let schema = Schema::deserialize(deserializer)?;
        check_version(&schema.version, "version")
            .and_then(|()| schema.check())
            .map_err(D::Error::custom)?;
        Ok(schema)
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
