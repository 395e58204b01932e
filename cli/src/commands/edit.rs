use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use sparsecbm::edit::{Edit, EditOptions, EditOutcome, EditTask, TextChange};
use sparsecbm::{Error, ErrorKind, Model, Result};

use super::gradients::GradientArguments;
use super::load::LoadArguments;
use super::overrides::{self, OverrideArgument};
use super::{input, print, print_json, tables};

#[derive(Args)]
pub struct Arguments {
    /// The exported model; its masks must be packed.
    model: PathBuf,
    /// The texts whose concept is to be of the class.
    #[arg(required = true)]
    texts: Vec<String>,
    /// The concept and the class that it is to have (noise=positive). Given once: an edit changes the mask
    /// of one concept. For another concept make another edit, on top of the saved one by --patch.
    #[arg(long = "set", value_name = "CONCEPT=CLASS", value_parser = overrides::parse)]
    #[arg(required = true)]
    corrections: Vec<OverrideArgument>,
    /// Texts whose class of the concept is to stay as the model reads it: lines as --input of `predict`
    /// takes them.
    #[arg(long, value_name = "FILE")]
    guard: Option<PathBuf>,
    /// Write the edit into this file, for --patch of `predict`, `explain` and `eval`.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// End the search after this time, with what it has.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    time_limit: Option<Duration>,
    /// Prune at most this share of the bits that the mask keeps, and grow as many.
    #[arg(long, value_name = "SHARE", default_value_t = EditOptions::default().max_share)]
    max_share: f64,
    #[command(flatten)]
    gradients: GradientArguments,
    #[command(flatten)]
    load: LoadArguments,
    /// Print JSON; all shares in 0 to 1.
    #[arg(long)]
    json: bool,
}

/// What is reported as JSON.
#[derive(Serialize)]
struct Output<'a> {
    engine: &'a str,
    seconds: f64,
    #[serde(flatten)]
    edit: &'a Edit,
}

fn seconds(argument: &str) -> std::result::Result<Duration, String> {
    let seconds = argument.parse::<f64>().map_err(|e| e.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let correction = correction(arguments)?;
    let model = arguments.load.model(&arguments.model)?;
    let options = arguments.load.engine.options();
    let gradients = arguments.gradients.load(&arguments.model, &model, &options)?;
    let task = task(arguments, correction, &model)?;
    let mut options = EditOptions::default();
    options.max_share = arguments.max_share;
    options.time_limit = arguments.time_limit;
    let start = Instant::now();
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    let edit = gradients.edit(&task, &options, |progress| {
        spinner.set_message(format!("run {}: {} bits", progress.runs, progress.flips));
        ControlFlow::Continue(())
    });
    spinner.finish_and_clear();
    let mut edit = edit?;
    let seconds = start.elapsed().as_secs_f64();
    let OverrideArgument { concept, value: class } = correction;
    edit.patch.note = Some(format!("{concept}={class} for {}", arguments.texts.join(" | ")));
    if let Some(path) = &arguments.save {
        edit.patch.save(path)?;
    }
    if arguments.json {
        let engine = &gradients.device().engine;
        return print_json(&Output { engine, seconds, edit: &edit });
    }
    print(&describe(&edit, seconds, arguments.save.as_deref()))
}

/// The one `--set`.
fn correction(arguments: &Arguments) -> Result<&OverrideArgument> {
    let [correction] = &*arguments.corrections else {
        let given = arguments.corrections.iter().map(|c| format!("{}={}", c.concept, c.value));
        return Err(Error::new(
            ErrorKind::Input,
            "--set",
            given.collect::<Vec<_>>().join(" and "),
            "one concept: an edit changes one mask; --save it, and make the next with --patch",
        ));
    };
    Ok(correction)
}

fn task(arguments: &Arguments, correction: &OverrideArgument, model: &Model) -> Result<EditTask> {
    let OverrideArgument { concept, value: class } = correction;
    let mut task = EditTask::new(model, concept).map_err(|e| e.within("--set"))?;
    for text in &arguments.texts {
        task.example(&model.predict(text)?, class).map_err(|e| e.within("--set"))?;
    }
    if let Some(path) = &arguments.guard {
        for guard in model.predict_list(&input::read_texts(path, model.schema())?, None)? {
            task.guard(&guard)?;
        }
    }
    Ok(task)
}

fn describe(edit: &Edit, seconds: f64, saved: Option<&Path>) -> String {
    let found = match edit.outcome {
        EditOutcome::Turned => "found".to_string(),
        EditOutcome::NotTurned => "not found; the best".to_string(),
        EditOutcome::Stopped => "not found in time; the best".to_string(),
    };
    let mut text = format!(
        "Edit of {} {found}: {} bits, {} pruned and as many grown, {} of the {} that the mask keeps \
         ({} runs, {seconds:.1} s).",
        edit.concept,
        edit.flips,
        edit.flips / 2,
        tables::small_percent(edit.flips as f64 / 2.0 / edit.kept.max(1) as f64),
        edit.kept,
        edit.runs,
    );
    let mut table = tables::table(["text", "wanted", "before", "after", "label"]);
    for change in edit.examples.iter().chain(&edit.broken) {
        table.add_row(row(change));
    }
    text += &format!("\n\n{table}");
    if edit.guards > 0 {
        text += &format!(
            "\n\n{} of {} guards do not keep their class.",
            edit.broken.len(),
            edit.guards
        );
    }
    if edit.flips > 0 {
        let mut table = tables::table(["matrix", "pruned", "grown"]);
        for layer in &edit.layers {
            let counts = [layer.pruned, layer.grown].map(|count| count.to_string());
            table.add_row([layer.name.clone()].into_iter().chain(counts));
        }
        text += &format!("\n\n{table}");
    }
    if let Some(path) = saved {
        text += &format!("\n\nWrote {}.", path.display());
    }
    text
}

fn row(change: &TextChange) -> [String; 5] {
    let class = |class: &str, logits: &[f32]| {
        let logits: Vec<String> = logits.iter().map(|logit| format!("{logit:+.2}")).collect();
        format!("{class} ({})", logits.join(" "))
    };
    let label = match change.label_before == change.label_after {
        true => change.label_before.clone(),
        false => format!("{} → {}", change.label_before, change.label_after),
    };
    [
        change.text.clone().unwrap_or_default(),
        change.wanted.clone(),
        class(&change.class_before, &change.logits_before),
        class(&change.class_after, &change.logits_after),
        label,
    ]
}
