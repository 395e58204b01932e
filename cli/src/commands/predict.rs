use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use serde::Serialize;
use sparsecbm::schema::Variable;
use sparsecbm::{Prediction, Question, Result};

use super::input::{self, TextArguments, Texts};
use super::load::LoadArguments;
use super::overrides::OverrideArguments;
use super::{engine_line, print, print_json, tables};

/// Texts that are spread over the threads together: predictions of many more would take memory.
const TEXTS_AT_ONCE: usize = 512;

#[derive(Args)]
// clap would name the group before the model, which comes first.
#[command(override_usage = "sparsecbm predict [OPTIONS] <MODEL> <TEXT|--input <FILE>>")]
pub struct Arguments {
    /// The exported model.
    model: PathBuf,
    #[command(flatten)]
    texts: TextArguments,
    #[command(flatten)]
    overrides: OverrideArguments,
    #[command(flatten)]
    load: LoadArguments,
    /// Print JSON: an object, or with --input one per line.
    #[arg(long)]
    json: bool,
}

/// A text's answer, as JSON.
#[derive(Serialize)]
struct Answer {
    text: String,
    #[serde(flatten)]
    prediction: Prediction,
    /// With the overrides; under its name since the first version.
    #[serde(rename = "corrected", skip_serializing_if = "Option::is_none")]
    overridden: Option<Prediction>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let model = arguments.load.model(&arguments.model)?;
    let overrides = arguments.overrides.read(model.schema())?;
    let answer = |text: String, prediction: Prediction| -> Result<Answer> {
        let overridden = (!overrides.is_empty()).then(|| overrides.of(&prediction)).transpose()?;
        Ok(Answer { text, prediction, overridden })
    };
    let texts = match arguments.texts.read(model.schema())? {
        Texts::One(text) => {
            let prediction = model.predict(&text)?;
            let answer = answer(text, prediction)?;
            if arguments.json {
                return print_json(&answer);
            }
            return print(&format!("{}\n\n{}", describe(&answer), engine_line(&model)));
        }
        Texts::Lines(texts) => texts,
    };
    let bar = input::progress_bar(texts.len());
    let mut answers = String::new();
    for texts in texts.chunks(TEXTS_AT_ONCE) {
        let predictions = model.predict_list(texts, None)?;
        for (text, prediction) in texts.iter().zip(predictions) {
            let answer = answer(text.clone(), prediction)?;
            if arguments.json {
                answers += &serde_json::to_string(&answer).expect("an answer is plain data");
                answers.push('\n');
            } else {
                answers += &format!("{}\n\n{}\n\n", answer.text, describe(&answer));
            }
        }
        bar.inc(texts.len() as u64);
    }
    bar.finish_and_clear();
    print(answers.trim_end())
}

/// What is printed of a prediction that may have overrides.
pub fn describe_prediction(prediction: &Prediction) -> String {
    let overridden = prediction.concepts().any(|concept| concept.overridden);
    let text = prediction.text().unwrap_or_default().into();
    describe(&Answer {
        text,
        prediction: prediction.undo_all(),
        overridden: overridden.then(|| prediction.clone()),
    })
}

/// Concepts and label, before and after overrides.
fn describe(answer: &Answer) -> String {
    let Answer { prediction, overridden, .. } = answer;
    let schema = prediction.model().schema();
    let header: [&str; 3] = ["concept", "class", "probabilities"];
    let mut concepts = match overridden {
        Some(_) => tables::table([header[0], header[1], header[2], "overridden"]),
        None => tables::table(header),
    };
    for (k, concept) in prediction.concepts().enumerate() {
        let mut row = vec![
            concept.name.to_string(),
            concept.class.to_string(),
            shares(&schema.concepts[k], concept.probabilities),
        ];
        let set = overridden.iter().flat_map(|c| c.concepts().nth(k));
        row.extend(set.map(|c| {
            let value = match c.probabilities {
                p if p.contains(&1.0) => c.class.to_string(),
                p => shares(&schema.concepts[k], p),
            };
            match c.question {
                None => String::new(),
                Some(Question::Correct) => format!("corrected: {value}"),
                Some(_) => format!("supposed: {value}"),
            }
        }));
        concepts.add_row(row);
    }
    let before = prediction.label();
    let after = overridden.as_ref().map(Prediction::label);
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
        row.extend(means.map(|mean| tables::number(mean.into())));
        label.add_row(row);
    }
    let bold = Style::new().bold();
    let mut text = match after {
        Some(after) => {
            let (name, class) = (before.name, before.class);
            format!("{bold}{name}: {class}, with the overrides: {}{bold:#}", after.class)
        }
        None => tables::label(&before),
    };
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
