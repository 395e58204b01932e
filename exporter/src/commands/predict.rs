use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde::Serialize;
use serde_json::{Map, Value};
use sparsecbm::schema::Variable;
use sparsecbm::{Error, ErrorKind, Model, Prediction, Result, Schema};

use super::corrections::{self, Correction};
use super::engine::EngineArguments;
use super::{input, print, print_json, tables};

#[derive(Args)]
#[command(group(ArgGroup::new("texts").required(true).args(["text", "input"])))]
pub struct Arguments {
    /// The exported model.
    model: PathBuf,
    /// The text.
    text: Option<String>,
    /// Predict every line of a file, or of standard input for `-`. Where the first line that is not
    /// empty begins with `{`, every line is a JSON object whose field named by the model's schema
    /// holds the text; else every line is a text. Empty lines are passed over.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Correct a concept: set it to a class (noise=positive) or to probabilities in the order of its
    /// classes (noise=0.1,0.8,0.1). May be given several times.
    #[arg(long = "set", value_name = "CONCEPT=CLASS", value_parser = corrections::parse)]
    corrections: Vec<Correction>,
    #[command(flatten)]
    engine: EngineArguments,
    /// Print JSON: an object, or with --input one a line.
    #[arg(long)]
    json: bool,
}

/// A text's answer, as JSON.
#[derive(Serialize)]
struct Answer {
    text: String,
    #[serde(flatten)]
    prediction: Prediction,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected: Option<Prediction>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let model = Model::load(&arguments.model, &arguments.engine.options())?;
    let overrides = corrections::overrides(&arguments.corrections, model.schema())?;
    let answer = |text: String| -> Result<Answer> {
        let prediction = model.predict(&text)?;
        let corrected = (!overrides.is_empty())
            .then(|| prediction.intervene(overrides.iter().cloned()))
            .transpose()?;
        Ok(Answer { text, prediction, corrected })
    };
    let Some(path) = &arguments.input else {
        let answer = answer(arguments.text.clone().unwrap_or_default())?;
        return if arguments.json { print_json(&answer) } else { print(&describe(&answer)) };
    };
    let texts = read_texts(path, model.schema())?;
    let bar = input::progress_bar(texts.len());
    let mut answers = String::new();
    for text in bar.wrap_iter(texts.into_iter()) {
        let answer = answer(text)?;
        if arguments.json {
            answers += &serde_json::to_string(&answer).expect("an answer is plain data");
            answers.push('\n');
        } else {
            answers += &format!("{}\n\n{}\n\n", answer.text, describe(&answer));
        }
    }
    bar.finish_and_clear();
    print(answers.trim_end())
}

fn read_texts(path: &Path, schema: &Schema) -> Result<Vec<String>> {
    let (mut reader, place) = input::open(path)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|e| {
        Error::new(ErrorKind::Io, &place, e.to_string(), "a readable file").caused_by(e)
    })?;
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let lines: Vec<_> = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    let json = lines.first().is_some_and(|(_, line)| line.trim_ascii_start().starts_with(b"{"));
    let text = |(index, line): (usize, &[u8])| {
        let text = if json { json_text(line, &schema.data_fields.text) } else { plain_text(line) };
        text.map_err(|e| e.within(format!("{place}: line {}", index + 1)))
    };
    let texts = lines.into_iter().map(text).collect::<Result<Vec<_>>>()?;
    if texts.is_empty() {
        return Err(Error::new(ErrorKind::Input, place, "no text", "at least one line"));
    }
    Ok(texts)
}

fn json_text(line: &[u8], field: &str) -> Result<String> {
    let mut row: Map<String, Value> = serde_json::from_slice(line).map_err(|e| {
        Error::new(ErrorKind::Format, "review", e.to_string(), "a JSON object").caused_by(e)
    })?;
    match row.remove(field) {
        Some(Value::String(text)) => Ok(text),
        other => {
            let found = other.map_or("no such field".into(), |value| value.to_string());
            Err(Error::new(ErrorKind::Input, format!("field '{field}'"), found, "a string"))
        }
    }
}

fn plain_text(line: &[u8]) -> Result<String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|e| {
        Error::new(ErrorKind::Format, "text", e.to_string(), "a line of UTF-8").caused_by(e)
    })?;
    Ok(text.into())
}

/// Concepts and label, before and after corrections.
fn describe(answer: &Answer) -> String {
    let Answer { prediction, corrected, .. } = answer;
    let schema = prediction.model().schema();
    let header: [&str; 3] = ["concept", "class", "probabilities"];
    let mut concepts = match corrected {
        Some(_) => tables::table([header[0], header[1], header[2], "corrected to"]),
        None => tables::table(header),
    };
    for (k, concept) in prediction.concepts().enumerate() {
        let mut row = vec![
            concept.name.to_string(),
            concept.class.to_string(),
            shares(&schema.concepts[k], concept.probabilities),
        ];
        let set = corrected.iter().flat_map(|c| c.concepts().nth(k));
        row.extend(set.map(|c| match c.probabilities {
            _ if !c.overridden => String::new(),
            p if p.contains(&1.0) => c.class.to_string(),
            p => shares(&schema.concepts[k], p),
        }));
        concepts.add_row(row);
    }
    let before = prediction.label();
    let after = corrected.as_ref().map(Prediction::label);
    let mut label = match after {
        Some(_) => tables::table([before.name, "before", "after"]),
        None => tables::table([before.name, "probability"]),
    };
    let columns = || [Some(before), after].into_iter().flatten();
    for (index, class) in schema.label.classes.iter().enumerate() {
        let cell = |p: &[f32]| tables::percent(p[index].into());
        let mut row = vec![class.clone()];
        row.extend(columns().map(|column| cell(column.probabilities)));
        label.add_row(row);
    }
    if before.expected_value.is_some() {
        let means = columns().filter_map(|column| column.expected_value);
        let mut row = vec!["mean".to_string()];
        row.extend(means.map(|mean| format!("{mean:.2}")));
        label.add_row(row);
    }
    let mut text = format!("{}: {}", before.name, before.class);
    if let Some(after) = after {
        text += &format!(", corrected: {}", after.class);
    }
    text += &format!("\n\n{label}\n\n{concepts}");
    if prediction.dropped_tokens() > 0 {
        text += &format!(
            "\n\nThe text was cut: its last {} tokens did not fit into the model's {}.",
            prediction.dropped_tokens(),
            schema.max_length
        );
    }
    text
}

fn shares(variable: &Variable, probabilities: &[f32]) -> String {
    let share = |(class, p): (&String, &f32)| format!("{class} {}", tables::percent((*p).into()));
    variable.classes.iter().zip(probabilities).map(share).collect::<Vec<_>>().join(", ")
}
