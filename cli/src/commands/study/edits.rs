use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use sparsecbm::edit::EditOptions;
use sparsecbm::{Model, Result};
use sparsecbm_bench::eval::read_reviews;
use sparsecbm_bench::study::edits::{EditStudy, EditStudyOptions, Recipe, RuleReport, study_edits};

use super::super::engine::EngineArguments;
use super::super::gradients::GradientArguments;
use super::super::{input, print, print_json, tables};

/// What else is studied.
#[derive(Subcommand)]
pub enum Command {
    /// Measure what edits of masks are worth: on wrong concepts, on right ones, on other reviews.
    Edits(Arguments),
}

#[derive(Args)]
pub struct Arguments {
    /// The exported model; its masks must be packed.
    model: PathBuf,
    /// Labelled reviews as JSON lines, whose fields the model's schema names; `-` for standard input.
    data: PathBuf,
    /// On how many reviews single edits are made.
    #[arg(long, default_value_t = EditStudyOptions::default().sample)]
    sample: usize,
    /// On how many other reviews edits are measured.
    #[arg(long, default_value_t = EditStudyOptions::default().others)]
    others: usize,
    /// Of how many corrected examples, and guards, edits for other reviews are made. May be given several
    /// times.
    #[arg(long = "recipe", value_name = "EXAMPLES,GUARDS", value_parser = recipe)]
    recipes: Vec<Recipe>,
    /// How many edits of each concept are made by each recipe, at most.
    #[arg(long, default_value_t = EditStudyOptions::default().draws)]
    draws: usize,
    /// Prune at most this share of the bits that a mask keeps, and grow as many.
    #[arg(long, value_name = "SHARE", default_value_t = EditOptions::default().max_share)]
    max_share: f64,
    /// What the guards count beside the examples.
    #[arg(long, default_value_t = EditOptions::default().guard_weight)]
    guard_weight: f32,
    #[command(flatten)]
    gradients: GradientArguments,
    #[command(flatten)]
    engine: EngineArguments,
    /// Print JSON; all shares in 0 to 1.
    #[arg(long)]
    json: bool,
}

fn recipe(argument: &str) -> std::result::Result<Recipe, String> {
    let expected = "expected EXAMPLES,GUARDS, such as 8,32";
    let (examples, guards) = argument.split_once(',').ok_or(expected)?;
    let number = |text: &str| text.trim().parse().map_err(|_| expected.to_string());
    let recipe = Recipe { examples: number(examples)?, guards: number(guards)? };
    if recipe.examples == 0 { Err("expected an example or more".into()) } else { Ok(recipe) }
}

impl Command {
    pub fn run(&self) -> Result<()> {
        let Command::Edits(arguments) = self;
        let engine = arguments.engine.options();
        let model = Model::load(&arguments.model, &engine)?;
        let gradients = arguments.gradients.load(&arguments.model, &model, &engine)?;
        let (reader, place) = input::open(&arguments.data)?;
        let reviews = read_reviews(reader, &place, model.schema())?;
        let mut options = EditStudyOptions {
            sample: arguments.sample,
            others: arguments.others,
            draws: arguments.draws,
            ..EditStudyOptions::default()
        };
        options.edit.guard_weight = arguments.guard_weight;
        options.edit.max_share = arguments.max_share;
        if !arguments.recipes.is_empty() {
            options.recipes = arguments.recipes.clone();
        }
        let spinner = ProgressBar::new_spinner();
        spinner.enable_steady_tick(Duration::from_millis(100));
        let found = study_edits(&model, &gradients, &reviews, &options, |doing| {
            spinner.set_message(doing.to_string());
        });
        spinner.finish_and_clear();
        let found = found?;
        if arguments.json { print_json(&found) } else { print(&describe(&found)) }
    }
}

fn describe(study: &EditStudy) -> String {
    let [model, gradients] = &study.engines;
    let mut text = format!(
        "{} reviews, {} of whose concepts are wrong; model on {model}, gradients on {gradients}",
        study.sample, study.wrong
    );
    let mut table = tables::table([
        "rule",
        "recovered",
        "bits, median",
        "90 %",
        "median share",
        "label right before",
        "after",
        "seconds",
    ]);
    study.rules.iter().for_each(|rule| {
        table.add_row(row(rule));
    });
    text += &format!("\n\n{table}");
    let control = &study.control;
    text += &format!(
        "\n\nThe signed rule makes {} of {} right concepts wrong with at most {} bits (median {}).",
        tables::percent(control.made_wrong),
        control.cases,
        control.flips,
        count(control.median_flips),
    );
    let mut table = tables::table([
        "made of",
        "edits",
        "turned",
        "bits",
        "wrong repaired",
        "right broken",
        "concept accuracy",
        "label accuracy",
        "repair more",
    ]);
    for found in &study.carry_over {
        let points = |share: f64| format!("{:+.2}", 100.0 * share);
        table.add_row([
            format!("{} examples, {} guards", found.recipe.examples, found.recipe.guards),
            found.edits.to_string(),
            tables::percent(found.turned),
            format!("{:.0}", found.flips),
            tables::percent(found.repaired),
            tables::percent(found.broken),
            points(found.concept_accuracy),
            points(found.label_accuracy),
            tables::percent(found.more_repaired),
        ]);
    }
    text + &format!("\n\nOn {} other reviews, on average over edits:\n{table}", study.others)
}

fn row(rule: &RuleReport) -> [String; 8] {
    [
        rule.rule.clone(),
        tables::percent(rule.recovered),
        count(rule.median_flips),
        count(rule.p90_flips),
        rule.median_share.map_or(String::new(), tables::small_percent),
        tables::percent(rule.label_before),
        tables::percent(rule.label_after),
        format!("{:.2}", rule.median_seconds),
    ]
}

fn count(value: Option<usize>) -> String {
    value.map_or("none".into(), |value| value.to_string())
}
