//! What threads gain.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use sparsecbm::{InstructionSet, LoadOptions, Result, SparseOptions};
use sparsecbm_bench::bench::{ThreadsReport, bench_threads};

use super::super::{print, print_json, tables};
use super::sparsity::instructions;
use super::time;

#[derive(Args)]
pub struct Arguments {
    /// The exported model.
    model: PathBuf,
    /// Numbers of threads, beside 1; by default 2, 4, 8 and all cores, of those that there are.
    #[arg(long, value_delimiter = ',', value_name = "COUNTS")]
    threads: Vec<NonZeroUsize>,
    /// How often each prediction is measured.
    #[arg(long, default_value = "40")]
    rounds: NonZeroUsize,
    /// The processor's instructions that the sparse kernels use, such as AVX2; by default the fastest that it knows.
    #[arg(long, value_name = "NAME", value_parser = instructions)]
    instructions: Option<InstructionSet>,
    /// Print JSON; all times in microseconds.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { model, threads, rounds, instructions, json } = arguments;
    let sparse = SparseOptions::default().with_instructions(*instructions);
    let options = LoadOptions::default().with_sparse(sparse);
    let report = bench_threads(model, &options, threads, rounds.get())?;
    if *json { print_json(&report) } else { print(&describe(&report)) }
}

fn describe(report: &ThreadsReport) -> String {
    let mut table =
        tables::table(["texts", "threads", "median", "texts a second", "times one thread"]);
    for row in &report.rows {
        let texts = match row.texts {
            1 => format!("one of {} tokens", row.tokens),
            texts => format!("{texts} of up to {} tokens", row.tokens),
        };
        for rate in &row.rates {
            table.add_row([
                texts.clone(),
                rate.threads.to_string(),
                time(rate.timing.median_us),
                tables::number(rate.texts_per_second),
                format!("{:.2}", rate.times_one_thread),
            ]);
        }
    }
    let ThreadsReport { concepts, instructions, cores, .. } = report;
    format!("{concepts} concepts on {instructions}; {cores} cores\n\n{table}")
}
