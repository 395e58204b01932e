use std::ops::Range;

use super::buffer::Buffer;
use super::functions::exp2_of_negative;
use super::reach::{KeyBlock, Reach};
use super::tokens::{TokenPanels, at_width};
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
/// the sums over keys run across lanes. They are made for one block of keys after the other, and the softmax is kept up
/// on the way: its largest score and its total, by which what was summed before is scaled again (Milakov and
/// Gimelshein, *Online normalizer calculation for softmax*, 2018; Rabe and Staats, *Self-attention Does Not Need O(n²)
/// Memory*, 2021; Dao et al., *FlashAttention*, 2022).
pub(crate) struct Attention<'a> {
    /// For each panel of the text the channels of query, key and value, one below the other.
    pub(crate) read: &'a [&'a [f32]],
    /// Where each head's channels of the query, and of the key, begin, and at last their number.
    pub(crate) heads: &'a [usize],
    /// The same of value and output.
    pub(crate) value_heads: &'a [usize],
    pub(crate) tokens: TokenPanels,
    /// Which panels have the queries.
    pub(crate) queries: Range<usize>,
    /// Tokens of the text, padding included. One that sees nothing, far out in the padding, weighs all of them alike.
    pub(crate) length: usize,
    /// How many tokens, from the first on, may be seen.
    pub(crate) attended: usize,
    pub(crate) reach: Reach,
    pub(crate) scale: f32,
    /// Panels of the queries, with the channels of the value.
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
        assert!(self.length <= count, "tokens of the text");
        assert!((1..=self.length).contains(&self.attended), "attended tokens");
        assert!(!self.heads.is_empty() && self.heads.len() == self.value_heads.len(), "heads");
        assert!(ascending(self.heads) && ascending(self.value_heads), "heads in order");
        let (channels, values) = self.channels();
        assert_eq!(self.read.len(), self.tokens.panel_count(), "panels of what is read");
        for (read, panel) in self.read.iter().zip(self.tokens.panels()) {
            assert_eq!(
                read.len(),
                (2 * channels + values) * panel.tokens(),
                "size of what is read"
            );
        }
        assert!(self.queries.end <= self.tokens.panel_count(), "panels of the queries");
        let own = self.tokens.some(self.queries.clone()).count();
        assert!(self.output.len() >= values * own, "size of the output");
        // The scores of a block of keys for a panel of queries; or a channel's values.
        self.scratch.room(KeyBlock::most_scores(self.tokens).max(count));
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
            match self.reach {
                // To a head without channels of the key all keys are alike.
                Reach::All if channels.0 == channels.1 => {
                    self.mean(values, self.attended, 0);
                }
                Reach::Causal | Reach::Near(_) if channels.0 == channels.1 => {
                    self.running_mean(values);
                }
                _ => {
                    for number in self.queries.clone() {
                        // SAFETY: `run` checked that every buffer holds panels of all its channels.
                        unsafe {
                            at_width!(self.tokens.panel(number), WIDTH => {
                                self.panel::<V, WIDTH>(known, channels, values, number)
                            });
                        }
                    }
                }
            }
            if let Some(first) = self.reach.first_that_sees_nothing(self.attended, self.length) {
                self.mean(values, self.length, first);
            }
        }
    }
}

impl Attention<'_> {
    /// Where the output of the panel with this number begins, which has this many channels of the `values`.
    fn output_of(&self, number: usize, values: usize) -> usize {
        let before = self.tokens.start_of(self.queries.start);
        (self.tokens.start_of(number) - before) * values
    }

    /// For the queries from the token `from` on the mean of a head's value over the first `count` tokens.
    #[inline(always)]
    fn mean(&mut self, (first, end): (usize, usize), count: usize, from: usize) {
        let (channels, values) = self.channels();
        for channel in first..end {
            // Several sums, so that none waits for the one before.
            let mut sums = [0.0; 16];
            for (keys, read) in self.tokens.panels().zip(self.read) {
                let own = keys.tokens().min(count.saturating_sub(keys.first));
                let at = (2 * channels + channel) * keys.tokens();
                let (whole, rest) = read[at..at + own].as_chunks::<16>();
                for values in whole.iter().map(<[f32; 16]>::as_slice).chain([rest]) {
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += value;
                    }
                }
            }
            let mean = sums.iter().sum::<f32>() / count as f32;
            for number in self.queries.clone() {
                let panel = self.tokens.panel(number);
                let at = self.output_of(number, values) + channel * panel.tokens();
                let before = from.saturating_sub(panel.first).min(panel.tokens());
                self.output[at + before..at + panel.tokens()].fill(mean);
            }
        }
    }

    /// A head without channels of the key, to which all keys are alike, where not all queries see the same: for each
    /// the mean of the value over what it sees.
    fn running_mean(&mut self, (first, end): (usize, usize)) {
        let (channels, values) = self.channels();
        for channel in first..end {
            for (panel, read) in self.tokens.panels().zip(self.read) {
                let from = (2 * channels + channel) * panel.tokens();
                self.scratch[panel.first..][..panel.tokens()]
                    .copy_from_slice(&read[from..from + panel.tokens()]);
            }
            // What comes in and goes out again leaves no trace in 64 bits that 32 would show.
            let (mut summed, mut sum) = (0..0, 0.0_f64);
            for number in 0..self.queries.end {
                let panel = self.tokens.panel(number);
                let own = self.queries.contains(&number);
                let to = own.then(|| self.output_of(number, values) + channel * panel.tokens());
                for token in 0..panel.tokens() {
                    let query = panel.first + token;
                    let seen = self.reach.seen(query..query + 1, self.attended);
                    for &value in &self.scratch[summed.end..seen.end.max(summed.end)] {
                        sum += f64::from(value);
                    }
                    for &value in &self.scratch[summed.start..seen.start.max(summed.start)] {
                        sum -= f64::from(value);
                    }
                    if let Some(to) = to {
                        self.output[to + token] = (sum / seen.len().max(1) as f64) as f32;
                    }
                    summed = seen;
                }
            }
        }
    }

    /// One head for the panel of queries with this number, WIDTH registers.
    ///
    /// # Safety
    /// All buffers must be as large as [`Attention::run`] asks for.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    #[cfg_attr(target_family = "wasm", inline(never))]
    unsafe fn panel<V: Vector, const WIDTH: usize>(
        &mut self,
        known: V::Known,
        head: (usize, usize),
        (first_value, end_value): (usize, usize),
        number: usize,
    ) {
        let queries = self.tokens.panel(number);
        let seen = self.reach.seen(queries.first..queries.end(), self.attended);
        let keys = seen.start / BLOCK * BLOCK..seen.end;
        // e^(scale · (x − largest)) = 2^(factor · x − factor · largest)
        let factor = V::splat(known, self.scale * std::f32::consts::LOG2_E);
        let mut largest = [V::splat(known, f32::MIN); WIDTH];
        let mut totals = [V::splat(known, 0.0); WIDTH];
        for block in KeyBlock::all(self.tokens, keys.clone()) {
            // SAFETY: the caller vouches for the buffers; there are scores for a block of keys.
            unsafe {
                let before = largest;
                self.compare::<V, WIDTH>(known, head, number, &block, &mut largest);
                // What was summed up to here was made with another largest score.
                let mut kept = [V::splat(known, 0.0); WIDTH];
                let mut shift = kept;
                for register in 0..WIDTH {
                    shift[register] = shift[register].sub(largest[register].mul(factor));
                    let lower = before[register].mul_add(factor, shift[register]);
                    kept[register] = exp2_of_negative(lower);
                    totals[register] = totals[register].mul(kept[register]);
                }
                let scores = self.scratch.as_mut_ptr();
                for key in 0..block.keys.len() {
                    for (register, total) in totals.iter_mut().enumerate() {
                        let place = scores.add((key * WIDTH + register) * V::LANES);
                        let share = V::load(known, place).mul_add(factor, shift[register]);
                        let share = exp2_of_negative(share);
                        *total = total.add(share);
                        share.store(place);
                    }
                }
                let mut inverse = [V::splat(known, 1.0); WIDTH];
                for (inverse, &total) in inverse.iter_mut().zip(&totals) {
                    *inverse = inverse.div(total);
                }
                let factors = Factors {
                    kept: (block.keys.start > keys.start).then_some(kept),
                    inverse: (block.keys.end == keys.end).then_some(inverse),
                };
                let mut channel = first_value;
                while channel + BLOCK <= end_value {
                    self.mix::<V, WIDTH, BLOCK>(known, channel, number, &block, &factors);
                    channel += BLOCK;
                }
                while channel < end_value {
                    self.mix::<V, WIDTH, 1>(known, channel, number, &block, &factors);
                    channel += 1;
                }
            }
        }
    }

    /// Fills in the scores of a block of keys, and raises the largest ones so far to theirs.
    ///
    /// # Safety
    /// As [`panel`](Attention::panel).
    #[inline(always)]
    unsafe fn compare<V: Vector, const WIDTH: usize>(
        &mut self,
        known: V::Known,
        (first, end): (usize, usize),
        number: usize,
        block: &KeyBlock,
        largest: &mut [V; WIDTH],
    ) {
        let (channels, _) = self.channels();
        let queries = self.tokens.panel(number);
        let width = WIDTH * V::LANES;
        let clear = self.reach.seen_by_each(queries.first..queries.end(), self.attended);
        // SAFETY: the caller vouches for the buffers; there is a row of scores for each key of a block.
        unsafe {
            let query = self.read[number].as_ptr();
            let scores = self.scratch.as_mut_ptr();
            for (number, own) in block.panels() {
                let keys = self.tokens.panel(number);
                let stride = keys.tokens();
                let all = self.read[number].as_ptr().add(channels * stride);
                // Registers, and so panels, are whole blocks of keys.
                for key in own.step_by(BLOCK) {
                    let mut sums = [[V::splat(known, 0.0); WIDTH]; BLOCK];
                    for channel in first..end {
                        let from = all.add(channel * stride + key - keys.first);
                        accumulate(known, &mut sums, query.add(channel * width), |row| {
                            *from.add(row)
                        });
                    }
                    for (row, sums) in sums.iter().enumerate() {
                        store(sums, scores.add((key + row - block.keys.start) * width));
                        if clear.contains(&(key + row)) {
                            for (largest, &sum) in largest.iter_mut().zip(sums) {
                                *largest = largest.max(sum);
                            }
                        }
                    }
                }
            }
            let Range { start, end } = block.keys.clone();
            for key in (start..clear.start.min(end)).chain(clear.end.max(start)..end) {
                let row = scores.add((key - start) * width);
                let by_query = std::slice::from_raw_parts_mut(row, width);
                let (early, late) = self.reach.blind(key, queries.first, width);
                by_query[..early].fill(MASK_FILL);
                by_query[late..].fill(MASK_FILL);
                for (register, largest) in largest.iter_mut().enumerate() {
                    *largest = largest.max(V::load(known, row.add(register * V::LANES)));
                }
            }
        }
    }

    /// The sums over a block of keys for HEIGHT channels of the value, added to those in their panel of the output.
    ///
    /// # Safety
    /// As [`panel`](Attention::panel), which has filled in the scores.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    #[cfg_attr(target_family = "wasm", inline(never))]
    unsafe fn mix<V: Vector, const WIDTH: usize, const HEIGHT: usize>(
        &mut self,
        known: V::Known,
        channel: usize,
        number: usize,
        block: &KeyBlock,
        factors: &Factors<V, WIDTH>,
    ) {
        let (channels, values) = self.channels();
        // SAFETY: the caller vouches for the buffers.
        unsafe {
            let place = self.output_of(number, values) + channel * WIDTH * V::LANES;
            let output = self.output.as_mut_ptr().add(place);
            let mut sums = [[V::splat(known, 0.0); WIDTH]; HEIGHT];
            if let Some(kept) = &factors.kept {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (register, (sum, &kept)) in sums.iter_mut().zip(kept).enumerate() {
                        let before = output.add((row * WIDTH + register) * V::LANES);
                        *sum = V::load(known, before).mul(kept);
                    }
                }
            }
            let scores = self.scratch.as_ptr();
            for (number, own) in block.panels() {
                let keys = self.tokens.panel(number);
                let stride = keys.tokens();
                let values = self.read[number].as_ptr().add((2 * channels + channel) * stride);
                for key in own {
                    let shares = scores.add((key - block.keys.start) * WIDTH * V::LANES);
                    let values = values.add(key - keys.first);
                    accumulate(known, &mut sums, shares, |row| *values.add(row * stride));
                }
            }
            if let Some(inverse) = &factors.inverse {
                for sums in &mut sums {
                    for (sum, &inverse) in sums.iter_mut().zip(inverse) {
                        *sum = sum.mul(inverse);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                store(sums, output.add(row * WIDTH * V::LANES));
            }
        }
    }
}

/// What sums over keys are multiplied by, one factor a query.
struct Factors<V, const WIDTH: usize> {
    /// Those over the blocks before this one, where there are any.
    kept: Option<[V; WIDTH]>,
    /// Those over all blocks, where this is the last.
    inverse: Option<[V; WIDTH]>,
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
