use super::functions::Activation;
use super::vector::Vector;

/// One group of rows for the tokens of a panel or two: what registers hold at once.
pub(super) struct Tile<'a, C, const HEIGHT: usize> {
    /// HEIGHT an entry.
    pub(super) values: *const f32,
    /// Entries.
    pub(super) count: usize,
    /// The column of an entry.
    pub(super) column: C,
    /// The first panel.
    pub(super) input: *const f32,
    pub(super) bias: &'a [f32; HEIGHT],
    /// Where there are none, 1.
    pub(super) scales: Option<&'a [f32; HEIGHT]>,
    pub(super) activation: Activation,
    /// The group's first row in the first panel.
    pub(super) output: *mut f32,
}

impl<C: Fn(usize) -> usize, const HEIGHT: usize> Tile<'_, C, HEIGHT> {
    /// All rows for one panel; of the last group only `rows` are stored.
    ///
    /// # Safety
    /// `values` must hold `count` · HEIGHT floats; `input` and `output` must hold WIDTH registers from
    /// each column that `column` gives, and from each of `rows` rows.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    // Browsers keep the sums of a small function in registers, but not those of one that holds all kinds of tiles.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(super) unsafe fn block<V: Vector, const WIDTH: usize>(self, known: V::Known, rows: usize) {
        let mut sums = [[V::splat(known, 0.0); WIDTH]; HEIGHT];
        let mut entry = 0;
        while entry + 1 < self.count {
            // SAFETY: both are below `count`; the caller vouches for the rest.
            unsafe {
                self.entry(known, entry, &mut sums);
                self.entry(known, entry + 1, &mut sums);
            }
            entry += 2;
        }
        if entry < self.count {
            // SAFETY: below `count`; the caller vouches for the rest.
            unsafe { self.entry(known, entry, &mut sums) };
        }
        // All rows, so that the sums stay in registers; those that there are get stored.
        let scales = self.scales.unwrap_or(&[1.0; HEIGHT]);
        for (sums, (&scale, &bias)) in sums.iter_mut().zip(scales.iter().zip(self.bias)) {
            for sum in sums {
                *sum = sum.mul_add(V::splat(known, scale), V::splat(known, bias));
            }
        }
        self.activation.apply(sums, |sums| {
            for (row, sums) in sums.iter().enumerate() {
                if row < rows {
                    for (at, sum) in sums.iter().enumerate() {
                        // SAFETY: a row and a register of the output, for which the caller vouches.
                        unsafe { sum.store(self.output.add((row * WIDTH + at) * V::LANES)) };
                    }
                }
            }
        });
    }

    /// Adds one entry to the sums of all rows.
    ///
    /// # Safety
    /// `entry` must be below `count`, and as [`block`](Tile::block).
    #[inline(always)]
    unsafe fn entry<V: Vector, const WIDTH: usize>(
        &self,
        known: V::Known,
        entry: usize,
        sums: &mut [[V; WIDTH]; HEIGHT],
    ) {
        // SAFETY: the caller vouches for the entry's column and values.
        unsafe {
            let from = self.input.add((self.column)(entry) * WIDTH * V::LANES);
            let mut inputs = [V::splat(known, 0.0); WIDTH];
            for (at, input) in inputs.iter_mut().enumerate() {
                *input = V::load(known, from.add(at * V::LANES));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = V::splat(known, *self.values.add(entry * HEIGHT + row));
                for (sum, &input) in sums.iter_mut().zip(&inputs) {
                    *sum = weight.mul_add(input, *sum);
                }
            }
        }
    }

    /// A single row for PANELS panels, `next_input` floats from one to the next and `next_output` in the output.
    ///
    /// # Safety
    /// As [`block`](Tile::block), in each panel; HEIGHT must be 1.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(super) unsafe fn row<V: Vector, const WIDTH: usize, const PANELS: usize>(
        self,
        known: V::Known,
        next_input: usize,
        next_output: usize,
    ) {
        let mut sums = [[V::splat(known, 0.0); WIDTH]; PANELS];
        // Too few to keep the processor busy: two chains of them.
        let mut others = sums;
        let mut entry = 0;
        while entry + 1 < self.count {
            // SAFETY: both are below `count`; the caller vouches for the rest.
            unsafe {
                self.entry_of_row(known, entry, next_input, &mut sums);
                self.entry_of_row(known, entry + 1, next_input, &mut others);
            }
            entry += 2;
        }
        if entry < self.count {
            // SAFETY: below `count`; the caller vouches for the rest.
            unsafe { self.entry_of_row(known, entry, next_input, &mut sums) };
        }
        let scale = V::splat(known, self.scales.map_or(1.0, |scales| scales[0]));
        let bias = V::splat(known, self.bias[0]);
        for (sums, others) in sums.iter_mut().zip(&others) {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = sum.add(*other).mul_add(scale, bias);
            }
        }
        self.activation.apply(sums, |sums| {
            for (panel, sums) in sums.iter().enumerate() {
                for (at, sum) in sums.iter().enumerate() {
                    // SAFETY: a panel and a register of the output, for which the caller vouches.
                    unsafe { sum.store(self.output.add(panel * next_output + at * V::LANES)) };
                }
            }
        });
    }

    /// Adds one entry of a single row to its sums in all panels.
    ///
    /// # Safety
    /// `entry` must be below `count`, and as [`row`](Tile::row).
    #[inline(always)]
    unsafe fn entry_of_row<V: Vector, const WIDTH: usize, const PANELS: usize>(
        &self,
        known: V::Known,
        entry: usize,
        next_input: usize,
        sums: &mut [[V; WIDTH]; PANELS],
    ) {
        // SAFETY: the caller vouches for the entry's column and value.
        unsafe {
            let from = self.input.add((self.column)(entry) * WIDTH * V::LANES);
            let weight = V::splat(known, *self.values.add(entry));
            for (panel, sums) in sums.iter_mut().enumerate() {
                for (at, sum) in sums.iter_mut().enumerate() {
                    let input = V::load(known, from.add(panel * next_input + at * V::LANES));
                    *sum = weight.mul_add(input, *sum);
                }
            }
        }
    }
}
