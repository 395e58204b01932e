use super::tokens::{TokenPanels, at_width};
use super::vector::Vector;
use super::{InstructionSet, Kernel};

/// Channels that are summed at once, so that no sum waits for the one before.
const CHAINS: usize = 2;

/// Layer normalization over the channels of each token, in place, after adding a residual.
///
/// y = (x − mean) / √(variance + ε) · weight + bias (Ba, Kiros, Hinton: *Layer Normalization*, 2016).
pub(crate) struct AddNorm<'a> {
    /// Panels of all channels.
    pub(crate) x: &'a mut [f32],
    /// Added to `x` first; as `x`.
    pub(crate) residual: Option<&'a [f32]>,
    /// One a channel.
    pub(crate) weight: &'a [f32],
    /// One a channel.
    pub(crate) bias: &'a [f32],
    pub(crate) epsilon: f32,
    pub(crate) tokens: TokenPanels,
}

impl AddNorm<'_> {
    /// # Panics
    /// Where a buffer is too small.
    pub(crate) fn run(self, set: InstructionSet) {
        let size = self.weight.len() * self.tokens.count();
        assert_eq!(self.weight.len(), self.bias.len(), "channels");
        assert_eq!(self.tokens.lanes(), set.lanes(), "tokens of the instruction set");
        assert!(self.x.len() >= size, "size of the input");
        assert!(self.residual.is_none_or(|residual| residual.len() >= size), "residual");
        set.run(self);
    }
}

impl Kernel for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self, known: V::Known) {
        for panel in self.tokens.panels() {
            let start = panel.of(self.weight.len()).start;
            // SAFETY: `run` checked that x and the residual hold panels of all channels.
            unsafe { at_width!(panel, WIDTH => self.panel::<V, WIDTH>(known, start)) };
        }
    }
}

impl AddNorm<'_> {
    /// One panel of WIDTH registers, which begins at `at`.
    ///
    /// # Safety
    /// The buffers must be as large as [`AddNorm::run`] asks for.
    #[inline(always)]
    unsafe fn panel<V: Vector, const WIDTH: usize>(&mut self, known: V::Known, at: usize) {
        let channels = self.weight.len();
        let zero = [V::splat(known, 0.0); WIDTH];
        // SAFETY: the caller vouches for every channel's registers from `at` on.
        unsafe {
            let x = self.x.as_mut_ptr().add(at);
            let residual = self.residual.map(|residual| residual.as_ptr().add(at));
            let sums = in_chains(known, channels, |channel, mut sums: [V; WIDTH]| {
                for (register, sum) in sums.iter_mut().enumerate() {
                    let offset = (channel * WIDTH + register) * V::LANES;
                    let mut value = V::load(known, x.add(offset));
                    if let Some(residual) = residual {
                        value = value.add(V::load(known, residual.add(offset)));
                        value.store(x.add(offset));
                    }
                    *sum = sum.add(value);
                }
                sums
            });
            let share = V::splat(known, 1.0 / channels as f32);
            let mut mean = zero;
            for (mean, sum) in mean.iter_mut().zip(sums) {
                *mean = sum.mul(share);
            }
            let squares = in_chains(known, channels, |channel, mut sums: [V; WIDTH]| {
                for (register, sum) in sums.iter_mut().enumerate() {
                    let offset = (channel * WIDTH + register) * V::LANES;
                    let distance = V::load(known, x.add(offset)).sub(mean[register]);
                    *sum = distance.mul_add(distance, *sum);
                }
                sums
            });
            let mut factor = zero;
            for (factor, squares) in factor.iter_mut().zip(squares) {
                let variance = squares.mul_add(share, V::splat(known, self.epsilon));
                *factor = V::splat(known, 1.0).div(variance.sqrt());
            }
            for (channel, (&weight, &bias)) in self.weight.iter().zip(self.bias).enumerate() {
                for register in 0..WIDTH {
                    let place = x.add((channel * WIDTH + register) * V::LANES);
                    let normal = V::load(known, place).sub(mean[register]).mul(factor[register]);
                    normal.mul_add(V::splat(known, weight), V::splat(known, bias)).store(place);
                }
            }
        }
    }
}

/// What `add` makes of 0 and all channels, added up.
#[inline(always)]
fn in_chains<V: Vector, const WIDTH: usize>(
    known: V::Known,
    channels: usize,
    add: impl Fn(usize, [V; WIDTH]) -> [V; WIDTH],
) -> [V; WIDTH] {
    let mut sums = [[V::splat(known, 0.0); WIDTH]; CHAINS];
    let whole = channels - channels % CHAINS;
    // As many as there are chains each time, so that these stay in registers.
    for first in (0..whole).step_by(CHAINS) {
        for (chain, sum) in sums.iter_mut().enumerate() {
            *sum = add(first + chain, *sum);
        }
    }
    for channel in whole..channels {
        sums[0] = add(channel, sums[0]);
    }
    let [mut total, others @ ..] = sums;
    for other in others {
        for (sum, other) in total.iter_mut().zip(other) {
            *sum = sum.add(other);
        }
    }
    total
}
