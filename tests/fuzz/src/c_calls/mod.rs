mod input;
mod look;
mod make;
mod outcome;

use std::ptr::null_mut;
use std::sync::LazyLock;

use prost::Message;
use sparsecbm_c as c;

use self::input::Input;
use crate::graph::tiny;

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| tiny().encode_to_vec());

/// The most calls of one program.
const CALLS: usize = 64;

/// Calls the C library as the bytes say: its functions in any order, on any living objects or NULL, with any numbers
/// and strings. What its contract forbids is left out: objects that were freed, pointers to nothing.
pub fn c_calls(bytes: &[u8]) {
    let mut program = Program { input: Input(bytes), ..Program::default() };
    program.load();
    for _ in 0..CALLS {
        if program.input.0.is_empty() {
            break;
        }
        program.call();
    }
    program.end();
}

/// What is still to be done, and the objects that live.
#[derive(Default)]
struct Program<'a> {
    input: Input<'a>,
    models: Vec<*mut c::Model>,
    predictions: Vec<*mut c::Prediction>,
    explanations: Vec<*mut c::Explanation>,
    subnetworks: Vec<*mut c::Subnetworks>,
}

impl Program<'_> {
    fn call(&mut self) {
        let what = self.input.byte() % 25;
        let model = pick(self.input.number(), &self.models);
        let prediction = pick(self.input.number(), &self.predictions);
        let explanation = pick(self.input.number(), &self.explanations);
        let subnetworks = pick(self.input.number(), &self.subnetworks);
        let input = &mut self.input;
        // SAFETY: what was picked lives or is NULL.
        unsafe {
            match what {
                0 if self.models.len() < 3 => self.load(),
                1 => self.predict_text(model),
                2 => self.predict_tokens(model),
                3 => self.predict_batch(model),
                4..=10 => self.change(what, prediction),
                11 => look::at_outputs(input, prediction),
                12 => look::at_positions(input, prediction),
                13 => look::at_prediction_json(prediction),
                14 if self.explanations.len() < 8 => self.explain(prediction),
                15 => look::at_explanation_json(explanation),
                16 => look::at_concept(input, explanation),
                17 => look::at_lists(input, explanation),
                18 if self.subnetworks.len() < 3 => self.read_subnetworks(),
                19 => look::at_subnetworks(input, subnetworks),
                20..=22 => self.free(what),
                24 => look::at_tokens(input, model),
                _ => look::at_model(input, model),
            }
        }
    }

    fn end(self) {
        // SAFETY: each of these lives, and is not used again. Models go first: predictions may outlive theirs.
        unsafe {
            self.models.into_iter().for_each(|model| c::scbm_model_free(model));
            self.explanations
                .into_iter()
                .for_each(|explanation| c::scbm_explanation_free(explanation));
            self.predictions.into_iter().for_each(|prediction| c::scbm_prediction_free(prediction));
            self.subnetworks
                .into_iter()
                .for_each(|subnetworks| c::scbm_subnetworks_free(subnetworks));
        }
    }
}

/// One of the objects, or NULL.
fn pick<T>(which: usize, objects: &[*mut T]) -> *mut T {
    objects.get(which % (objects.len() + 1)).copied().unwrap_or(null_mut())
}
