//! The Rust side of `bindings-python/bench.py`, which starts it: for each line of standard input, the microseconds that
//! a call takes. `overhead MODEL.onnx TEXTS.json`; lines: `text`, `override`, or `list COUNT THREADS`.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::num::NonZeroUsize;
use std::time::Instant;

use sparsecbm::Model;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, texts] = &*arguments else {
        return Err("overhead MODEL.onnx TEXTS.json".into());
    };
    let model = Model::load(model, &Default::default())?;
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(texts)?)?;
    let prediction = model.predict(&texts[0])?;
    let concept = &model.schema().concepts[0];
    let (name, class) = (concept.name.as_str(), concept.classes[0].as_str());
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let start;
        let elapsed = match *words {
            ["text"] => {
                start = Instant::now();
                drop(model.predict(&texts[0])?);
                start.elapsed()
            }
            ["override"] => {
                start = Instant::now();
                drop(prediction.suppose([(name, class)])?);
                start.elapsed()
            }
            ["list", count, threads] => {
                let (count, threads): (usize, NonZeroUsize) = (count.parse()?, threads.parse()?);
                start = Instant::now();
                drop(model.predict_list(&texts[..count], Some(threads))?);
                start.elapsed()
            }
            _ => return Err(format!("no such line: {line}").into()),
        };
        println!("{}", 1e6 * elapsed.as_secs_f64());
        stdout().flush()?;
    }
    Ok(())
}
