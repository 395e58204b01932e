//! How times grow with weights.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use sparsecbm::Result;
use sparsecbm_bench::bench::{WeightsReport, bench_weights, write_weights};

use super::super::{print, print_json, tables};
use super::time;

#[derive(Args)]
pub struct Arguments {
    /// Exported models; all are loaded at once.
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// Positions of the text.
    #[arg(long, default_value = "32")]
    tokens: NonZeroUsize,
    /// How often each prediction is measured.
    #[arg(long, default_value = "5")]
    rounds: NonZeroUsize,
    /// Draw a figure: an SVG file in this folder.
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    /// Print JSON; all times in microseconds.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { models, tokens, rounds, figures, json } = arguments;
    let report = bench_weights(models, tokens.get(), rounds.get())?;
    if let Some(folder) = figures {
        write_weights(&report, folder)?;
    }
    if *json { print_json(&report) } else { print(&describe(&report)) }
}

fn describe(report: &WeightsReport) -> String {
    let header = ["model", "concepts", "weights kept", "median", "a million weights"];
    let mut table = tables::table(header);
    for row in &report.models {
        let millions = row.weights as f64 / 1e6;
        table.add_row([
            row.model.display().to_string(),
            row.concepts.to_string(),
            format!("{} M", tables::number(millions)),
            time(row.prediction.median_us),
            time(row.prediction.median_us / millions),
        ]);
    }
    let WeightsReport { instructions, tokens, .. } = report;
    format!("{instructions}, {tokens} tokens, processor time, one thread\n\n{table}")
}
