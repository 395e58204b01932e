mod sparsity;
mod threads;
mod weights;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anstyle::Style;
use clap::Args;
use sparsecbm::{EngineChoice, Result};
use sparsecbm_bench::bench::{
    BenchReport, EnginesReport, Timing, Workload, bench_engines, bench_model,
};

use super::engine::EngineArguments;
use super::{print, print_json, tables};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    sparsity: Option<sparsity::Command>,
    /// The exported model.
    #[arg(required = true)]
    model: Option<PathBuf>,
    /// How often predictions of each length are measured.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    engine: EngineArguments,
    /// Compare engines instead, such as tract,ort-cpu: the same batches on each, interleaved.
    #[arg(long, value_delimiter = ',', value_name = "ENGINES", conflicts_with = "engine")]
    engines: Vec<EngineChoice>,
    /// With --engines: texts of one call.
    #[arg(long, value_delimiter = ',', value_name = "COUNTS", default_value = "1,8,32")]
    batches: Vec<NonZeroUsize>,
    /// With --engines: positions of each text; by default 16, 32 and 128 of those that the model takes.
    #[arg(long, value_delimiter = ',', value_name = "COUNTS")]
    tokens: Vec<NonZeroUsize>,
    /// With --engines: for how many threads that ask at once predictions are counted; none where no number
    /// follows.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "COUNTS",
        num_args = 0..=1,
        default_value = "1,2,4"
    )]
    callers: Vec<NonZeroUsize>,
    /// Print JSON; all times in microseconds.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(command) = &arguments.sparsity {
        return command.run();
    }
    let model = arguments.model.as_deref().expect("clap requires it");
    if !arguments.engines.is_empty() {
        return compare(model, arguments);
    }
    let report = bench_model(model, &arguments.engine.options(), arguments.rounds as usize)?;
    if arguments.json {
        return print_json(&report);
    }
    print(&describe(&report))
}

fn compare(model: &Path, arguments: &Arguments) -> Result<()> {
    let counts = |list: &[NonZeroUsize]| list.iter().map(|count| count.get()).collect();
    let workload = Workload {
        texts: counts(&arguments.batches),
        tokens: counts(&arguments.tokens),
        callers: counts(&arguments.callers),
        rounds: arguments.rounds as usize,
    };
    let (engines, options) = (&arguments.engines, arguments.engine.options());
    let report = bench_engines(model, engines, &options, &workload)?;
    if arguments.json {
        return print_json(&report);
    }
    let names: Vec<String> = engines.iter().map(ToString::to_string).collect();
    print(&describe_engines(&report, &names))
}

/// Rows of batches and of callers, a column an engine; the first engine's share of the others' beside it.
fn describe_engines(report: &EnginesReport, names: &[String]) -> String {
    let ratio = |name: &String| format!("{} / {name}", names[0]);
    let header = |first: &str| {
        let ratios = names.iter().skip(1).map(ratio);
        [first.to_string()].into_iter().chain(names.iter().cloned()).chain(ratios)
    };
    let mut batches = tables::table(header("median of one call"));
    for batch in &report.batches {
        let medians: Vec<f64> = batch.timings.iter().map(|timing| timing.median_us).collect();
        let ratios = medians.iter().skip(1).map(|median| format!("{:.2}", medians[0] / median));
        let row = [format!("{} × {} tokens", batch.texts, batch.tokens)];
        let times = medians.iter().map(|&median| time(median));
        batches.add_row(row.into_iter().chain(times).chain(ratios));
    }
    let mut callers = tables::table(header("predictions a second").take(names.len() + 1));
    for rates in &report.callers {
        let row = [format!("{} threads asking", rates.callers)];
        callers.add_row(row.into_iter().chain(rates.per_second.iter().map(|n| format!("{n:.1}"))));
    }
    format!("{}\n\n{batches}\n\n{callers}", report.devices.join("\n"))
}

fn describe(report: &BenchReport) -> String {
    let mut table = tables::table(["", "median", "p95", "runs"]);
    let mut add = |name: String, timing: &Timing| {
        let [median, p95] = [timing.median_us, timing.p95_us].map(time);
        table.add_row([name, median, p95, timing.runs.to_string()]);
    };
    add("load".into(), &report.load);
    for encode in &report.encode {
        add(format!("predict {} tokens", encode.tokens), &encode.timing);
    }
    add("intervene".into(), &report.intervention);
    let ratio = report.intervention_per_encode_32.map_or(String::new(), |ratio| {
        format!("\n\nAn intervention takes 1/{:.0} of a prediction of 32 tokens.", 1.0 / ratio)
    });
    let summary =
        report.encode.iter().find(|encode| encode.tokens == 32).map_or(String::new(), |encode| {
            let (median, bold) = (time(encode.timing.median_us), Style::new().bold());
            format!("{bold}{median}{bold:#} for a text of 32 tokens. ")
        });
    format!("{summary}Engine: {}\n\n{table}{ratio}", report.engine)
}

/// Microseconds as people read them.
fn time(microseconds: f64) -> String {
    match microseconds {
        t if t < 1e3 => format!("{} µs", tables::number(t)),
        t if t < 1e6 => format!("{} ms", tables::number(t / 1e3)),
        t => format!("{} s", tables::number(t / 1e6)),
    }
}
