use super::tokens::Tokens;
use super::vector::Vector;
use super::{InstructionSet, Kernel};

/// Channels that are summed at once, so that no sum waits for the one before.
const CHAINS: usize = 4;

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
    pub(crate) tokens: Tokens,
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
    fn run<V: Vector>(mut self) {
        for panel in self.tokens.panels() {
            let start = panel.of(self.weight.len()).start;
            for register in 0..panel.width {
                // SAFETY: `run` checked that x and the residual hold panels of all channels.
                unsafe { self.column::<V>(start + register * V::LANES, panel.tokens()) };
            }
        }
    }
}

impl AddNorm<'_> {
    /// One register of tokens: its first channel lies at `at`, the others `stride` floats apart.
    ///
    /// # Safety
    /// The buffers must be as large as [`AddNorm::run`] asks for.
    #[inline(always)]
    unsafe fn column<V: Vector>(&mut self, at: usize, stride: usize) {
        let channels = self.weight.len();
        // SAFETY: the caller vouches for every channel's register from `at` on.
        unsafe {
            let x = self.x.as_mut_ptr().add(at);
            let sums = in_chains(channels, |channel, sum: V| {
                let place = x.add(channel * stride);
                let mut value = V::load(place);
                if let Some(residual) = self.residual {
                    value = value.add(V::load(residual.as_ptr().add(channel * stride + at)));
                    value.store(place);
                }
                sum.add(value)
            });
            let share = V::splat(1.0 / channels as f32);
            let mean = sums.mul(share);
            let squares = in_chains(channels, |channel, sum: V| {
                let distance = V::load(x.add(channel * stride)).sub(mean);
                distance.mul_add(distance, sum)
            });
            let variance = squares.mul_add(share, V::splat(self.epsilon));
            let factor = V::splat(1.0).div(variance.sqrt());
            for channel in 0..channels {
                let place = x.add(channel * stride);
                let normal = V::load(place).sub(mean).mul(factor);
                let (weight, bias) = (self.weight[channel], self.bias[channel]);
                normal.mul_add(V::splat(weight), V::splat(bias)).store(place);
            }
        }
    }
}

/// What `add` makes of 0 and all channels, added up.
#[inline(always)]
fn in_chains<V: Vector>(channels: usize, add: impl Fn(usize, V) -> V) -> V {
    let mut sums = [V::splat(0.0); CHAINS];
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
    sums[0].add(sums[1]).add(sums[2].add(sums[3]))
}
