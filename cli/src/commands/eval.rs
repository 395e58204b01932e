use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use sparsecbm::{Model, Result};
use sparsecbm_bench::eval::{CalibrationReport, Report, SupposeReport, evaluate, read_reviews};

use super::load::LoadArguments;
use super::tables::{self, Table};
use super::{input, print, print_json, write_file};
use crate::report;

#[derive(Args)]
pub struct Arguments {
    /// The exported model.
    model: PathBuf,
    /// Labelled reviews as JSON lines, whose fields the model's schema names; `-` for standard input.
    data: PathBuf,
    /// Write a page with a reliability diagram of the label and of every concept: one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
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
    if let Some(path) = &arguments.html {
        let label = &model.schema().label.name;
        write_file(path, &report::reliability_page(&report.calibration, label)?)?;
    }
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
    let mut curve = tables::table(["wrong concepts corrected", "label accuracy"]);
    for (n, accuracy) in report.correct.curve.iter().enumerate() {
        let steps = if n == 0 { "none".into() } else { format!("up to {n}") };
        curve.add_row([steps, tables::percent(*accuracy)]);
    }
    let bold = Style::new().bold();
    let mut answer = format!(
        "{bold}{label} right in {}, concepts in {}{bold:#}, of {} reviews",
        tables::percent(report.label_accuracy),
        tables::percent(report.concept_accuracy),
        report.reviews
    );
    if report.reviews_cut > 0 {
        let longest = model.schema().max_length;
        answer += &format!(", {} of them cut to {longest} tokens", report.reviews_cut);
    }
    let policies = tables::policies(&report.correct.policies);
    answer += &format!("\n\n{quality}\n\n{curve}\n\n{policies}\n");
    answer += &format!("\n{}\n", calibration(&report.calibration, label));
    if let Some(suppose) = &report.suppose {
        answer += &format!("\n{}\n", edits(suppose, label));
    }
    for note in &report.notes {
        answer += &format!("\nNote: {note}.\n");
    }
    answer
}

fn calibration(report: &CalibrationReport, label: &str) -> Table {
    let mut table = tables::table(["", "expected calibration error", "negative log likelihood"]);
    let concepts = report.concepts.iter().map(|(name, found)| (name.clone(), found));
    for (name, found) in concepts.chain([(format!("{label} (label)"), &report.label)]) {
        table.add_row([name, format!("{:.3}", found.ece), format!("{:.3}", found.nll)]);
    }
    table
}

/// What supposing the edited concept says of people's edits, beside doing nothing and reading the edited text.
fn edits(suppose: &SupposeReport, label: &str) -> String {
    let mut table = tables::table([
        "what stands for the edit",
        "correlation",
        "right signs",
        "size",
        "mean error",
        "label moved",
        "label right",
    ]);
    let ways = [
        ("supposing the concept", &suppose.figures),
        ("no change", &suppose.no_change),
        ("reading the edited text", &suppose.reread),
    ];
    for (way, found) in ways {
        let or_dash = |value: Option<f64>, show: fn(f64) -> String| value.map_or("–".into(), show);
        table.add_row([
            way.to_string(),
            or_dash(found.pearson, |r| format!("{r:.3}")),
            or_dash(found.sign_accuracy, tables::percent),
            or_dash(found.size, |size| format!("{size:.2}")),
            format!("{:.2}", found.mean_error),
            tables::percent(found.label_moved),
            tables::percent(found.label_right),
        ]);
    }
    format!(
        "{} human edits of one concept, and the {label} that followed:\n{table}",
        suppose.figures.pairs
    )
}
