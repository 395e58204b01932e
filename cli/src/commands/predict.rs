use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sparsecbm::schema::Variable;
use sparsecbm::{Prediction, Result};

use super::corrections::{self, Correction};
use super::input::{self, TextArguments, Texts};
use super::load::LoadArguments;
use super::{print, print_json, tables};

#[derive(Args)]
// clap would name the group before the model, which comes first.
#[command(override_usage = "sparsecbm predict [OPTIONS] <MODEL> <TEXT|--input <FILE>>")]
pub struct Arguments {
    /// The exported model.
    model: PathBuf,
    #[command(flatten)]
    texts: TextArguments,
    /// Correct a concept: set it to a class (noise=positive) or to probabilities in the order of its
    /// classes (noise=0.1,0.8,0.1). May be given several times.
    #[arg(long = "set", value_name = "CONCEPT=CLASS", value_parser = corrections::parse)]
    corrections: Vec<Correction>,
    #[command(flatten)]
    load: LoadArguments,
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
    let model = arguments.load.model(&arguments.model)?;
    let overrides = corrections::overrides(&arguments.corrections, model.schema())?;
    let answer = |text: String| -> Result<Answer> {
        let prediction = model.predict(&text)?;
        let corrected = (!overrides.is_empty())
            .then(|| prediction.intervene(overrides.iter().cloned()))
            .transpose()?;
        Ok(Answer { text, prediction, corrected })
    };
    let texts = match arguments.texts.read(model.schema())? {
        Texts::One(text) => {
            let answer = answer(text)?;
            return if arguments.json { print_json(&answer) } else { print(&describe(&answer)) };
        }
        Texts::Lines(texts) => texts,
    };
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
