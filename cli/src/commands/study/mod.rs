mod edits;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use sparsecbm::Result;
use sparsecbm_bench::eval::read_reviews;
use sparsecbm_bench::study::{Study, StudyOptions, study, write_figures};

use super::engine::EngineArguments;
use super::{input, print, print_json, tables};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    other: Option<edits::Command>,
    /// The exported model.
    #[arg(required = true)]
    model: Option<PathBuf>,
    /// Labelled reviews as JSON lines, whose fields the model's schema names; `-` for standard input.
    #[arg(required = true)]
    data: Option<PathBuf>,
    /// On how many reviews words are masked out and subnetworks switched off.
    #[arg(long, default_value_t = StudyOptions::default().sample)]
    sample: usize,
    /// Draw figures: SVG files in this folder.
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArguments,
    /// Print JSON; all shares in 0 to 1.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(command) = &arguments.other {
        return command.run();
    }
    let model = arguments.model.as_deref().expect("clap requires it");
    let data = arguments.data.as_deref().expect("clap requires it");
    let options = StudyOptions {
        sample: arguments.sample,
        load: arguments.engine.options(),
        ..StudyOptions::default()
    };
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    let reviews = |model: &sparsecbm::Model| {
        let (reader, place) = input::open(data)?;
        read_reviews(reader, &place, model.schema())
    };
    let found = study(model, reviews, &options, |doing| {
        spinner.set_message(doing.to_string());
    });
    spinner.finish_and_clear();
    let found = found?;
    if let Some(folder) = &arguments.figures {
        write_figures(&found, folder)?;
    }
    if arguments.json {
        return print_json(&found);
    }
    print(&describe(&found))
}

fn describe(study: &Study) -> String {
    let mut parts = vec![format!("{} reviews, on {}", study.reviews, study.engine)];
    parts.push(tables::policies(&study.policies).to_string());
    let mut table = tables::table([
        "deletion area",
        "by evidence",
        "by single words",
        "by windows",
        "as for reasons",
        "random",
        "evidence beats random",
    ]);
    for found in &study.faithfulness {
        let areas = [
            &found.evidence,
            &found.single_words,
            &found.occlusion,
            &found.combined,
            &found.random,
        ];
        let mut row = vec![found.concept.clone()];
        row.extend(areas.map(|curve| format!("{:.3}", curve.deletion_area)));
        row.push(tables::percent(found.evidence_beats_random));
        table.add_row(row);
    }
    parts.push(format!("{} of the reviews:\n{table}", study.sample));
    let mut table = tables::table([
        "words that people changed, by",
        "average precision",
        "ROC area",
        "runs of the model",
        "edits",
    ]);
    for found in &study.edited_words {
        table.add_row([
            found.method.clone(),
            format!("{:.3}", found.average_precision),
            format!("{:.3}", found.roc_area),
            format!("{:.0}", found.runs),
            found.edits.to_string(),
        ]);
    }
    parts.push(table.to_string());
    let mut table = tables::table([
        "what people's edits do",
        "correlation",
        "right signs",
        "size",
        "label right",
        "edits",
    ]);
    for found in &study.overrides {
        let figure = |value: Option<f64>| value.map_or("undefined".into(), |v| format!("{v:.2}"));
        table.add_row([
            found.method.clone(),
            figure(found.effect.pearson),
            figure(found.effect.sign_accuracy),
            figure(found.effect.size),
            tables::percent(found.effect.label_right),
            found.effect.pairs.to_string(),
        ]);
    }
    parts.push(table.to_string());
    let mut table = tables::table([
        "switched off",
        "its own weights",
        "class changed",
        "probability lost",
        "as many shared: class changed",
        "probability lost",
    ]);
    for found in &study.responsibility {
        let (own, shared) = (&found.without_exclusive, &found.without_shared);
        table.add_row([
            found.concept.clone(),
            tables::percent(found.exclusive),
            tables::percent(own.class_changed),
            format!("{:.3}", own.probability_lost),
            tables::percent(shared.class_changed),
            format!("{:.3}", shared.probability_lost),
        ]);
    }
    parts.push(table.to_string());
    parts.join("\n\n")
}
