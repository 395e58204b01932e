//! What sparsity is worth: measurements of a checkpoint, of a large model, or of the kernels alone.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process;

use clap::{Args, Subcommand};
use sparsecbm::{
    EngineChoice, Error, ErrorKind, InstructionSet, LoadOptions, OrtOptions, Result, SparseOptions,
};
use sparsecbm_bench::bench::{
    Accuracy, CurveMasks, CurveReport, Encode, Growth, GrowthReport, KernelReport, LargeReport,
    MemoryRow, SparseReport, Trained, bench_curve, bench_growth, bench_kernel, bench_large,
    bench_memory, bench_sparse, resident, write_curve, write_growth,
};
use sparsecbm_exporter::Checkpoint;

use super::super::{print, print_json, tables};
use super::{threads, time, weights};

/// What is measured.
#[derive(Subcommand)]
pub enum Command {
    /// All subnetworks on the sparse kernels beside ONNX Runtime, tract, and one dense pass; one thread.
    Sparse(Measured),
    /// How times grow with concepts and with the length of text; one thread.
    Growth {
        #[command(flatten)]
        measured: Measured,
        /// Draw figures: SVG files in this folder.
        #[arg(long, value_name = "FOLDER")]
        figures: Option<PathBuf>,
    },
    /// How times fall with sparsity, in blocks and in single weights, beside one dense pass of ONNX Runtime; one
    /// thread.
    Curve {
        #[command(flatten)]
        measured: Measured,
        /// What models trained at these sparsities reached: a JSON list of sparsity, block_rows, concepts and label.
        #[arg(long, value_name = "FILE")]
        accuracies: Option<PathBuf>,
        /// Draw figures: SVG files in this folder.
        #[arg(long, value_name = "FOLDER")]
        figures: Option<PathBuf>,
    },
    /// Memory of a process that predicts, for each engine (Linux).
    Memory(Measured),
    /// Fit the cost model of the sparse kernels to this processor, and measure its peak.
    Kernel {
        /// How often each product is measured.
        #[arg(long, default_value = "40")]
        rounds: NonZeroUsize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// What an exported file takes on the sparse kernels until it is ready, in memory of the process's own, and for a
    /// prediction (Linux). `bench/large.py` makes large ones.
    Large {
        /// The exported model.
        model: PathBuf,
        /// Positions of the text.
        #[arg(long, default_value = "32")]
        tokens: NonZeroUsize,
        /// How often the prediction is measured.
        #[arg(long, default_value = "5")]
        rounds: NonZeroUsize,
        /// Print JSON; memory in bytes, times of predictions in microseconds.
        #[arg(long)]
        json: bool,
    },
    /// What threads gain on the sparse kernels: one text, and a list of texts.
    Threads(threads::Arguments),
    /// How times grow with the weights of models, such as those that `bench/large.py` makes; one thread.
    Weights(weights::Arguments),
    /// What `memory` runs in processes of their own.
    #[command(hide = true)]
    Resident {
        model: PathBuf,
        #[arg(long)]
        engine: EngineChoice,
        #[arg(long)]
        ort_library: Option<PathBuf>,
        #[arg(long)]
        longest: usize,
    },
}

#[derive(Args)]
pub struct Measured {
    /// The checkpoint's folder.
    checkpoint: PathBuf,
    /// How often each prediction is measured.
    #[arg(long, default_value = "40")]
    rounds: NonZeroUsize,
    /// ONNX Runtime's library, or the folder that holds it; else it is looked for.
    #[arg(long, value_name = "PATH")]
    ort_library: Option<PathBuf>,
    /// The processor's instructions that the sparse kernels use, such as AVX2; by default the fastest that it knows.
    #[arg(long, value_name = "NAME", value_parser = instructions)]
    instructions: Option<InstructionSet>,
    /// Print JSON; all times in microseconds, memory in bytes.
    #[arg(long)]
    json: bool,
}

impl Measured {
    fn open(&self) -> Result<Checkpoint> {
        Checkpoint::open(&self.checkpoint)
    }

    fn options(&self) -> LoadOptions {
        let ort = OrtOptions::default().with_library(self.ort_library.clone());
        let sparse = SparseOptions::default().with_instructions(self.instructions);
        LoadOptions::default().with_sparse(sparse).with_ort(ort)
    }
}

/// One of the instruction sets that this processor knows.
pub(super) fn instructions(name: &str) -> std::result::Result<InstructionSet, String> {
    let known = InstructionSet::available();
    let names: Vec<&str> = known.iter().map(|set| set.name()).collect();
    let found = known.iter().find(|set| set.name().eq_ignore_ascii_case(name)).copied();
    found.ok_or_else(|| format!("this processor knows {}", names.join(", ")))
}

impl Command {
    pub fn run(&self) -> Result<()> {
        match self {
            Command::Sparse(measured) => {
                let rounds = measured.rounds.get();
                let report = bench_sparse(|| measured.open(), &measured.options(), rounds)?;
                if measured.json { print_json(&report) } else { print(&describe_sparse(&report)) }
            }
            Command::Growth { measured, figures } => {
                let rounds = measured.rounds.get();
                let report = bench_growth(|| measured.open(), &measured.options(), rounds)?;
                if let Some(folder) = figures {
                    write_growth(&report, folder)?;
                }
                if measured.json { print_json(&report) } else { print(&describe_growth(&report)) }
            }
            Command::Curve { measured, accuracies, figures } => {
                let trained = match accuracies {
                    Some(file) => read_accuracies(file)?,
                    None => Vec::new(),
                };
                let (options, rounds) = (measured.options(), measured.rounds.get());
                let report = bench_curve(|| measured.open(), &trained, &options, rounds)?;
                if let Some(folder) = figures {
                    write_curve(&report, folder)?;
                }
                if measured.json { print_json(&report) } else { print(&describe_curve(&report)) }
            }
            Command::Memory(measured) => {
                let child = |file: &Path, engine, longest| {
                    resident_process(measured, file, engine, longest)
                };
                let rows = bench_memory(measured.open()?, child)?;
                if measured.json { print_json(&rows) } else { print(&describe_memory(&rows)) }
            }
            Command::Kernel { rounds, json } => {
                let report = bench_kernel(rounds.get())?;
                if *json { print_json(&report) } else { print(&describe_kernel(&report)) }
            }
            Command::Large { model, tokens, rounds, json } => {
                let report = bench_large(model, tokens.get(), rounds.get())?;
                if *json { print_json(&report) } else { print(&describe_large(&report)) }
            }
            Command::Threads(arguments) => threads::run(arguments),
            Command::Weights(arguments) => weights::run(arguments),
            Command::Resident { model, engine, ort_library, longest } => {
                let ort = OrtOptions::default()
                    .with_library(ort_library.clone())
                    .with_threads(NonZeroUsize::MIN);
                let options = LoadOptions::default().with_engine(*engine).with_ort(ort);
                print_json(&resident(model, &options, *longest)?)
            }
        }
    }
}

fn read_accuracies(file: &Path) -> Result<Vec<Trained>> {
    let place = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|e| Error::new(ErrorKind::Io, &place, e.to_string(), "a file").caused_by(e))?;
    serde_json::from_str(&text).map_err(|e| {
        let expected = "a JSON list of sparsity, block_rows, concepts and label";
        Error::new(ErrorKind::Format, place, e.to_string(), expected).caused_by(e)
    })
}

/// This program once more, to load one file on one engine.
fn resident_process(
    measured: &Measured,
    file: &Path,
    engine: EngineChoice,
    longest: usize,
) -> Result<process::Command> {
    let program = std::env::current_exe().map_err(|e| {
        Error::new(ErrorKind::Io, "this program's file", e.to_string(), "a path").caused_by(e)
    })?;
    let mut command = process::Command::new(program);
    command.args(["bench", "resident"]).arg(file).args(["--engine", &engine.to_string()]);
    command.args(["--longest", &longest.to_string()]);
    if let Some(library) = &measured.ort_library {
        command.arg("--ort-library").arg(library);
    }
    Ok(command)
}

fn describe_sparse(report: &SparseReport) -> String {
    let mut times = tables::table([
        "processor time, one thread, medians",
        "ours",
        "ONNX Runtime, folded",
        "tract",
        "ONNX Runtime, one dense pass",
        "ours / one dense pass",
        "ours / folded",
        "ours / tract",
    ]);
    let mut work =
        tables::table(["", "multiply-adds", "share of peak", "of one dense pass", "share of peak"]);
    for row in &report.lengths {
        let tokens = format!("{} tokens", row.tokens);
        let ways = [&row.ours, &row.ort_folded, &row.tract, &row.ort_one_dense_pass];
        let ratios =
            [row.ours_over_ort_one_dense_pass, row.ours_over_ort_folded, row.ours_over_tract];
        let cells = ways.iter().map(|timing| time(timing.median_us));
        let ratios = ratios.iter().map(|ratio| format!("{ratio:.3}"));
        times.add_row([tokens.clone()].into_iter().chain(cells).chain(ratios));
        work.add_row([
            tokens,
            format!("{:.1} M", row.multiply_adds as f64 / 1e6),
            tables::percent(row.share_of_peak),
            format!("{:.1} M", row.multiply_adds_one_dense_pass as f64 / 1e6),
            tables::percent(row.share_of_peak_one_dense_pass),
        ]);
    }
    format!(
        "{} concepts; ours on {}, {} MB of packed weights; {}\n\n{times}\n\n\
         Peak of one core: {:.1} thousand million multiply-adds a second\n{work}\n\n\
         Concept logits of the same model differ by at most {:.1e}.",
        report.concepts,
        report.instructions,
        report.packed_bytes as f64 / 1e6,
        report.onnxruntime,
        report.peak_giga_multiply_adds,
        report.largest_difference,
    )
}

fn describe_growth(report: &GrowthReport) -> String {
    let table = |what: &str, points: &[Growth]| {
        let header = [what, "ours", "ONNX Runtime, folded", "ONNX Runtime, one dense pass"];
        let mut table = tables::table(header);
        for point in points {
            let timings = [&point.ours, &point.ort_folded, &point.ort_one_dense_pass];
            let cells = timings.iter().map(|timing| time(timing.median_us));
            table.add_row([point.count.to_string()].into_iter().chain(cells));
        }
        table.to_string()
    };
    let concepts = format!("concepts, {} tokens", report.tokens);
    [table(&concepts, &report.by_concepts), table("tokens", &report.by_tokens)].join("\n\n")
}

fn describe_curve(report: &CurveReport) -> String {
    let passes = &report.one_dense_pass;
    let tokens = || passes.iter().map(|pass| format!("{} tokens", pass.tokens));
    let header = ["sparsity", "form", "concepts", "label"].map(String::from).into_iter();
    let mut table = tables::table([""]);
    table.set_header(header.chain(tokens()).chain(["packed, MB".into()]));
    for point in &report.points {
        let shape = match point.masks {
            CurveMasks::Own => ["own masks".into(), String::new()],
            CurveMasks::OwnInSingleWeights => ["as many".into(), "single".into()],
            CurveMasks::ByChance(masks) if masks.sparsity == 0.0 => {
                ["0 %".into(), "all weights".into()]
            }
            CurveMasks::ByChance(masks) => {
                let form = if masks.block_rows == 1 { "single" } else { "blocks" };
                [format!("{:.0} %", 100.0 * masks.sparsity), form.into()]
            }
        };
        let accuracy = |share: fn(Accuracy) -> f64| point.accuracy.map(share).map(tables::percent);
        let accuracies =
            [accuracy(|a| a.concepts), accuracy(|a| a.label)].map(Option::unwrap_or_default);
        let ratios = point.ours_over_ort_one_dense_pass.iter().map(|ratio| format!("{ratio:.2}"));
        let packed = format!("{:.1}", point.packed_bytes as f64 / 1e6);
        table.add_row(shape.into_iter().chain(accuracies).chain(ratios).chain([packed]));
    }
    let pass = |pass: &Encode| format!("{} tokens {}", pass.tokens, time(pass.timing.median_us));
    format!(
        "{} concepts; ours on {}; {}\nOne dense pass, processor time of one thread, medians: {}\n\n\
         Ours / one dense pass:\n{table}",
        report.concepts,
        report.instructions,
        report.onnxruntime,
        passes.iter().map(pass).collect::<Vec<_>>().join(", "),
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn describe_large(report: &LargeReport) -> String {
    let LargeReport { private_before, private_ready, private_after, packed, .. } = *report;
    let mut table = tables::table(["", ""]);
    table.add_row(["ready after".into(), format!("{:.2} s", report.seconds_to_ready)]);
    table.add_row(["memory of its own before".into(), megabytes(private_before)]);
    table.add_row(["ready".into(), megabytes(private_ready)]);
    table.add_row(["after predictions".into(), megabytes(private_after)]);
    table.add_row(["packed weights".into(), megabytes(packed)]);
    let name = format!("prediction, {} tokens, one thread", report.tokens);
    table.add_row([name, time(report.prediction.median_us)]);
    table.to_string()
}

fn describe_memory(rows: &[MemoryRow]) -> String {
    let mut table = tables::table([
        "engine",
        "tokens",
        "file",
        "process before",
        "after predicting",
        "at most",
    ]);
    for row in rows {
        let resident = &row.resident;
        table.add_row([
            row.engine.0.to_string(),
            format!("up to {}", row.tokens),
            megabytes(row.file as u64),
            megabytes(resident.before),
            megabytes(resident.after),
            megabytes(resident.peak),
        ]);
    }
    table.to_string()
}

fn describe_kernel(report: &KernelReport) -> String {
    let mut fits = tables::table([
        "instructions",
        "layout",
        "an entry, ns",
        "a group, ns",
        "error",
        "built in: an entry, ns",
        "a group, ns",
        "error",
    ]);
    for fit in &report.fits {
        let ns = |nanoseconds: f64| format!("{nanoseconds:.2}");
        fits.add_row([
            fit.instructions.to_string(),
            fit.layout.name().to_string(),
            ns(fit.fitted.entry),
            ns(fit.fitted.group),
            tables::percent(fit.fitted_error),
            ns(fit.built_in.entry),
            ns(fit.built_in.group),
            tables::percent(fit.built_in_error),
        ]);
    }
    let mut peaks = tables::table(["instructions", "multiply-adds a second, one core"]);
    for peak in &report.peaks {
        let giga = format!("{:.1} · 10⁹", peak.giga_multiply_adds);
        peaks.add_row([peak.instructions.to_string(), giga]);
    }
    format!("Products for {} tokens:\n{fits}\n\n{peaks}", report.tokens)
}
