use serde::Serialize;
use sparsecbm::Result;
use sparsecbm::sparse::{CostTrials, Fit, InstructionSet, PackLayout, TOKENS};

use super::timing::{Case, Clock, take_turns};

/// Where the random masks begin.
const SEED: u64 = 0;

/// What the kernels' products cost on this processor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelReport {
    /// Tokens of each product.
    pub tokens: usize,
    /// One entry an instruction set and layout.
    pub fits: Vec<Fit>,
    /// Multiply-adds a second, in 10⁹, that one core reaches with nothing else to do.
    pub peaks: Vec<Peak>,
}

/// What one core can do at most.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Peak {
    /// The instructions.
    pub instructions: &'static str,
    /// Multiply-adds a second, in 10⁹.
    pub giga_multiply_adds: f64,
}

/// Times products of many shapes and densities in every layout under every instruction set of this
/// processor, all interleaved, and fits the cost model to the fastest run of each.
///
/// # Errors
/// None: products do not fail.
pub fn bench_kernel(rounds: usize) -> Result<KernelReport> {
    let mut report = KernelReport { tokens: TOKENS, fits: Vec::new(), peaks: Vec::new() };
    for set in InstructionSet::available() {
        for layout in PackLayout::ALL {
            report.fits.push(fit(set, layout, rounds)?);
        }
        let giga_multiply_adds = peak(set, rounds)?;
        report.peaks.push(Peak { instructions: set.name(), giga_multiply_adds });
    }
    Ok(report)
}

/// Multiply-adds a second, in 10⁹, of one core with nothing else to do.
pub(super) fn peak(set: InstructionSet, rounds: usize) -> Result<f64> {
    const STEPS: usize = 20_000;
    let mut count = 0;
    let run = || {
        count = set.multiply_adds(STEPS);
        Ok(())
    };
    let timing = take_turns(&mut [Case { run: Box::new(run), repeats: 1 }], rounds, Clock::Thread)?
        .remove(0);
    Ok(count as f64 / timing.fastest_us / 1e3)
}

fn fit(set: InstructionSet, layout: PackLayout, rounds: usize) -> Result<Fit> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut trials = CostTrials::new(layout, set, || random.f64());
    let mut cases: Vec<Case> = trials
        .trials
        .iter_mut()
        .map(|trial| {
            let run = || {
                trial.run();
                Ok(())
            };
            Case { run: Box::new(run), repeats: 2 }
        })
        .collect();
    let timings = take_turns(&mut cases, rounds, Clock::Thread)?;
    drop(cases);
    let times: Vec<f64> = timings.iter().map(|timing| 1000.0 * timing.fastest_us).collect();
    Ok(trials.fit(&times))
}
