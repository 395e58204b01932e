use super::buffer::Buffer;
use super::functions::exp2_of_negative;
use super::tokens::{Panel, TokenPanels, at_width};
use super::vector::Vector;
use super::{InstructionSet, Kernel};

/// Keys, or channels of a value, that are worked on at once.
const BLOCK: usize = 4;

/// The score of a key that a query does not see: so far below any other that after the softmax nothing is left.
const MASK_FILL: f32 = -1e9;

/// Multi-head self-attention: softmax(scale · qᵀk) v, head by head; one whose keys are all alike costs hardly
/// anything.
///
/// The scores of a head lie as `[keys, queries]`, so that lanes are queries and neither the softmax nor
/// the sums over keys run across lanes.
pub(crate) struct Attention<'a> {
    /// Panels of the channels of query, key and value, one below the other.
    pub(crate) read: &'a [f32],
    /// Where each head's channels of the query, and of the key, begin, and at last their number.
    pub(crate) heads: &'a [usize],
    /// The same of value and output.
    pub(crate) value_heads: &'a [usize],
    pub(crate) tokens: TokenPanels,
    /// How many tokens, from the first on, are attended to.
    pub(crate) attended: usize,
    /// Whether a token attends to none that comes after it.
    pub(crate) causal: bool,
    pub(crate) scale: f32,
    /// Panels of the channels of the value.
    pub(crate) output: &'a mut [f32],
    /// Any buffer.
    pub(crate) scratch: &'a mut Buffer,
}

impl Attention<'_> {
    /// Channels of the query, and of the key; and those of the value.
    fn channels(&self) -> (usize, usize) {
        (self.heads[self.heads.len() - 1], self.value_heads[self.value_heads.len() - 1])
    }

    /// # Panics
    /// Where a buffer is too small, or nothing is attended to.
    pub(crate) fn run(self, set: InstructionSet) {
        let count = self.tokens.count();
        let ascending = |bounds: &[usize]| bounds.windows(2).all(|pair| pair[0] <= pair[1]);
        assert_eq!(self.tokens.lanes(), set.lanes(), "tokens of the instruction set");
        assert!((1..=count).contains(&self.attended), "attended tokens");
        assert!(!self.heads.is_empty() && self.heads.len() == self.value_heads.len(), "heads");
        assert!(ascending(self.heads) && ascending(self.value_heads), "heads in order");
        let (channels, values) = self.channels();
        assert!(self.read.len() >= (2 * channels + values) * count, "size of what is read");
        assert!(self.output.len() >= values * count, "size of the output");
        // A panel of scores, its rows rounded up to whole blocks of keys.
        let needed = self.attended.next_multiple_of(BLOCK) * 4 * set.lanes();
        self.scratch.room(needed);
        set.run(self);
    }
}

impl Kernel for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self, known: V::Known) {
        let pairs = self.heads.windows(2).zip(self.value_heads.windows(2));
        for (channels, value_channels) in pairs {
            let channels = (channels[0], channels[1]);
            let values = (value_channels[0], value_channels[1]);
            if channels.0 == channels.1 {
                match self.causal {
                    false => self.mean(values),
                    true => self.running_mean(values),
                }
                continue;
            }
            for queries in self.tokens.panels() {
                // SAFETY: `run` checked that every buffer holds panels of all its channels.
                unsafe {
                    at_width!(queries, WIDTH => self.panel::<V, WIDTH>(known, channels, values, queries));
                }
            }
        }
    }
}

impl Attention<'_> {
    /// How many tokens, from the first on, any of these queries attends to.
    fn seen(&self, queries: Panel) -> usize {
        match self.causal {
            false => self.attended,
            true => self.attended.min(queries.first + queries.tokens()),
        }
    }

    /// Panels of keys, and how many of the tokens of each are among the first `seen`.
    fn keys(&self, seen: usize) -> impl Iterator<Item = (Panel, usize)> + use<> {
        let of_panel =
            move |panel: Panel| (panel, panel.tokens().min(seen.saturating_sub(panel.first)));
        self.tokens.panels().map(of_panel)
    }

    /// A head without channels of the key, to which all keys are alike: for every query the mean of the value.
    #[inline(always)]
    fn mean(&mut self, (first, end): (usize, usize)) {
        let (channels, values) = self.channels();
        let rows = 2 * channels + values;
        for channel in first..end {
            // Several sums, so that none waits for the one before.
            let mut sums = [0.0; 16];
            for (keys, attended) in self.keys(self.attended) {
                let at = keys.first * rows + (2 * channels + channel) * keys.tokens();
                let (whole, rest) = self.read[at..at + attended].as_chunks::<16>();
                for values in whole.iter().map(<[f32; 16]>::as_slice).chain([rest]) {
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += value;
                    }
                }
            }
            let mean = sums.iter().sum::<f32>() / self.attended as f32;
            for queries in self.tokens.panels() {
                let at = queries.first * values + channel * queries.tokens();
                self.output[at..at + queries.tokens()].fill(mean);
            }
        }
    }

    /// The same where a token attends to none that comes after it.
    fn running_mean(&mut self, (first, end): (usize, usize)) {
        let (channels, values) = self.channels();
        let rows = 2 * channels + values;
        for channel in first..end {
            let mut sum = 0.0;
            for panel in self.tokens.panels() {
                let from = panel.first * rows + (2 * channels + channel) * panel.tokens();
                let to = panel.first * values + channel * panel.tokens();
                for token in 0..panel.tokens() {
                    let place = panel.first + token;
                    if place < self.attended {
                        sum += self.read[from + token];
                    }
                    self.output[to + token] = sum / (place + 1).min(self.attended) as f32;
                }
            }
        }
    }

    /// One head for a panel of queries, WIDTH registers.
    ///
    /// # Safety
    /// All buffers must be as large as [`Attention::run`] asks for.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    #[cfg_attr(target_family = "wasm", inline(never))]
    unsafe fn panel<V: Vector, const WIDTH: usize>(
        &mut self,
        known: V::Known,
        (first, end): (usize, usize),
        (first_value, end_value): (usize, usize),
        queries: Panel,
    ) {
        let (channels, values) = self.channels();
        let rows = 2 * channels + values;
        // SAFETY: the caller vouches for the buffers; scores are `[attended, WIDTH registers]`.
        unsafe {
            let width = WIDTH * V::LANES;
            let query = self.read.as_ptr().add(queries.first * rows);
            let scores = self.scratch.as_mut_ptr();
            let mut largest = [V::splat(known, f32::MIN); WIDTH];
            let seen = self.seen(queries);
            // Keys that every query of the panel sees.
            let clear = if self.causal { queries.first.min(seen) } else { seen };
            for (keys, attended) in self.keys(seen) {
                let stride = keys.tokens();
                let all = self.read.as_ptr().add(keys.first * rows + channels * stride);
                // Registers, and so panels, are whole blocks of keys.
                for key in (0..attended).step_by(BLOCK) {
                    let mut sums = [[V::splat(known, 0.0); WIDTH]; BLOCK];
                    for channel in first..end {
                        let from = all.add(channel * stride + key);
                        accumulate(known, &mut sums, query.add(channel * width), |row| {
                            *from.add(row)
                        });
                    }
                    for (row, sums) in sums.iter().enumerate() {
                        store(sums, scores.add((keys.first + key + row) * width));
                        if keys.first + key + row < clear {
                            for (largest, &sum) in largest.iter_mut().zip(sums) {
                                *largest = largest.max(sum);
                            }
                        }
                    }
                }
            }
            for key in clear..seen {
                let row = scores.add(key * width);
                std::slice::from_raw_parts_mut(row, key - clear).fill(MASK_FILL);
                for (register, largest) in largest.iter_mut().enumerate() {
                    *largest = largest.max(V::load(known, row.add(register * V::LANES)));
                }
            }
            // e^(scale · (x − largest)) = 2^(factor · x − factor · largest)
            let factor = V::splat(known, self.scale * std::f32::consts::LOG2_E);
            let mut shift = [V::splat(known, 0.0); WIDTH];
            for (shift, &largest) in shift.iter_mut().zip(&largest) {
                *shift = shift.sub(largest.mul(factor));
            }
            let mut totals = [V::splat(known, 0.0); WIDTH];
            for key in 0..seen {
                let row = scores.add(key * width);
                for (register, total) in totals.iter_mut().enumerate() {
                    let place = row.add(register * V::LANES);
                    let share =
                        exp2_of_negative(V::load(known, place).mul_add(factor, shift[register]));
                    *total = total.add(share);
                    share.store(place);
                }
            }
            let mut inverse = [V::splat(known, 1.0); WIDTH];
            for (inverse, &total) in inverse.iter_mut().zip(&totals) {
                *inverse = inverse.div(total);
            }
            let output = self.output.as_mut_ptr().add(queries.first * values);
            let mut channel = first_value;
            while channel + BLOCK <= end_value {
                self.mix::<V, WIDTH, BLOCK>(known, channel, seen, output, &inverse);
                channel += BLOCK;
            }
            while channel < end_value {
                self.mix::<V, WIDTH, 1>(known, channel, seen, output, &inverse);
                channel += 1;
            }
        }
    }

    /// The sums over the first `seen` keys for HEIGHT channels of the value, into their panel of the output.
    ///
    /// # Safety
    /// As [`panel`](Attention::panel), which has filled the scores.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    #[cfg_attr(target_family = "wasm", inline(never))]
    unsafe fn mix<V: Vector, const WIDTH: usize, const HEIGHT: usize>(
        &mut self,
        known: V::Known,
        channel: usize,
        seen: usize,
        output: *mut f32,
        inverse: &[V; WIDTH],
    ) {
        let (channels, values) = self.channels();
        let rows = 2 * channels + values;
        // SAFETY: the caller vouches for the buffers.
        unsafe {
            let mut sums = [[V::splat(known, 0.0); WIDTH]; HEIGHT];
            for (keys, attended) in self.keys(seen) {
                let stride = keys.tokens();
                let first = keys.first * rows + (2 * channels + channel) * stride;
                let values = self.read.as_ptr().add(first);
                let shares = self.scratch.as_ptr().add(keys.first * WIDTH * V::LANES);
                for key in 0..attended {
                    let shares = shares.add(key * WIDTH * V::LANES);
                    accumulate(known, &mut sums, shares, |row| *values.add(row * stride + key));
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let mut scaled = *sums;
                for (sum, &inverse) in scaled.iter_mut().zip(inverse) {
                    *sum = sum.mul(inverse);
                }
                store(&scaled, output.add((channel + row) * WIDTH * V::LANES));
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
    known: V::Known,
    sums: &mut [[V; WIDTH]; HEIGHT],
    from: *const f32,
    factor: impl Fn(usize) -> f32,
) {
    let mut inputs = [V::splat(known, 0.0); WIDTH];
    for (register, input) in inputs.iter_mut().enumerate() {
        // SAFETY: the caller vouches for it.
        *input = unsafe { V::load(known, from.add(register * V::LANES)) };
    }
    for (row, sums) in sums.iter_mut().enumerate() {
        let factor = V::splat(known, factor(row));
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
