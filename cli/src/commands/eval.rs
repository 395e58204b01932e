use std::path::PathBuf;

use clap::Args;
use sparsecbm::{Model, Result};
use sparsecbm_bench::eval::{Report, evaluate, read_reviews};

use super::load::LoadArguments;
use super::{input, print, print_json, tables};

#[derive(Args)]
pub struct Arguments {
    /// The exported model.
    model: PathBuf,
    /// Labelled reviews as JSON lines, whose fields the model's schema names; `-` for standard input.
    data: PathBuf,
    #[command(flatten)]
    load: LoadArguments,
    /// Print JSON; all shares in 0 to 1.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let model = arguments.load.model(&arguments.model)?;
    let (reader, place) = input::open(&arguments.data)?;
    let reviews = read_reviews(reader, &place, model.schema())?;
    let bar = input::progress_bar(reviews.len());
    let report = evaluate(&model, &reviews, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let report = report?;
    if arguments.json {
        return print_json(&report);
    }
    print(&describe(&report, &model))
}

fn describe(report: &Report, model: &Model) -> String {
    let label = &model.schema().label.name;
    let mut quality = tables::table(["", "accuracy", "macro-F1", "macro-F1 (paper's)"]);
    let mut add = |name: &str, figures: [f64; 3]| {
        let [accuracy, f1, paper] = figures.map(tables::percent);
        quality.add_row([name, &accuracy, &f1, &paper]);
    };
    for concept in &report.concepts {
        add(&concept.name, [concept.accuracy, concept.macro_f1, concept.macro_f1_paper]);
    }
    let concepts =
        [report.concept_accuracy, report.concept_macro_f1, report.concept_macro_f1_paper];
    add("all concepts", concepts);
    add(
        &format!("{label} (label)"),
        [report.label_accuracy, report.label_macro_f1, report.label_macro_f1_paper],
    );
    let mut curve = tables::table(["wrong concepts put right", "label accuracy"]);
    for (n, accuracy) in report.intervention_curve.iter().enumerate() {
        let steps = if n == 0 { "none".into() } else { format!("up to {n}") };
        curve.add_row([steps, tables::percent(*accuracy)]);
    }
    let mut answer = format!("{} reviews", report.reviews);
    if report.reviews_cut > 0 {
        let longest = model.schema().max_length;
        answer += &format!(", {} of them cut to {longest} tokens", report.reviews_cut);
    }
    let policies = tables::policies(&report.policies);
    answer += &format!("\n\n{quality}\n\n{curve}\n\n{policies}\n");
    if let Some(effect) = &report.edit_effect {
        let figure =
            |value: Option<f64>, show: fn(f64) -> String| value.map_or("undefined".into(), show);
        answer += &format!(
            "\n{} human edits: correlation of predicted and real change of {label} {}, \
             right signs {} (of the {} that change it)\n",
            effect.pairs,
            figure(effect.pearson, |r| format!("{r:.3}")),
            figure(effect.sign_accuracy, tables::percent),
            effect.changed_pairs,
        );
    }
    for note in &report.notes {
        answer += &format!("\nNote: {note}.\n");
    }
    answer
}
