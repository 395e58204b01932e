//! How many requests a second the server answers, and how soon, beside bare predictions on the same cores.
//!
//!     cargo run --release --example throughput -- model.onnx --texts reviews.jsonl
//!
//! Of each engine that is there it counts predictions a second without any server, one text at a time on one thread per
//! core, and then requests of one text each from many connections, on the same texts. All are interleaved, and medians
//! of the turns are told. The program that asks runs on the same cores as the server: its share of their time is told
//! too.
//!
//! Where other programs use the cores, they get more of them the fewer threads ask for one, so that rates are no fair
//! comparison: the processor's time of a request, asking included, beside that of a bare prediction is.

mod texts;

use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use cpu_time::{ProcessTime, ThreadTime};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::json;
use sparsecbm::{ErrorKind, Model};
use sparsecbm_server::{Options, Service};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};

type Failure = Box<dyn Error + Send + Sync>;

/// Requests a second and how long each takes, beside bare predictions on the same cores.
#[derive(Parser)]
struct Arguments {
    /// The exported model.
    model: String,
    /// Lines of texts, or of JSON objects.
    #[arg(long, value_name = "FILE")]
    texts: PathBuf,
    /// The field of an object that holds the text.
    #[arg(long, default_value = "text")]
    field: String,
    /// The engines; those that are not there are left out.
    #[arg(long, value_delimiter = ',', default_value = "sparse,ort-cpu")]
    engines: Vec<String>,
    /// Requests at one time.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    connections: Vec<NonZeroUsize>,
    /// The most tokens of a text of the short ones.
    #[arg(long, default_value_t = 32)]
    short: usize,
    /// Of the mixed texts, one in N is as long as the model reads; the others are short.
    #[arg(long, default_value = "8")]
    one_long_in: NonZeroUsize,
    /// How long each turn takes.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Turns of each.
    #[arg(long, default_value = "3")]
    rounds: NonZeroUsize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Options of the server, after `--`.
    #[arg(last = true)]
    server: Vec<String>,
}

/// Texts that are asked about.
struct Workload {
    name: &'static str,
    texts: Vec<String>,
}

/// An engine, bare and behind a server.
struct Subject {
    engine: String,
    /// On one thread a run.
    bare: Model,
    address: SocketAddr,
    /// The server runs on it.
    _runtime: Runtime,
}

/// What one engine did with one workload.
#[derive(Serialize)]
struct Row {
    engine: String,
    texts: &'static str,
    /// Predictions a second without a server, one text at a time on one thread per core.
    bare_per_second: f64,
    /// The processor's time of each.
    bare_processor_ms: f64,
    by_connections: Vec<Cell>,
}

/// The same from N connections.
#[derive(Serialize)]
struct Cell {
    connections: usize,
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Requests a second over bare predictions a second.
    of_bare: f64,
    /// The processor's time of a request: server, model and asking.
    processor_ms: f64,
    /// That of a bare prediction over that of a request.
    processor_of_bare: f64,
    /// The part of a request's that is asking.
    asking: f64,
}

/// One turn.
struct Turn {
    rate: f64,
    /// The processor's seconds of each prediction or request.
    processor: f64,
    asking: f64,
    /// Seconds of each request.
    latencies: Vec<f64>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cores = thread::available_parallelism()?.get();
    let mut subjects = Vec::new();
    for engine in &arguments.engines {
        match subject(arguments, engine) {
            Ok(subject) => subjects.push(subject),
            Err(error) if is_unavailable(&*error) => eprintln!("without {engine}: {error}"),
            Err(error) => return Err(error),
        }
    }
    let Some(subject) = subjects.first() else { return Err("none of the engines is there".into()) };
    let workloads = workloads(arguments, &subject.bare)?;
    let mut rows = Vec::new();
    for workload in &workloads {
        for subject in &subjects {
            rows.push(measure(arguments, subject, workload, cores)?);
        }
    }
    match arguments.json {
        true => {
            println!("{}", serde_json::to_string_pretty(&json!({ "cores": cores, "rows": rows }))?)
        }
        false => show(&rows, cores),
    }
    Ok(())
}

fn is_unavailable(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<sparsecbm::Error>().is_some_and(|e| e.kind() == ErrorKind::Unavailable)
}

/// The engine, loaded twice: on one thread a run, and as the server loads it.
fn subject(arguments: &Arguments, engine: &str) -> Result<Subject, Failure> {
    let own = ["throughput", &arguments.model, "--engine", engine];
    let given = arguments.server.iter().map(String::as_str);
    let options = Options::try_parse_from(own.into_iter().chain(given))?;
    let mut bare = options.loading();
    bare.sparse.threads = Some(NonZeroUsize::MIN);
    bare.ort.threads = Some(NonZeroUsize::MIN);
    let bare = Model::load(&arguments.model, &bare)?;
    let limits = options.limits();
    let runtime = Runtime::new()?;
    let (listener, router) = runtime.block_on(async {
        let Service { router, .. } = sparsecbm_server::load(options).map_err(|e| e.to_string())?;
        Ok::<_, Failure>((TcpListener::bind("127.0.0.1:0").await?, router))
    })?;
    let address = listener.local_addr()?;
    runtime.spawn(sparsecbm_server::serve(listener, router, limits, std::future::pending()));
    Ok(Subject { engine: engine.into(), bare, address, _runtime: runtime })
}

/// Short texts, and the same with long ones between them.
fn workloads(arguments: &Arguments, model: &Model) -> Result<[Workload; 2], Failure> {
    let place = arguments.texts.display();
    let all = texts::read(&arguments.texts, &arguments.field)?.collect::<Result<Vec<_>, _>>()?;
    let mut short = Vec::new();
    for text in &all {
        if model.tokenize(text)?.tokens.len() <= arguments.short {
            short.push(text.clone());
        }
    }
    if short.is_empty() {
        let most = arguments.short;
        return Err(format!("{place}: no text of at most {most} tokens").into());
    }
    // Any text is cut to what the model reads, and this many together have more than that.
    let long = all.iter().cycle().take(all.len().max(model.schema().max_length));
    let long = long.map(String::as_str).collect::<Vec<_>>().join(" ");
    let mixed = short.iter().enumerate().map(|(index, text)| match index % arguments.one_long_in {
        0 => long.chars().take(16 * model.schema().max_length).collect(),
        _ => text.clone(),
    });
    let mixed = mixed.collect();
    Ok([Workload { name: "short", texts: short }, Workload { name: "mixed", texts: mixed }])
}

fn measure(
    arguments: &Arguments,
    subject: &Subject,
    workload: &Workload,
    cores: usize,
) -> Result<Row, Failure> {
    let time = Duration::from_secs_f64(arguments.seconds);
    let mut bare = Vec::new();
    let mut turns: Vec<Vec<Turn>> = arguments.connections.iter().map(|_| Vec::new()).collect();
    for _ in 0..arguments.rounds.get() {
        bare.push(predict_alone(&subject.bare, &workload.texts, cores, time)?);
        for (&connections, turns) in arguments.connections.iter().zip(&mut turns) {
            turns.push(ask(subject.address, &workload.texts, connections.get(), time)?);
        }
    }
    let of = |turns: &[Turn], number: fn(&Turn) -> f64| median(turns.iter().map(number).collect());
    let bare_per_second = of(&bare, |turn| turn.rate);
    let bare_processor = of(&bare, |turn| turn.processor);
    let cell = |(connections, turns): (&NonZeroUsize, Vec<Turn>)| {
        let rate = of(&turns, |turn| turn.rate);
        let processor = of(&turns, |turn| turn.processor);
        let asking = of(&turns, |turn| turn.asking);
        let mut latencies: Vec<f64> = turns.into_iter().flat_map(|turn| turn.latencies).collect();
        latencies.sort_by(f64::total_cmp);
        let rank = |share: f64| (share * latencies.len() as f64).ceil() as usize;
        let quantile = |share| 1e3 * latencies[rank(share).max(1) - 1];
        Cell {
            connections: connections.get(),
            requests_per_second: rate,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            of_bare: rate / bare_per_second,
            processor_ms: 1e3 * processor,
            processor_of_bare: bare_processor / processor,
            asking: asking / processor,
        }
    };
    let by_connections = arguments.connections.iter().zip(turns).map(cell).collect();
    Ok(Row {
        engine: subject.engine.clone(),
        texts: workload.name,
        bare_per_second,
        bare_processor_ms: 1e3 * bare_processor,
        by_connections,
    })
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Predictions on N threads.
fn predict_alone(
    model: &Model,
    texts: &[String],
    threads: usize,
    time: Duration,
) -> Result<Turn, Failure> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || -> sparsecbm::Result<usize> {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            model.predict(&texts[next.fetch_add(1, Ordering::Relaxed) % texts.len()])?;
            count += 1;
        }
        Ok(count)
    };
    let (start, processor) = (Instant::now(), ProcessTime::now());
    let counts: Vec<sparsecbm::Result<usize>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("no prediction panics")).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let mut sum = 0;
    for count in counts {
        sum += count?;
    }
    let processor = processor.elapsed().as_secs_f64() / sum as f64;
    Ok(Turn { rate: sum as f64 / seconds, processor, asking: 0.0, latencies: Vec::new() })
}

/// Asks on one thread from N connections, each one request after the other.
fn ask(
    address: SocketAddr,
    texts: &[String],
    connections: usize,
    time: Duration,
) -> Result<Turn, Failure> {
    let bodies: Vec<Bytes> =
        texts.iter().map(|text| json!({ "texts": [text] }).to_string().into()).collect();
    let asking = move || -> Result<Turn, Failure> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (start, all, own) = (Instant::now(), ProcessTime::now(), ThreadTime::now());
        let latencies = runtime.block_on(async move {
            let bodies = Arc::new(Bodies { all: bodies, next: AtomicUsize::new(0) });
            let connect = |_| ask_one_by_one(address, bodies.clone(), start + time);
            let tasks: Vec<_> = (0..connections).map(connect).map(tokio::spawn).collect();
            let mut latencies = Vec::new();
            for task in tasks {
                latencies.extend(task.await??);
            }
            Ok::<Vec<f64>, Failure>(latencies)
        })?;
        let count = latencies.len() as f64;
        Ok(Turn {
            rate: count / start.elapsed().as_secs_f64(),
            processor: all.elapsed().as_secs_f64() / count,
            asking: own.elapsed().as_secs_f64() / count,
            latencies,
        })
    };
    thread::spawn(asking).join().expect("nothing in it panics")
}

/// What all connections ask, in turn.
struct Bodies {
    all: Vec<Bytes>,
    next: AtomicUsize,
}

/// Asks over one connection until `end`; the seconds of each request.
async fn ask_one_by_one(
    address: SocketAddr,
    bodies: Arc<Bodies>,
    end: Instant,
) -> Result<Vec<f64>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let next = bodies.next.fetch_add(1, Ordering::Relaxed);
        let body = Full::new(bodies.all[next % bodies.all.len()].clone());
        let request = Request::post("/v1/predict").header("host", "server").body(body)?;
        let start = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if status != 200 {
            return Err(format!("status {status}: {}", String::from_utf8_lossy(&answer)).into());
        }
        latencies.push(start.elapsed().as_secs_f64());
    }
    Ok(latencies)
}

fn show(rows: &[Row], cores: usize) {
    println!(
        "Rates beside bare predictions on {cores} cores; processor time in ms, asking included.\n"
    );
    println!(
        "| engine | texts | connections | requests/s | p50, ms | p99, ms | bare/s | processor | bare | bare over it \
         | asking |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for Row { engine, texts, bare_per_second, bare_processor_ms, by_connections } in rows {
        for cell in by_connections {
            println!(
                "| {engine} | {texts} | {} | {:.0} | {:.2} | {:.2} | {bare_per_second:.0} | {:.2} \
                 | {bare_processor_ms:.2} | {:.0} % | {:.0} % |",
                cell.connections,
                cell.requests_per_second,
                cell.p50_ms,
                cell.p99_ms,
                cell.processor_ms,
                100.0 * cell.processor_of_bare,
                100.0 * cell.asking,
            );
        }
    }
}
