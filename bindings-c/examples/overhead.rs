//! What a call through C costs over the same call in Rust: both in turn, in one process, medians.
//! `cargo run --release -p sparsecbm-c --example overhead -- MODEL.onnx [CALLS]`

use std::error::Error;
use std::ffi::CString;
use std::ptr;
use std::time::{Duration, Instant};

use sparsecbm::{EngineChoice, LoadOptions, Model};
use sparsecbm_c::{
    SCBM_ENGINE_TRACT, SCBM_OK, scbm_model_free, scbm_model_load, scbm_predict,
    scbm_prediction_free,
};

const TEXT: &str = "Great food, but we could not hear each other.";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("overhead MODEL.onnx [CALLS]")?;
    let calls = arguments.get(1).map_or(Ok(2000), |calls| calls.parse())?;

    let mut options = LoadOptions::default();
    options.engine = EngineChoice::Tract;
    let model = Model::load(path, &options)?;
    let c_path = CString::new(path.as_str())?;
    let c_options = sparsecbm_c::LoadOptions {
        struct_size: size_of::<sparsecbm_c::LoadOptions>() as u32,
        engine: SCBM_ENGINE_TRACT,
        // SAFETY: numbers and a pointer, for which zero is a value: the default, as in C.
        ..unsafe { std::mem::zeroed() }
    };
    let mut c_model = ptr::null_mut();
    // SAFETY: the pointers are to a string that ends in a zero byte, to options, and to a place for a model.
    let status = unsafe { scbm_model_load(c_path.as_ptr(), &c_options, &mut c_model) };
    if status != SCBM_OK {
        return Err(format!("scbm_model_load: status {status}").into());
    }

    let (mut rust, mut c) = (Vec::new(), Vec::new());
    for _ in 0..calls {
        let start = Instant::now();
        drop(model.predict(TEXT)?);
        rust.push(start.elapsed());

        let start = Instant::now();
        let mut prediction = ptr::null_mut();
        // SAFETY: the model was loaded above, the text is as long as told, and the prediction is freed once.
        let status = unsafe {
            let status = scbm_predict(c_model, TEXT.as_ptr().cast(), TEXT.len(), &mut prediction);
            scbm_prediction_free(prediction);
            status
        };
        c.push(start.elapsed());
        if status != SCBM_OK {
            return Err(format!("scbm_predict: status {status}").into());
        }
    }
    // SAFETY: the model was loaded above and is not used again.
    unsafe { scbm_model_free(c_model) };

    let (rust, c) = (median(rust), median(c));
    let difference = (c.as_secs_f64() - rust.as_secs_f64()) * 1e6;
    println!("{calls} calls: Rust {rust:?}, C {c:?}, difference {difference:+.2} µs");
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
