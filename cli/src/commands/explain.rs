use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::report;
use crate::report::reasons::{Effects, Piece, override_note, pieces};
use anstyle::Style;
use clap::Args;
use sparsecbm::explain::{
    ExplainOptions, Explanation, FaithfulnessOptions, IntegratedOptions, OcclusionOptions, Policy,
    Subnetworks, Word, descending,
};
use sparsecbm::{Model, Prediction, Result};

use super::gradients::GradientArguments;
use super::input::{self, TextArguments, Texts};
use super::load::LoadArguments;
use super::overrides::OverrideArguments;
use super::{print, print_json, tables, write_file};

#[derive(Args)]
// clap would name the group before the model, which comes first.
#[command(override_usage = "sparsecbm explain [OPTIONS] <MODEL> <TEXT|--input <FILE>>")]
pub struct Arguments {
    /// The exported model.
    model: PathBuf,
    #[command(flatten)]
    texts: TextArguments,
    #[command(flatten)]
    overrides: OverrideArguments,
    /// Mask out at most N words: those with the most evidence; 0 for none. All by default.
    #[arg(long, value_name = "N")]
    max_words: Option<usize>,
    /// How many words at a time are masked out, a run of the model for each place of such a window; several widths
    /// are averaged. 1: single words.
    #[arg(long, value_name = "WIDTH,…", value_delimiter = ',', default_values_t = OcclusionOptions::default().windows)]
    windows: Vec<usize>,
    /// Also integrate the gradient of each concept's logits over the way from a text without words: needs
    /// the file of gradients.
    #[arg(long)]
    integrated: bool,
    /// Points on that way at which the gradient is taken, for each class of each concept.
    #[arg(long, default_value_t = 50, requires = "integrated")]
    steps: usize,
    #[command(flatten)]
    gradients: GradientArguments,
    /// Also test whether the words named are those that matter: deletion and insertion curves.
    #[arg(long)]
    faithfulness: bool,
    /// By what concepts to check are ranked: uncertainty, contribution, expected-change or combined.
    #[arg(long, default_value_t)]
    policy: Policy,
    /// What checking a concept costs (noise=2); 1 where not given. May be given several times.
    #[arg(long = "cost", value_name = "CONCEPT=COST", value_parser = cost)]
    costs: Vec<(String, f32)>,
    /// Write a page about the text and the model's subnetworks: one HTML file.
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    html: Option<PathBuf>,
    #[command(flatten)]
    load: LoadArguments,
    /// Print JSON: an object, or with --input one per line.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let model = arguments.load.model(&arguments.model)?;
    let subnetworks = match arguments.html {
        Some(_) => Some(model.subnetworks()?),
        None => None,
    };
    let overrides = arguments.overrides.read(model.schema())?;
    let options = options(arguments, &model)?;
    let predict = |text: &str| overrides.of(&model.predict(text)?);
    match arguments.texts.read(model.schema())? {
        Texts::One(text) => {
            explain_one(arguments, &predict(&text)?, subnetworks.as_ref(), &options)
        }
        Texts::Lines(texts) => {
            let bar = input::progress_bar(texts.len());
            let mut answers = String::new();
            for text in bar.wrap_iter(texts.iter()) {
                let prediction = predict(text)?;
                let explanation = prediction.explain(&options)?;
                if arguments.json {
                    answers +=
                        &serde_json::to_string(&explanation).expect("an explanation is plain data");
                    answers.push('\n');
                } else {
                    answers += &format!("{text}\n\n{}\n", describe(&prediction, &explanation));
                }
            }
            bar.finish_and_clear();
            print(answers.trim_end())
        }
    }
}

/// Explains the text of the command line, with a bar for the runs of the model that it takes.
fn explain_one(
    arguments: &Arguments,
    prediction: &Prediction,
    subnetworks: Option<&Subnetworks>,
    options: &ExplainOptions,
) -> Result<()> {
    let bar = input::progress_bar(0);
    let explanation = prediction.explain_with_progress(options, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let explanation = explanation?;
    if let Some(path) = &arguments.html {
        let page = report::explanation_page(prediction, &explanation, subnetworks)?;
        write_file(path, &page)?;
    }
    if arguments.json {
        return print_json(&explanation);
    }
    let engine = super::engine_line(prediction.model());
    print(&format!("{}\n{engine}", describe(prediction, &explanation)))
}

fn options(arguments: &Arguments, model: &Model) -> Result<ExplainOptions> {
    let mut options = ExplainOptions::default();
    options.suggest.policy = arguments.policy;
    options.suggest.costs = arguments.costs.iter().cloned().collect();
    if arguments.max_words != Some(0) {
        let mut occlusion = OcclusionOptions::default();
        occlusion.max_words = arguments.max_words;
        occlusion.windows.clone_from(&arguments.windows);
        options.occlusion = Some(occlusion);
    }
    if arguments.integrated {
        let load = arguments.load.engine.options();
        let gradients = arguments.gradients.load(&arguments.model, model, &load)?;
        let mut integrated = IntegratedOptions::new(&gradients);
        integrated.steps = arguments.steps;
        options.integrated = Some(integrated);
    }
    options.faithfulness = arguments.faithfulness.then(FaithfulnessOptions::default);
    Ok(options)
}

fn cost(argument: &str) -> std::result::Result<(String, f32), String> {
    let expected = "expected CONCEPT=COST, such as noise=2";
    let (concept, cost) = argument.split_once('=').ok_or(expected)?;
    Ok((concept.trim().into(), cost.trim().parse().map_err(|_| expected)?))
}

/// Why, in words and tables, coloured.
pub fn describe(prediction: &Prediction, explanation: &Explanation) -> String {
    let label = prediction.label();
    let mut answer = format!("{}\n", tables::label(&label));
    if prediction.dropped_tokens() > 0 {
        let dropped = prediction.dropped_tokens();
        answer += &format!("The text was cut: its last {dropped} tokens did not fit.\n");
    }
    answer += &reasons(prediction, explanation);
    answer += &contributions(explanation, label.class_index);
    answer += &integrated(prediction, explanation);
    answer += &counterfactual(explanation, label.name);
    answer + &suggestions(explanation)
}

/// The text with the phrases that matter, and what they do to each concept and to the label.
fn reasons(prediction: &Prediction, explanation: &Explanation) -> String {
    let bold = Style::new().bold();
    let mut answer = String::new();
    if explanation.reasons.iter().any(|reason| !reason.phrases.is_empty()) {
        let text: String = pieces(explanation).iter().map(marked).collect();
        if !text.is_empty() {
            answer += &format!("\n{text}\n");
        }
    }
    let effects = Effects::of(explanation);
    for (concept, reason) in prediction.concepts().zip(&explanation.reasons) {
        let share = tables::percent(concept.probabilities[concept.class_index].into());
        let note =
            override_note(&concept, reason).map_or(String::new(), |note| format!("; {note}"));
        let (name, class) = (concept.name, concept.class);
        answer += &format!("\n{bold}{name}: {class}{bold:#} ({share}{note})\n");
        for phrase in &reason.phrases {
            let style = if phrase.support > 0.0 { FOR } else { AGAINST };
            let text = phrase.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let does = effects.tell(reason, phrase);
            answer += &format!("  \"{style}{text}{style:#}\" {does}\n");
        }
        if reason.phrases.is_empty() {
            answer += &format!("  {}\n", effects.none(reason));
        }
    }
    answer
}

/// What speaks for a class is bold and underlined; what speaks against one is underlined alone.
const FOR: Style = Style::new().bold().underline();
const AGAINST: Style = Style::new().underline();

fn marked(piece: &Piece) -> String {
    let text = &piece.text;
    match (piece.is_for, piece.is_against) {
        (true, _) => format!("{FOR}{text}{FOR:#}"),
        (false, true) => format!("{AGAINST}{text}{AGAINST:#}"),
        (false, false) => text.clone(),
    }
}

/// The strongest words of each concept by integrated gradients, where they were asked for.
fn integrated(prediction: &Prediction, explanation: &Explanation) -> String {
    let Some(found) = &explanation.integrated else { return String::new() };
    let errors = found.concepts.iter().flat_map(|concept| &concept.convergence_error);
    let largest = errors.copied().fold(0.0, f32::max);
    let mut answer = format!(
        "\nBy integrated gradients in {} steps from «{}»; they miss the logits by at most {largest:.1e}.\n",
        found.steps, found.baseline_piece
    );
    for (k, concept) in found.concepts.iter().enumerate() {
        let class = descending(&prediction.concept_logits().row(k).to_vec())[0];
        let strongest = strongest(&found.words, &concept.support(class));
        answer += &format!("  {}: {strongest}\n", concept.name);
    }
    answer
}

fn contributions(explanation: &Explanation, class: usize) -> String {
    let contributions = &explanation.contributions;
    let header = [
        "concept".to_string(),
        "class".into(),
        format!("adds to {}", contributions.label_classes[class]),
    ];
    let mut table = tables::table(header.each_ref().map(String::as_str));
    for concept in &contributions.concepts {
        let by_override = concept.override_share.as_ref();
        let by_override = by_override
            .map_or(String::new(), |s| format!(" (the override changed {:+.2})", s[class]));
        table.add_row([
            concept.name.clone(),
            concept.class.clone(),
            format!("{:+.2}{by_override}", concept.label_logits[class]),
        ]);
    }
    if contributions.rest.iter().any(|&rest| rest != 0.0) {
        let rest = format!("{:+.2}", contributions.rest[class]);
        table.add_row(["what else the text says".into(), String::new(), rest]);
    }
    table.add_row([
        "an average text".into(),
        String::new(),
        format!("{:+.2}", contributions.baseline[class]),
    ]);
    format!("\n{table}\n")
}

/// The three words that say most for and the three that say most against.
fn strongest(words: &[Word], support: &[f32]) -> String {
    let order = descending(support);
    let named = |index: &usize| format!("{} {:+.2}", words[*index].text, support[*index]);
    let best = order.iter().filter(|&&index| support[index] > 0.0).take(3).map(named);
    let worst = order.iter().rev().filter(|&&index| support[index] < 0.0).take(3).map(named);
    best.chain(worst).collect::<Vec<_>>().join(", ")
}

fn counterfactual(explanation: &Explanation, label: &str) -> String {
    match &explanation.counterfactual {
        None => format!("\nNo change of concepts gives another {label}.\n"),
        Some(found) => {
            let changes = found.changes.iter();
            let changes: Vec<String> = changes
                .map(|c| format!("{} were {} instead of {}", c.concept, c.to, c.from))
                .collect();
            format!("\nIf {}, {label} would be {}.\n", changes.join(" and "), found.label)
        }
    }
}

fn suggestions(explanation: &Explanation) -> String {
    if explanation.suggestions.is_empty() {
        return String::new();
    }
    let mut table =
        tables::table(["check first", "score", "uncertainty", "contribution", "expected change"]);
    for suggestion in &explanation.suggestions {
        let numbers = [
            suggestion.score,
            suggestion.uncertainty,
            suggestion.contribution,
            suggestion.expected_change,
        ];
        let mut row = vec![suggestion.concept.clone()];
        row.extend(numbers.iter().map(|number| format!("{number:.3}")));
        table.add_row(row);
    }
    format!("\n{table}\n")
}
