//! Pieces of the kernels' work, to be timed by whoever has a clock: the fit of the cost model, and the
//! processor's peak that the kernels are compared with.

use super::cost::{Layout, PackCount};
use super::half::finite_half;
use super::kernel::{Activation, Buffer, InstructionSet, MultiplyAdds, Product, Tokens};
use super::pack::{Form, Line, assemble};

/// Which weights of a trial are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialShape {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Share of the weights that are kept, each by chance.
    pub density: f64,
    /// Height of the blocks in which they are kept: 1 or 4.
    pub block_rows: usize,
}

/// A product of random 16-bit weights under a random mask, packed in one layout.
pub struct ProductTrial {
    set: InstructionSet,
    product: Product,
    tokens: Tokens,
    input: Buffer,
    output: Buffer,
    scratch: Buffer,
    count: PackCount,
    layout: Layout,
}

impl ProductTrial {
    /// For texts of `tokens` tokens; `random` gives numbers in 0 to 1.
    pub fn new(
        shape: TrialShape,
        layout: Layout,
        set: InstructionSet,
        tokens: usize,
        mut random: impl FnMut() -> f64,
    ) -> ProductTrial {
        let TrialShape { rows, columns, density, block_rows } = shape;
        let mut lines = Vec::with_capacity(rows);
        let mut kept = Vec::new();
        for row in 0..rows {
            if row % block_rows.max(1) == 0 {
                kept = (0..columns).filter(|_| random() < density).collect();
            }
            // Sixteen bits of an ordinary number near 1: what it is does not matter to the time.
            let weight = |channel: usize| (channel, finite_half(0x3800 | (channel as u16 & 0x3ff)));
            lines.push(Line {
                entries: kept.iter().copied().map(weight).collect(),
                bias: 0.0,
                scale: 1.0,
            });
        }
        let count = PackCount::of(&lines, columns);
        let tokens = Tokens::new(tokens, set);
        ProductTrial {
            set,
            product: assemble(&lines, columns, layout, Form::Half),
            tokens,
            input: (0..columns * tokens.count())
                .map(|_| random() as f32)
                .collect::<Vec<_>>()
                .into(),
            output: vec![0.0; rows * tokens.count()].into(),
            scratch: Buffer::default(),
            count,
            layout,
        }
    }

    /// Runs the product once.
    pub fn run(&mut self) {
        let ProductTrial { set, product, tokens, input, output, scratch, .. } = self;
        product.run(*set, Activation::Identity, *tokens, input, output, scratch);
    }

    /// Entries and groups of the packed matrix: what [`Cost`](super::Cost) counts.
    pub fn entries(&self) -> (usize, usize) {
        self.count.entries(self.layout)
    }

    /// What the cost model says of it, in microseconds; for texts of [`TOKENS`](super::TOKENS) tokens.
    pub fn estimate(&self) -> f64 {
        self.count.microseconds(self.layout, self.set)
    }
}

impl InstructionSet {
    /// Does nothing but multiply-adds in registers, and tells how many: with a clock, one core's peak.
    pub fn multiply_adds(self, steps: usize) -> usize {
        MultiplyAdds { steps }.run(self)
    }
}
