//! What a prediction costs over a bare run of the same file and token ids in ONNX Runtime, one thread each:
//!
//!     cargo run --release -p sparsecbm-bench --example ort_overhead -- model.onnx [--ort-library PATH]
//!
//! A process has one environment of ONNX Runtime, so each side is a process of its own; they take turns call
//! by call.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use clap::Parser;
use ort::session::Session;
use ort::value::TensorRef;
use sparsecbm::{EngineChoice, LoadOptions, Model};
use sparsecbm_bench::bench::Timing;

/// What is predicted from, as often as it takes to fill the positions.
const TEXT: &str = "The food was great, but it was so loud that we could not hear each other. ";
/// Calls of each side that are not counted.
const WARM_UP: usize = 20;

/// Compare predictions with bare runs of ONNX Runtime.
#[derive(Parser)]
struct Options {
    /// The exported model.
    model: PathBuf,
    /// ONNX Runtime's library, or the folder that holds it; else it is looked for.
    #[arg(long)]
    ort_library: Option<PathBuf>,
    /// Positions, special tokens included.
    #[arg(long, default_value_t = 32)]
    tokens: usize,
    /// Calls of each side.
    #[arg(long, default_value_t = 500)]
    rounds: usize,
    /// Be one side: run once for each line on standard input, and print the microseconds.
    #[arg(long, hide = true)]
    side: Option<Kind>,
    /// The library's file, for the bare side.
    #[arg(long, hide = true)]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Ours,
    Bare,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    match options.side {
        Some(Kind::Ours) => ours(&options),
        Some(Kind::Bare) => bare(&options),
        None => compare(&options),
    }
}

fn load(options: &Options) -> sparsecbm::Result<Model> {
    let mut loading = LoadOptions::default();
    loading.engine = EngineChoice::OrtCpu;
    loading.ort.library = options.ort_library.clone();
    loading.ort.threads = NonZeroUsize::new(1);
    Model::load(&options.model, &loading)
}

/// Token ids of as many positions as are asked for, the last special as it is in a text.
fn token_ids(model: &Model, count: usize) -> Result<Vec<u32>, Box<dyn Error>> {
    let all = model.tokenize(&TEXT.repeat(count))?.tokens;
    let last = all.last().map(|token| token.id).ok_or("no tokens")?;
    if count < 2 || count > all.len() {
        return Err(format!("--tokens: found {count}, expected 2 to {}", all.len()).into());
    }
    Ok(all[..count - 1].iter().map(|token| token.id).chain([last]).collect())
}

/// Our side: from token ids to a prediction. Says first what the other side needs.
fn ours(options: &Options) -> Result<(), Box<dyn Error>> {
    let model = load(options)?;
    let ids = token_ids(&model, options.tokens)?;
    println!("{}", model.device().library.as_deref().ok_or("no library")?);
    println!(
        "{}",
        serde_json::to_string(&(
            &ids,
            model.schema().concept_count(),
            model.schema().class_count()
        ))?
    );
    answer_turns(|| {
        model.predict_tokens(&ids)?;
        Ok(())
    })
}

/// The other side: the whole file in one session, its outputs looked at where they are.
fn bare(options: &Options) -> Result<(), Box<dyn Error>> {
    let library = options.file.as_deref().ok_or("no --file")?;
    let environment = ort::init_from(library)?.with_telemetry(false).build()?;
    let mut builder = Session::builder(&environment)?.with_intra_threads(1)?;
    let mut session = builder.commit_from_file(&options.model)?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let (ids, concepts, classes): (Vec<i64>, usize, usize) = serde_json::from_str(&line)?;
    let mask = vec![1i64; ids.len()];
    let (override_, held) = (vec![0f32; concepts * classes], vec![0f32; concepts]);
    answer_turns(|| {
        let outputs = session.run(ort::inputs! {
            "input_ids" => TensorRef::from_array_view(([1, ids.len()], &*ids))?,
            "attention_mask" => TensorRef::from_array_view(([1, ids.len()], &*mask))?,
            "concept_override" => TensorRef::from_array_view(([1, concepts, classes], &*override_))?,
            "concept_override_mask" => TensorRef::from_array_view(([1, concepts], &*held))?,
        })?;
        for name in ["concept_logits", "concept_values", "label_logits", "token_evidence"] {
            let output = outputs.get(name).ok_or("an output is missing")?;
            output.try_extract_tensor::<f32>()?;
        }
        Ok(())
    })
}

fn answer_turns(
    mut call: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for line in std::io::stdin().lines() {
        line?;
        let start = Instant::now();
        call()?;
        println!("{}", start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(())
}

/// One side, as a process.
struct Side {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Side {
    fn start(options: &Options, side: &str, file: Option<&Path>) -> Result<Side, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(&options.model).args(["--side", side, "--tokens", &options.tokens.to_string()]);
        if let Some(library) = &options.ort_library {
            command.arg("--ort-library").arg(library);
        }
        if let Some(file) = file {
            command.arg("--file").arg(file);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = BufReader::new(process.stdout.take().ok_or("no pipe")?);
        Ok(Side { process, said })
    }

    fn tell(&mut self, line: &str) -> Result<(), Box<dyn Error>> {
        Ok(writeln!(self.process.stdin.as_mut().ok_or("no pipe")?, "{line}")?)
    }

    fn hear(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        if line.is_empty() {
            return Err("a side ended early".into());
        }
        Ok(line.trim_end().into())
    }

    fn turn(&mut self) -> Result<f64, Box<dyn Error>> {
        self.tell("")?;
        Ok(self.hear()?.parse()?)
    }
}

fn compare(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut ours = Side::start(options, "ours", None)?;
    let (library, inputs) = (ours.hear()?, ours.hear()?);
    let mut bare = Side::start(options, "bare", Some(Path::new(&library)))?;
    bare.tell(&inputs)?;
    let (mut of_ours, mut of_bare) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + options.rounds.max(1) {
        // Neither side always goes first.
        let (mine, other) = if round % 2 == 0 {
            let mine = ours.turn()?;
            (mine, bare.turn()?)
        } else {
            let other = bare.turn()?;
            (ours.turn()?, other)
        };
        if round >= WARM_UP {
            of_ours.push(mine);
            of_bare.push(other);
        }
    }
    // The median of the ratios of neighbours: both met the same moment of a busy machine.
    let mut ratios: Vec<f64> = of_ours.iter().zip(&of_bare).map(|(a, b)| a / b).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let (ours, bare) = (Timing::new(of_ours), Timing::new(of_bare));
    println!("{} tokens, one thread, {} calls of each interleaved", options.tokens, ours.runs);
    println!("prediction: median {:.0} µs", ours.median_us);
    println!("bare run:   median {:.0} µs", bare.median_us);
    println!(
        "overhead: {:+.1} % (medians), {:+.1} % (median of the ratios of neighbours)",
        100.0 * (ours.median_us / bare.median_us - 1.0),
        100.0 * (ratio - 1.0)
    );
    Ok(())
}
