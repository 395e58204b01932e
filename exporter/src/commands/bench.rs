use std::path::PathBuf;

use clap::Args;
use sparsecbm::Result;
use sparsecbm_exporter::bench::{BenchReport, Timing, bench_model};

use super::engine::EngineArguments;
use super::{print, print_json, tables};

#[derive(Args)]
pub struct Arguments {
    /// The exported model.
    model: PathBuf,
    /// How often predictions of each length are measured.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    engine: EngineArguments,
    /// Print JSON; all times in microseconds.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let report =
        bench_model(&arguments.model, &arguments.engine.options(), arguments.rounds as usize)?;
    if arguments.json {
        return print_json(&report);
    }
    print(&describe(&report))
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
    format!("Engine: {}\n\n{table}{ratio}", report.engine)
}

/// Microseconds as people read them.
fn time(microseconds: f64) -> String {
    match microseconds {
        t if t < 1e3 => format!("{t:.1} µs"),
        t if t < 1e6 => format!("{:.2} ms", t / 1e3),
        t => format!("{:.2} s", t / 1e6),
    }
}
