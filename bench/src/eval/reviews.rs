use std::io::{BufRead, Read};

use serde_json::{Map, Value};
use sparsecbm::schema::Variable;
use sparsecbm::{Error, ErrorKind, Result, Schema};

/// A labelled review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// What is to be predicted from.
    pub text: String,
    /// `[K]`: the right class of each concept; `None` where nobody labelled it.
    pub concepts: Vec<Option<usize>>,
    /// The right class of the label.
    pub label: usize,
    /// The concept that a person changed in this text; `None` for a review as it was written.
    pub edited: Option<usize>,
    /// What an original and its edits share, where the data says it.
    pub original_id: Option<String>,
}

/// Reads labelled reviews: JSON lines whose fields the schema's `data_fields` name. Empty lines are
/// passed over. `place` (the file) is named in errors, with line and field.
///
/// # Errors
/// `Io` where reading fails, `Format` where a line is not a JSON object in UTF-8, `Input` where the text or the
/// label is missing, where a field holds a class that the schema does not have, where no line labels a concept, or
/// where there is no review. A concept that a line does not label (no such field, null, or an empty string) counts
/// for nothing.
pub fn read_reviews(reader: impl Read, place: &str, schema: &Schema) -> Result<Vec<Review>> {
    let mut reviews = Vec::new();
    for (index, line) in std::io::BufReader::new(reader).split(b'\n').enumerate() {
        let line = line.map_err(|e| {
            Error::new(ErrorKind::Io, place, e.to_string(), "a readable file").caused_by(e)
        })?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let review = Row::parse(&line).and_then(|row| row.review(schema));
        reviews.push(review.map_err(|e| e.within(format!("{place}: line {}", index + 1)))?);
    }
    if reviews.is_empty() {
        return Err(Error::new(ErrorKind::Input, place, "no reviews", "at least one"));
    }
    for (k, concept) in schema.concepts.iter().enumerate() {
        if reviews.iter().all(|review: &Review| review.concepts[k].is_none()) {
            let field = &schema.data_fields.concepts[&concept.name];
            let place = format!("{place}: {}", quoted(field));
            return Err(Error::new(
                ErrorKind::Input,
                place,
                "no class in any line",
                "at least one",
            ));
        }
    }
    Ok(reviews)
}

/// One line of a data file.
struct Row(Map<String, Value>);

impl Row {
    fn parse(line: &[u8]) -> Result<Row> {
        serde_json::from_slice(line).map(Row).map_err(|e| {
            Error::new(ErrorKind::Format, "review", e.to_string(), "a JSON object").caused_by(e)
        })
    }

    fn review(&self, schema: &Schema) -> Result<Review> {
        let fields = &schema.data_fields;
        let concepts = schema.concepts.iter().map(|concept| {
            // The schema was checked to have a field for each concept.
            let field = &fields.concepts[&concept.name];
            match self.0.get(field) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(nothing)) if nothing.is_empty() => Ok(None),
                Some(_) => self.class(field, concept).map(Some),
            }
        });
        Ok(Review {
            text: self.text(&fields.text)?,
            concepts: concepts.collect::<Result<_>>()?,
            label: self.class(&fields.label, &schema.label)?,
            edited: match fields.edited.as_deref() {
                Some(field) => self.edited(field, schema)?,
                None => None,
            },
            original_id: match fields.original_id.as_deref().and_then(|f| self.0.get(f)) {
                Some(Value::String(id)) => Some(id.clone()),
                Some(Value::Number(id)) => Some(id.to_string()),
                _ => None,
            },
        })
    }

    fn text(&self, field: &str) -> Result<String> {
        match self.0.get(field) {
            Some(Value::String(text)) => Ok(text.clone()),
            other => Err(wrong(field, other, "a string".into())),
        }
    }

    /// A class is given by its name; where its name is a number, also by that number.
    fn class(&self, field: &str, variable: &Variable) -> Result<usize> {
        let value = self.0.get(field);
        let same = |class: &String| match value {
            Some(Value::String(name)) => name == class,
            Some(Value::Number(number)) => {
                number.as_f64().is_some_and(|number| class.parse() == Ok(number))
            }
            _ => false,
        };
        variable.classes.iter().position(same).ok_or_else(|| {
            let classes: Vec<String> = variable.classes.iter().map(|c| format!("'{c}'")).collect();
            wrong(field, value, format!("a class of '{}': {}", variable.name, classes.join(", ")))
        })
    }

    fn edited(&self, field: &str, schema: &Schema) -> Result<Option<usize>> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => {
                schema.concept_index(name).map(Some).map_err(|e| e.within(quoted(field)))
            }
            other => Err(wrong(field, other, "null or the name of a concept".into())),
        }
    }
}

fn quoted(field: &str) -> String {
    format!("field '{field}'")
}

fn wrong(field: &str, found: Option<&Value>, expected: String) -> Error {
    let found = found.map_or("no such field".into(), Value::to_string);
    Error::new(ErrorKind::Input, quoted(field), found, expected)
}
