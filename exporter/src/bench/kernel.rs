use serde::Serialize;
use sparsecbm::Result;
use sparsecbm::sparse::{Cost, InstructionSet, Layout, ProductTrial, TOKENS, TrialShape};

use super::timing::{Case, Clock, take_turns};

/// Rows and columns of the products: those of small BERTs.
const SHAPES: [(usize, usize); 4] = [(384, 384), (1152, 384), (1536, 384), (384, 1536)];
const DENSITIES: [f64; 6] = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7];
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

/// The cost model of one layout under one instruction set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    /// The instructions.
    pub instructions: &'static str,
    /// The layout.
    pub layout: Layout,
    /// How many products it is fitted to.
    pub products: usize,
    /// Fitted here and now.
    pub fitted: Cost,
    /// Mean relative error of what was fitted.
    pub fitted_error: f64,
    /// What models are packed by.
    pub built_in: Cost,
    /// Mean relative error of that here.
    pub built_in_error: f64,
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
/// processor, all in turns, and fits the cost model to the fastest run of each.
///
/// # Errors
/// None: products do not fail.
pub fn bench_kernel(rounds: usize) -> Result<KernelReport> {
    let mut report = KernelReport { tokens: TOKENS, fits: Vec::new(), peaks: Vec::new() };
    for set in InstructionSet::available() {
        for layout in Layout::ALL {
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

fn fit(set: InstructionSet, layout: Layout, rounds: usize) -> Result<Fit> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let block_rows = if layout == Layout::Blocks { 4 } else { 1 };
    let densities = if layout == Layout::Dense { &DENSITIES[2..3] } else { &DENSITIES[..] };
    let mut trials = Vec::new();
    for (rows, columns) in SHAPES {
        for &density in densities {
            let shape = TrialShape { rows, columns, density, block_rows };
            trials.push(ProductTrial::new(shape, layout, set, TOKENS, || random.f64()));
        }
    }
    let what: Vec<((usize, usize), f64)> =
        trials.iter().map(|trial| (trial.entries(), trial.estimate())).collect();
    let mut cases: Vec<Case> = trials
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
    let times: Vec<f64> = timings.iter().map(|timing| 1000.0 * timing.fastest_us).collect();
    let counts: Vec<(f64, f64)> =
        what.iter().map(|((entries, groups), _)| (*entries as f64, *groups as f64)).collect();
    let fitted = least_squares(&counts, &times);
    let error = |estimates: &mut dyn Iterator<Item = f64>| {
        let errors = estimates.zip(&times).map(|(estimate, time)| (estimate / time - 1.0).abs());
        errors.sum::<f64>() / times.len() as f64
    };
    let by_fit =
        counts.iter().map(|(entries, groups)| fitted.entry * entries + fitted.group * groups);
    Ok(Fit {
        instructions: set.name(),
        layout,
        products: times.len(),
        fitted,
        fitted_error: error(&mut by_fit.into_iter()),
        built_in: set.cost(layout),
        built_in_error: error(&mut what.iter().map(|(_, estimate)| 1000.0 * estimate)),
    })
}

/// The costs of an entry and of a group, none below 0, whose estimates have the smallest sum of squared
/// relative errors.
fn least_squares(counts: &[(f64, f64)], times: &[f64]) -> Cost {
    // Rows of the system, each divided by its time: x · entry + y · group = 1.
    let rows: Vec<(f64, f64)> =
        counts.iter().zip(times).map(|((entries, groups), t)| (entries / t, groups / t)).collect();
    let sum = |term: fn(&(f64, f64)) -> f64| rows.iter().map(term).sum::<f64>();
    let (xx, xy, yy) = (sum(|r| r.0 * r.0), sum(|r| r.0 * r.1), sum(|r| r.1 * r.1));
    let (x, y) = (sum(|r| r.0), sum(|r| r.1));
    let determinant = xx * yy - xy * xy;
    let (entry, group) = ((x * yy - y * xy) / determinant, (y * xx - x * xy) / determinant);
    match (entry, group) {
        (entry, group) if entry >= 0.0 && group >= 0.0 => Cost { entry, group },
        (entry, _) if entry >= 0.0 => Cost { entry: x / xx, group: 0.0 },
        _ => Cost { entry: 0.0, group: y / yy },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_finds_the_costs_that_made_the_times() {
        let counts = [(100.0, 3.0), (1000.0, 10.0), (50.0, 40.0)];
        let times = counts.map(|(entries, groups)| 2.0 * entries + 30.0 * groups);
        let cost = least_squares(&counts, &times);
        assert!((cost.entry - 2.0).abs() < 1e-9 && (cost.group - 30.0).abs() < 1e-9, "{cost:?}");
        // No cost is negative.
        let times = counts.map(|(entries, groups)| 2.0 * entries - 1.0 * groups);
        assert_eq!(least_squares(&counts, &times).group, 0.0);
    }
}
