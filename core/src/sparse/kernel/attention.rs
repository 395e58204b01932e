use super::buffer::Buffer;
use super::functions::exp_of_negative;
use super::product::Tokens;
use super::vector::Vector;
use super::{InstructionSet, Kernel, panels, widest};

/// Keys, or channels of a value, that are worked on at once.
const BLOCK: usize = 4;

/// Multi-head self-attention: softmax(scale · qᵀk) v, head by head.
///
/// The scores of a head lie as `[keys, queries]`, so that lanes are queries and neither the softmax nor
/// the sums over keys run across lanes.
pub(crate) struct Attention<'a> {
    /// `[channels, stride]`
    pub(crate) query: &'a [f32],
    /// `[channels, stride]`
    pub(crate) key: &'a [f32],
    /// `[value channels, stride]`
    pub(crate) value: &'a [f32],
    /// Where each head's channels of query and key begin, and at last their number.
    pub(crate) heads: &'a [usize],
    /// The same of value and output.
    pub(crate) value_heads: &'a [usize],
    pub(crate) tokens: Tokens,
    /// How many tokens, from the first on, are attended to.
    pub(crate) attended: usize,
    pub(crate) scale: f32,
    /// `[value channels, stride]`
    pub(crate) output: &'a mut [f32],
    /// Any buffer.
    pub(crate) scratch: &'a mut Buffer,
}

impl Attention<'_> {
    /// # Panics
    /// Where a buffer is too small, or nothing is attended to.
    pub(crate) fn run(self, set: InstructionSet) {
        let Tokens { vectors, stride } = self.tokens;
        let ascending = |bounds: &[usize]| bounds.windows(2).all(|pair| pair[0] <= pair[1]);
        assert!(vectors * set.lanes() <= stride, "tokens beyond the stride");
        assert!((1..=vectors * set.lanes()).contains(&self.attended), "attended tokens");
        assert!(!self.heads.is_empty() && self.heads.len() == self.value_heads.len(), "heads");
        assert!(ascending(self.heads) && ascending(self.value_heads), "heads in order");
        let channels = self.heads[self.heads.len() - 1];
        let value_channels = self.value_heads[self.value_heads.len() - 1];
        assert!(self.query.len() >= channels * stride, "size of the query");
        assert!(self.key.len() >= channels * stride, "size of the key");
        assert!(self.value.len() >= value_channels * stride, "size of the value");
        assert!(self.output.len() >= value_channels * stride, "size of the output");
        // A panel of scores, its rows rounded up to whole blocks of keys.
        let needed = self.attended.next_multiple_of(BLOCK) * 4 * set.lanes();
        self.scratch.room(needed);
        set.run(self);
    }
}

impl Kernel for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self) {
        let vectors = self.tokens.vectors;
        let pairs = self.heads.windows(2).zip(self.value_heads.windows(2));
        for (channels, value_channels) in pairs {
            let channels = (channels[0], channels[1]);
            let values = (value_channels[0], value_channels[1]);
            for (from, width) in panels(vectors, widest::<V>()) {
                let at = from * V::LANES;
                // SAFETY: `run` checked that every buffer holds all its channels of `stride` floats.
                unsafe {
                    match width {
                        1 => self.panel::<V, 1>(channels, values, at),
                        2 => self.panel::<V, 2>(channels, values, at),
                        3 => self.panel::<V, 3>(channels, values, at),
                        _ => self.panel::<V, 4>(channels, values, at),
                    }
                }
            }
        }
    }
}

impl Attention<'_> {
    /// One head for WIDTH registers of queries from token `at` on.
    ///
    /// # Safety
    /// All buffers must be as large as [`Attention::run`] asks for.
    #[inline(always)]
    unsafe fn panel<V: Vector, const WIDTH: usize>(
        &mut self,
        (first, end): (usize, usize),
        (first_value, end_value): (usize, usize),
        at: usize,
    ) {
        // SAFETY: the caller vouches for the buffers; scores are `[attended, WIDTH registers]`.
        unsafe {
            let stride = self.tokens.stride;
            let width = WIDTH * V::LANES;
            let scores = self.scratch.as_mut_ptr();
            let mut largest = [V::splat(f32::MIN); WIDTH];
            for key in (0..self.attended).step_by(BLOCK) {
                let mut sums = [[V::splat(0.0); WIDTH]; BLOCK];
                for channel in first..end {
                    let query = self.query.as_ptr().add(channel * stride + at);
                    // Keys of the last block beyond the tokens lie within the stride.
                    let keys = self.key.as_ptr().add(channel * stride + key);
                    accumulate(&mut sums, query, |row| *keys.add(row));
                }
                for (row, sums) in sums.iter().enumerate() {
                    store(sums, scores.add((key + row) * width));
                    if key + row < self.attended {
                        for (largest, &sum) in largest.iter_mut().zip(sums) {
                            *largest = largest.max(sum);
                        }
                    }
                }
            }
            let mut totals = [V::splat(0.0); WIDTH];
            for key in 0..self.attended {
                let row = scores.add(key * width);
                for (register, total) in totals.iter_mut().enumerate() {
                    let place = row.add(register * V::LANES);
                    let score = V::load(place).sub(largest[register]);
                    let share = exp_of_negative(score.mul(V::splat(self.scale)));
                    *total = total.add(share);
                    share.store(place);
                }
            }
            let mut inverse = [V::splat(1.0); WIDTH];
            for (inverse, &total) in inverse.iter_mut().zip(&totals) {
                *inverse = inverse.div(total);
            }
            let mut channel = first_value;
            while channel + BLOCK <= end_value {
                self.mix::<V, WIDTH, BLOCK>(channel, at, &inverse);
                channel += BLOCK;
            }
            while channel < end_value {
                self.mix::<V, WIDTH, 1>(channel, at, &inverse);
                channel += 1;
            }
        }
    }

    /// The sums over keys for HEIGHT channels of the value.
    ///
    /// # Safety
    /// As [`panel`](Attention::panel), which has filled the scores.
    #[inline(always)]
    unsafe fn mix<V: Vector, const WIDTH: usize, const HEIGHT: usize>(
        &mut self,
        channel: usize,
        at: usize,
        inverse: &[V; WIDTH],
    ) {
        // SAFETY: the caller vouches for the buffers.
        unsafe {
            let stride = self.tokens.stride;
            let mut sums = [[V::splat(0.0); WIDTH]; HEIGHT];
            let values = self.value.as_ptr().add(channel * stride);
            for key in 0..self.attended {
                let shares = self.scratch.as_ptr().add(key * WIDTH * V::LANES);
                accumulate(&mut sums, shares, |row| *values.add(row * stride + key));
            }
            for (row, sums) in sums.iter().enumerate() {
                let mut scaled = *sums;
                for (sum, &inverse) in scaled.iter_mut().zip(inverse) {
                    *sum = sum.mul(inverse);
                }
                store(&scaled, self.output.as_mut_ptr().add((channel + row) * stride + at));
            }
        }
    }
}

/// sums[row] += factor(row) · WIDTH registers from `from` on.
///
/// # Safety
/// They must lie within one allocation.
#[inline(always)]
unsafe fn accumulate<V: Vector, const WIDTH: usize, const HEIGHT: usize>(
    sums: &mut [[V; WIDTH]; HEIGHT],
    from: *const f32,
    factor: impl Fn(usize) -> f32,
) {
    let mut inputs = [V::splat(0.0); WIDTH];
    for (register, input) in inputs.iter_mut().enumerate() {
        // SAFETY: the caller vouches for it.
        *input = unsafe { V::load(from.add(register * V::LANES)) };
    }
    for (row, sums) in sums.iter_mut().enumerate() {
        let factor = V::splat(factor(row));
        for (sum, &input) in sums.iter_mut().zip(&inputs) {
            *sum = factor.mul_add(input, *sum);
        }
    }
}

/// # Safety
/// `to` must have room for the registers.
#[inline(always)]
unsafe fn store<V: Vector, const WIDTH: usize>(registers: &[V; WIDTH], to: *mut f32) {
    for (register, value) in registers.iter().enumerate() {
        // SAFETY: the caller vouches for it.
        unsafe { value.store(to.add(register * V::LANES)) };
    }
}
