//! Asks running servers for many predictions at once, and checks that each answer is that of its own text.
//!
//!     cargo run --release --example load -- http://127.0.0.1:8000 --texts reviews.jsonl
//!
//! Servers that are compared (with batching and without) take turns. A request that is refused with status
//! 429 is asked again, so that every request must be answered in the end.

mod texts;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Deserialize;
use serde_json::json;
use ureq::Agent;

/// How far label logits may be from those of the same text alone, which a batch pads otherwise.
const TOLERANCE: f32 = 1e-3;

/// Ask servers for many predictions at once, and check every answer.
#[derive(Parser)]
struct Options {
    /// The servers, such as http://127.0.0.1:8000.
    #[arg(required = true)]
    servers: Vec<String>,
    /// Lines of texts, or of JSON objects.
    #[arg(long, value_name = "FILE")]
    texts: PathBuf,
    /// The field of an object that holds the text.
    #[arg(long, default_value = "text")]
    field: String,
    /// How many different texts of the file are asked about.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    distinct: u32,
    /// Requests to each server.
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Requests to a server at one time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Turns that the requests to a server are divided into.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// A text and the label logits that are the right answer.
struct Known {
    text: String,
    logits: Vec<f32>,
}

/// What a server did.
#[derive(Default)]
struct Tally {
    /// Of each answered request, the last try, in seconds.
    latencies: Vec<f64>,
    /// Requests a second, one entry a round.
    rates: Vec<f64>,
    refused: usize,
    wrong: usize,
    failed: usize,
    /// The first failure.
    reason: Option<String>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every request had its own answer.
fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let texts = read_texts(options)?;
    let known: Vec<Vec<Known>> =
        options.servers.iter().map(|server| ask_alone(server, &texts)).collect::<Result<_, _>>()?;
    let mut tallies: Vec<Tally> = options.servers.iter().map(|_| Tally::default()).collect();
    for round in 0..options.rounds as usize {
        let rounds = options.rounds as usize;
        let count = options.requests * (round + 1) / rounds - options.requests * round / rounds;
        for ((server, known), tally) in options.servers.iter().zip(&known).zip(&mut tallies) {
            ask_at_once(server, known, count, options.connections as usize, tally);
        }
    }
    let mut good = true;
    for ((server, known), tally) in options.servers.iter().zip(&known).zip(&mut tallies) {
        good &= report(server, known, tally, options.requests);
    }
    Ok(good)
}

fn read_texts(options: &Options) -> Result<Vec<String>, Box<dyn Error>> {
    let mut texts = Vec::new();
    for text in texts::read(&options.texts, &options.field)? {
        let text = text?;
        if !texts.contains(&text) {
            texts.push(text);
        }
        if texts.len() == options.distinct as usize {
            break;
        }
    }
    Ok(texts)
}

fn agent() -> Agent {
    let configuration = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        // The servers are this machine's.
        .proxy(None);
    configuration.build().new_agent()
}

/// The label logits of one text; `None` where the server has no room.
fn ask(agent: &Agent, server: &str, text: &str) -> Result<Option<Vec<f32>>, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Answer {
        predictions: [Prediction; 1],
    }
    #[derive(Deserialize)]
    struct Prediction {
        label: Label,
    }
    #[derive(Deserialize)]
    struct Label {
        logits: Vec<f32>,
    }
    let mut response =
        agent.post(format!("{server}/v1/predict")).send_json(json!({ "texts": [text] }))?;
    let body = response.body_mut().read_to_vec()?;
    match response.status().as_u16() {
        200 => {
            let Answer { predictions: [prediction] } = serde_json::from_slice(&body)?;
            Ok(Some(prediction.label.logits))
        }
        429 => Ok(None),
        status => Err(format!("status {status}: {}", String::from_utf8_lossy(&body)).into()),
    }
}

/// The right answers: each text alone. Texts whose answers could be taken for each other's are left out.
fn ask_alone(server: &str, texts: &[String]) -> Result<Vec<Known>, Box<dyn Error>> {
    let agent = agent();
    let mut known: Vec<Known> = Vec::new();
    for text in texts {
        let logits = ask(&agent, server, text).map_err(|e| format!("{server}: {e}"))?;
        let logits = logits.ok_or_else(|| format!("{server}: refuses one request alone"))?;
        if known.iter().all(|other| distance(&other.logits, &logits) > 10.0 * TOLERANCE) {
            known.push(Known { text: text.clone(), logits });
        }
    }
    if known.len() < 2 {
        return Err(format!("{server}: all texts have the same answer").into());
    }
    Ok(known)
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::INFINITY;
    }
    // NaN is no distance: an answer that has one is wrong.
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |most, d| if d <= most { most } else { d })
}

/// Asks `count` times over all connections, each time about a text by lot.
fn ask_at_once(server: &str, known: &[Known], count: usize, connections: usize, all: &mut Tally) {
    let left = AtomicUsize::new(count);
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    let connection = || {
        let (agent, mut tally) = (agent(), Tally::default());
        while take().is_ok() {
            let known = &known[fastrand::usize(..known.len())];
            ask_until_answered(&agent, server, known, &mut tally);
        }
        tally
    };
    let start = Instant::now();
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(connection)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no connection panics")).collect()
    });
    all.rates.push(count as f64 / start.elapsed().as_secs_f64());
    for tally in tallies {
        all.latencies.extend(tally.latencies);
        all.refused += tally.refused;
        all.wrong += tally.wrong;
        all.failed += tally.failed;
        all.reason = all.reason.take().or(tally.reason);
    }
}

fn ask_until_answered(agent: &Agent, server: &str, known: &Known, tally: &mut Tally) {
    loop {
        let start = Instant::now();
        match ask(agent, server, &known.text) {
            Ok(Some(logits)) => {
                tally.latencies.push(start.elapsed().as_secs_f64());
                let right = distance(&logits, &known.logits) <= TOLERANCE;
                tally.wrong += usize::from(!right);
                return;
            }
            Ok(None) => {
                tally.refused += 1;
                thread::sleep(Duration::from_millis(fastrand::u64(5..50)));
            }
            Err(error) => {
                tally.failed += 1;
                tally.reason.get_or_insert_with(|| error.to_string());
                return;
            }
        }
    }
}

/// Prints what a server did; whether it answered everything rightly, and still does.
fn report(server: &str, known: &[Known], tally: &mut Tally, requests: usize) -> bool {
    let answered = tally.latencies.len();
    tally.latencies.sort_by(f64::total_cmp);
    tally.rates.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let index = (share * answered as f64).ceil() as usize;
        tally.latencies.get(index.max(1) - 1).map_or(f64::NAN, |seconds| seconds * 1e3)
    };
    let agent = agent();
    let again = known.iter().filter(|known| {
        let logits = ask(&agent, server, &known.text).ok().flatten();
        logits.is_some_and(|logits| distance(&logits, &known.logits) <= TOLERANCE)
    });
    let again = again.count();
    println!("{server}");
    println!("  {answered} of {requests} requests answered, {} with another's answer", tally.wrong);
    println!("  {} times refused (429) and asked again, {} failed", tally.refused, tally.failed);
    println!("  {:.0} requests/s (median of the turns)", tally.rates[tally.rates.len() / 2]);
    println!("  p50 {:.1} ms, p99 {:.1} ms", quantile(0.5), quantile(0.99));
    println!("  afterwards {again} of {} texts answered at once and rightly", known.len());
    if let Some(reason) = &tally.reason {
        println!("  first failure: {reason}");
    }
    answered == requests && tally.wrong == 0 && tally.failed == 0 && again == known.len()
}
