//! What a call through C costs over the same call in Rust: both in turn, in one process; medians of the calls and
//! of the differences between two calls side by side.
//! `cargo run --release -p sparsecbm-bench --example c_overhead -- MODEL.onnx [CALLS]`

use std::error::Error;
use std::ffi::CString;
use std::ptr;
use std::time::Instant;

use sparsecbm::{EngineChoice, LoadOptions, Model};
use sparsecbm_c::{
    SCBM_ENGINE_TRACT, SCBM_OK, scbm_model_free, scbm_model_load, scbm_predict,
    scbm_prediction_free,
};

/// Short: what C adds does not depend on the text, what is to be seen beside it does.
const TEXT: &str = "good";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("c_overhead MODEL.onnx [CALLS]")?;
    let calls = arguments.get(1).map_or(Ok(2000), |calls| calls.parse())?;

    let options = LoadOptions::default().with_engine(EngineChoice::Tract);
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

    let call_rust = || -> Result<f64, Box<dyn Error>> {
        let start = Instant::now();
        drop(model.predict(TEXT)?);
        Ok(microseconds(start))
    };
    let call_c = || -> Result<f64, Box<dyn Error>> {
        let start = Instant::now();
        let mut prediction = ptr::null_mut();
        // SAFETY: the model was loaded above, the text is as long as told, and the prediction is freed once.
        let status = unsafe {
            let status = scbm_predict(c_model, TEXT.as_ptr().cast(), TEXT.len(), &mut prediction);
            scbm_prediction_free(prediction);
            status
        };
        let time = microseconds(start);
        if status == SCBM_OK { Ok(time) } else { Err(format!("scbm_predict: {status}").into()) }
    };
    let (mut rust, mut c, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    for call in 0..calls {
        // Each is the first of every other pair.
        let (in_rust, in_c) = if call % 2 == 0 {
            let in_rust = call_rust()?;
            (in_rust, call_c()?)
        } else {
            let in_c = call_c()?;
            (call_rust()?, in_c)
        };
        rust.push(in_rust);
        c.push(in_c);
        differences.push(in_c - in_rust);
    }
    // SAFETY: the model was loaded above and is not used again.
    unsafe { scbm_model_free(c_model) };

    let (rust, c, difference) = (median(rust), median(c), median(differences));
    println!("{calls} calls: Rust {rust:.1} µs, C {c:.1} µs, difference {difference:+.2} µs");
    Ok(())
}

fn microseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
