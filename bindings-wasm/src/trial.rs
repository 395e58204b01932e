//! The kernels' products, to be timed by JavaScript's clock: what `bench-kernel.mjs` fits the cost model to.

use js_sys::Math;
use sparsecbm::sparse::{CostTrials, InstructionSet, PackLayout};
use wasm_bindgen::prelude::*;

use crate::report::report;

/// Products of many shapes and densities in one layout.
#[wasm_bindgen]
pub struct RawTrials(CostTrials);

#[wasm_bindgen]
impl RawTrials {
    /// Of each layout.
    pub fn all() -> Vec<RawTrials> {
        let trials =
            |layout| RawTrials(CostTrials::new(layout, InstructionSet::best(), Math::random));
        PackLayout::ALL.map(trials).into()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.trials.len()
    }

    /// Runs one of them once.
    pub fn run(&mut self, trial: usize) {
        self.0.trials[trial].run();
    }

    /// The fit to what each took, in nanoseconds a run.
    pub fn fit(&self, nanoseconds: &[f64]) -> Result<JsValue, JsValue> {
        report(&self.0.fit(nanoseconds))
    }
}
