//! Pieces of the kernels' work, to be timed by whoever has a clock: the fit of the cost model, and the
//! processor's peak that the kernels are compared with.

use serde::Serialize;

use super::cost::{Cost, PackCount, PackLayout, TOKENS};
use super::kept::Looks;
use super::kernel::{
    Activation, BLOCK_ROWS, Buffer, InstructionSet, MultiplyAdds, Product, TokenPanels,
};
use super::masked::{Masked, Weights};
use super::pack::{Channels, Part, assemble, counted};
use crate::masks::Mask;

/// Which weights of a trial are kept.
struct TrialShape {
    rows: usize,
    columns: usize,
    /// Share of the weights that are kept, each at random.
    density: f64,
    /// Height of the blocks in which they are kept: 1 or 4.
    block_rows: usize,
}

/// A product of random 16-bit weights under a random mask, packed in one layout.
pub struct ProductTrial {
    set: InstructionSet,
    product: Product,
    tokens: TokenPanels,
    input: Buffer,
    output: Buffer,
    scratch: Buffer,
    count: PackCount,
}

impl ProductTrial {
    /// For texts of `tokens` tokens; `random` gives numbers in 0 to 1.
    fn new(
        shape: TrialShape,
        layout: PackLayout,
        set: InstructionSet,
        tokens: usize,
        mut random: impl FnMut() -> f64,
    ) -> ProductTrial {
        let TrialShape { rows, columns, density, block_rows } = shape;
        // Sixteen bits of an ordinary number near 1: what it is does not matter to the time.
        let bits = |channel: usize| 0x3800 | (channel as u16 & 0x3ff);
        let row: Vec<u8> = (0..columns).flat_map(|channel| bits(channel).to_le_bytes()).collect();
        let height = block_rows.max(1);
        let kept: Vec<bool> = (0..rows / height * columns).map(|_| random() < density).collect();
        let mask = Mask::new("trial", rows, columns, height, Mask::pack(&kept, columns));
        let weights = Weights::Half(row.repeat(rows).into());
        let weight = Masked { rows, columns, weights, mask };
        let (all, bias) = ((0..rows).collect::<Vec<_>>(), vec![0.0; rows]);
        let looks = Looks::default();
        let part = [Part { kept: looks.kept(&weight), rows: &all, bias: &bias }];
        let channels = Channels::all(columns);
        let count = counted(&part, &channels);
        let tokens = TokenPanels::new(tokens, set);
        ProductTrial {
            set,
            product: assemble(&part, &channels, count, layout),
            tokens,
            input: (0..columns * tokens.count())
                .map(|_| random() as f32)
                .collect::<Vec<_>>()
                .into(),
            output: vec![0.0; rows * tokens.count()].into(),
            scratch: Buffer::default(),
            count,
        }
    }

    /// Runs the product once.
    pub fn run(&mut self) {
        let ProductTrial { set, product, tokens, input, output, scratch, .. } = self;
        product.run(*set, Activation::Identity, *tokens, input, output, scratch);
    }
}

/// Rows and columns of the products that costs are fitted to: those of small BERTs.
const SHAPES: [(usize, usize); 4] = [(384, 384), (1152, 384), (1536, 384), (384, 1536)];
const DENSITIES: [f64; 6] = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7];

/// Products of many shapes and densities in one layout: what a [`Cost`] is fitted to.
pub struct CostTrials {
    set: InstructionSet,
    layout: PackLayout,
    /// Each to be timed.
    pub trials: Vec<ProductTrial>,
}

/// The cost model of one layout under one instruction set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    /// The instructions.
    pub instructions: &'static str,
    /// The layout.
    pub layout: PackLayout,
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

impl CostTrials {
    /// `random` gives numbers in 0 to 1.
    pub fn new(
        layout: PackLayout,
        set: InstructionSet,
        mut random: impl FnMut() -> f64,
    ) -> CostTrials {
        let block_rows = if layout == PackLayout::Blocks { BLOCK_ROWS } else { 1 };
        let densities = if layout == PackLayout::Dense { &DENSITIES[2..3] } else { &DENSITIES[..] };
        let mut trials = Vec::new();
        for (rows, columns) in SHAPES {
            for &density in densities {
                let shape = TrialShape { rows, columns, density, block_rows };
                trials.push(ProductTrial::new(shape, layout, set, TOKENS, &mut random));
            }
        }
        CostTrials { set, layout, trials }
    }

    /// The costs with which the model says best what each trial took, in nanoseconds a run.
    ///
    /// # Panics
    /// Where there is not one time for each trial.
    pub fn fit(&self, nanoseconds: &[f64]) -> Fit {
        assert_eq!(nanoseconds.len(), self.trials.len(), "one time for each trial");
        let counts: Vec<(f64, f64)> = self
            .trials
            .iter()
            .map(|trial| trial.count.entries(self.layout))
            .map(|(entries, groups)| (entries as f64, groups as f64))
            .collect();
        let fitted = least_squares(&counts, nanoseconds);
        let built_in = self.set.cost(self.layout);
        let error = |cost: Cost| {
            let estimates = counts.iter().map(|(e, g)| cost.entry * e + cost.group * g);
            let errors = estimates.zip(nanoseconds).map(|(found, time)| (found / time - 1.0).abs());
            errors.sum::<f64>() / nanoseconds.len() as f64
        };
        Fit {
            instructions: self.set.name(),
            layout: self.layout,
            products: counts.len(),
            fitted,
            fitted_error: error(fitted),
            built_in,
            built_in_error: error(built_in),
        }
    }
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

impl InstructionSet {
    /// Does nothing but multiply-adds in registers, and tells how many: with a clock, one core's peak.
    pub fn multiply_adds(self, steps: usize) -> usize {
        MultiplyAdds { steps }.run(self)
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
