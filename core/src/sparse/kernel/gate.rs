use super::functions::Activation;
use super::tokens::{Panel, TokenPanels, at_width};
use super::vector::Vector;
use super::{InstructionSet, Kernel};

/// Rows that are worked on at once.
const ROWS: usize = 2;

/// activation(a) · b, where a and b are the halves of what is read (Shazeer, *GLU Variants Improve Transformer*, 2020).
pub(crate) struct Gate<'a> {
    pub(crate) activation: Activation,
    /// Rows of a, and of b.
    pub(crate) rows: usize,
    /// Panels of the rows of a and then of b.
    pub(crate) read: &'a [f32],
    /// Panels of as many rows as a has.
    pub(crate) output: &'a mut [f32],
    pub(crate) tokens: TokenPanels,
}

impl Gate<'_> {
    /// # Panics
    /// Where a buffer is too small.
    pub(crate) fn run(self, set: InstructionSet) {
        let size = self.rows * self.tokens.count();
        assert_eq!(self.tokens.lanes(), set.lanes(), "tokens of the instruction set");
        assert!(self.read.len() >= 2 * size, "size of what is read");
        assert!(self.output.len() >= size, "size of the output");
        set.run(self);
    }
}

impl Kernel for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self, known: V::Known) {
        for panel in self.tokens.panels() {
            at_width!(panel, WIDTH => {
                let whole = self.rows - self.rows % ROWS;
                for row in (0..whole).step_by(ROWS) {
                    // SAFETY: `run` checked that the buffers hold panels of all rows.
                    unsafe { self.some::<V, WIDTH, ROWS>(known, panel, row) };
                }
                for row in whole..self.rows {
                    // SAFETY: as above.
                    unsafe { self.some::<V, WIDTH, 1>(known, panel, row) };
                }
            });
        }
    }
}

impl Gate<'_> {
    /// HEIGHT rows from `row` on of a panel of WIDTH registers.
    ///
    /// # Safety
    /// The buffers must hold them.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    #[cfg_attr(target_family = "wasm", inline(never))]
    unsafe fn some<V: Vector, const WIDTH: usize, const HEIGHT: usize>(
        &mut self,
        known: V::Known,
        panel: Panel,
        row: usize,
    ) {
        let own = row * panel.tokens();
        let a = self.read[panel.of(2 * self.rows).start + own..].as_ptr();
        let b = a.wrapping_add(self.rows * panel.tokens());
        let output = self.output[panel.of(self.rows).start + own..].as_mut_ptr();
        let mut sums = [[V::splat(known, 0.0); WIDTH]; HEIGHT];
        for (at, sum) in sums.as_flattened_mut().iter_mut().enumerate() {
            // SAFETY: the caller vouches for these rows of a.
            *sum = unsafe { V::load(known, a.add(at * V::LANES)) };
        }
        self.activation.apply(sums, |sums| {
            for (at, sum) in sums.as_flattened().iter().enumerate() {
                // SAFETY: the caller vouches for these rows of b and of the output.
                unsafe {
                    let gate = V::load(known, b.add(at * V::LANES));
                    sum.mul(gate).store(output.add(at * V::LANES));
                }
            }
        });
    }
}
