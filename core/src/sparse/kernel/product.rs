use super::buffer::Buffer;
use super::functions::Activation;
use super::vector::{MOST_LANES, Vector};
use super::{InstructionSet, Kernel, panels, widest};

/// Rows that share their column indices.
pub(crate) const BLOCK_ROWS: usize = 4;

/// A matrix, packed for the kernel, and a bias.
///
/// Its rows stand in groups of [`height`](Product::height). A group's entries are columns that at least
/// one of its rows keeps, each with `height` values.
#[derive(Debug)]
pub(crate) struct Product {
    columns: usize,
    height: usize,
    /// Where each group's entries begin, and at last their number.
    starts: Vec<u32>,
    indices: Columns,
    values: Values,
    /// One a row; its length is the number of rows.
    bias: Vec<f32>,
    /// Most entries of a group.
    longest: usize,
}

/// Which column each entry of a [`Product`] belongs to.
#[derive(Debug)]
pub(crate) enum Columns {
    /// Every group has every column.
    All,
    /// One index an entry, group by group.
    Listed(Vec<u16>),
}

/// The values of a [`Product`], entry by entry.
#[derive(Debug)]
pub(crate) enum Values {
    /// As they are used.
    Single(Vec<f32>),
    /// As bits of finite 16-bit floats, turned into 32-bit ones row by row when used.
    Half(Vec<u16>),
}

impl Product {
    /// `entries`: how many entries each group has; see the fields for the rest. `height` is 1 or
    /// [`BLOCK_ROWS`]; the last group may have fewer rows, its missing ones hold zeros.
    ///
    /// # Panics
    /// Where the parts contradict each other.
    pub(crate) fn new(
        columns: usize,
        height: usize,
        entries: &[usize],
        indices: Columns,
        mut values: Values,
        bias: Vec<f32>,
    ) -> Product {
        assert!(height == 1 || height == BLOCK_ROWS, "height of a group");
        assert_eq!(entries.len(), bias.len().div_ceil(height), "number of groups");
        let mut starts = vec![0_u32];
        for &count in entries {
            let end = starts[starts.len() - 1] as usize + count;
            starts.push(u32::try_from(end).expect("a matrix has fewer than 2³² entries"));
        }
        let total = starts[entries.len()] as usize;
        match &indices {
            Columns::All => assert!(entries.iter().all(|&count| count == columns), "full groups"),
            Columns::Listed(list) => {
                assert_eq!(list.len(), total, "number of indices");
                assert!(list.iter().all(|&index| (index as usize) < columns), "indices");
            }
        }
        match &mut values {
            Values::Single(values) => assert_eq!(values.len(), total * height, "number of values"),
            Values::Half(values) => {
                assert_eq!(values.len(), total * height, "number of values");
                // The last register of values may reach beyond them.
                values.resize(values.len() + MOST_LANES, 0);
            }
        }
        let longest = entries.iter().copied().max().unwrap_or(0);
        Product { columns, height, starts, indices, values, bias, longest }
    }

    /// Number of rows: outputs.
    pub(crate) fn rows(&self) -> usize {
        self.bias.len()
    }

    /// Bytes that the packed matrix takes.
    pub(crate) fn bytes(&self) -> usize {
        let indices = match &self.indices {
            Columns::All => 0,
            Columns::Listed(list) => 2 * list.len(),
        };
        let values = match &self.values {
            Values::Single(values) => 4 * values.len(),
            Values::Half(values) => 2 * values.len(),
        };
        indices + values + 4 * (self.starts.len() + self.bias.len())
    }

    /// `output[r] = activation(Σ_c matrix[r, c] · input[c] + bias[r])` for the first `vectors` registers
    /// of tokens. `input` is `[columns, stride]`, `output` is `[rows, stride]`; `scratch` is any buffer.
    ///
    /// # Panics
    /// Where a buffer is too small.
    pub(crate) fn run(
        &self,
        set: InstructionSet,
        activation: Activation,
        tokens: Tokens,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut Buffer,
    ) {
        assert!(tokens.vectors * set.lanes() <= tokens.stride, "tokens beyond the stride");
        assert!(input.len() >= self.columns * tokens.stride, "size of the input");
        assert!(output.len() >= self.rows() * tokens.stride, "size of the output");
        let needed = self.longest * self.height + MOST_LANES;
        scratch.room(needed);
        set.run(Run { product: self, activation, tokens, input, output, scratch });
    }
}

/// How many tokens there are, and how far apart channels lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens {
    /// Registers of tokens.
    pub(crate) vectors: usize,
    /// Floats from one channel to the next.
    pub(crate) stride: usize,
}

struct Run<'a> {
    product: &'a Product,
    activation: Activation,
    tokens: Tokens,
    input: &'a [f32],
    output: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        match (&self.product.indices, self.product.height) {
            (Columns::All, 1) => self.groups::<V, 1>(|_, entry| entry),
            (Columns::All, _) => self.groups::<V, BLOCK_ROWS>(|_, entry| entry),
            (Columns::Listed(list), height) => {
                // SAFETY: `groups` asks for entries below the number of indices alone.
                let column =
                    |first: usize, entry| unsafe { *list.get_unchecked(first + entry) as usize };
                match height {
                    1 => self.groups::<V, 1>(column),
                    _ => self.groups::<V, BLOCK_ROWS>(column),
                }
            }
        }
    }
}

impl Run<'_> {
    /// `column` gives the column of an entry, from the group's first entry and the entry's number.
    #[inline(always)]
    fn groups<V: Vector, const HEIGHT: usize>(self, column: impl Fn(usize, usize) -> usize + Copy) {
        let Run { product, activation, tokens, input, output, scratch } = self;
        for (group, bounds) in product.starts.windows(2).enumerate() {
            let (first, count) = (bounds[0] as usize, (bounds[1] - bounds[0]) as usize);
            let values = match &product.values {
                Values::Single(values) => values[first * HEIGHT..].as_ptr(),
                Values::Half(halves) => {
                    // SAFETY: both are longer than the group's values by a register; see `new`, `run`.
                    unsafe {
                        widen::<V>(&halves[first * HEIGHT..], count * HEIGHT, scratch);
                    }
                    scratch.as_ptr()
                }
            };
            let rows = group * HEIGHT..product.rows().min((group + 1) * HEIGHT);
            let bias = &product.bias[rows.clone()];
            for (from, width) in panels(tokens.vectors, widest::<V>()) {
                let tile = Tile {
                    values,
                    count,
                    column: |entry| column(first, entry),
                    input: input[from * V::LANES..].as_ptr(),
                    stride: tokens.stride,
                    bias,
                    activation,
                    output: output[rows.start * tokens.stride + from * V::LANES..].as_mut_ptr(),
                };
                // SAFETY: `new` checked that columns lie within the matrix, `run` that input and output
                // hold all columns and rows of `stride` floats, of which the panel is a part.
                unsafe {
                    match width {
                        1 => tile.run::<V, HEIGHT, 1>(),
                        2 => tile.run::<V, HEIGHT, 2>(),
                        3 => tile.run::<V, HEIGHT, 3>(),
                        _ => tile.run::<V, HEIGHT, 4>(),
                    }
                }
            }
        }
    }
}

/// Turns 16-bit floats into 32-bit ones.
///
/// # Safety
/// `halves` and `floats` must hold `count` numbers and a register beyond.
#[inline(always)]
unsafe fn widen<V: Vector>(halves: &[u16], count: usize, floats: &mut [f32]) {
    for at in (0..count).step_by(V::LANES) {
        // SAFETY: the caller vouches for a register from every number below `count`.
        unsafe { V::load_half(halves.as_ptr().add(at)).store(floats.as_mut_ptr().add(at)) };
    }
}

/// One group of rows for one panel of tokens.
struct Tile<'a, C> {
    values: *const f32,
    count: usize,
    column: C,
    input: *const f32,
    stride: usize,
    /// Of the rows that there are: HEIGHT at most.
    bias: &'a [f32],
    activation: Activation,
    output: *mut f32,
}

impl<C: Fn(usize) -> usize> Tile<'_, C> {
    /// # Safety
    /// `values` must hold `count` · HEIGHT floats; `input` and `output` must hold WIDTH registers from
    /// each column that `column` gives, and from each row that `bias` has.
    #[inline(always)]
    unsafe fn run<V: Vector, const HEIGHT: usize, const WIDTH: usize>(self) {
        // One row has too few sums to keep the processor busy: two chains then.
        let mut sums = [[V::splat(0.0); WIDTH]; HEIGHT];
        let mut entry = 0;
        if HEIGHT == 1 {
            let mut others = sums;
            while entry + 1 < self.count {
                // SAFETY: both are below `count`; the caller vouches for the rest.
                unsafe {
                    self.step(entry, &mut sums);
                    self.step(entry + 1, &mut others);
                }
                entry += 2;
            }
            for (sum, other) in sums[0].iter_mut().zip(&others[0]) {
                *sum = sum.add(*other);
            }
        }
        while entry < self.count {
            // SAFETY: below `count`; the caller vouches for the rest.
            unsafe { self.step(entry, &mut sums) };
            entry += 1;
        }
        for (row, &bias) in self.bias.iter().enumerate() {
            for (at, &sum) in sums[row].iter().enumerate() {
                let result = self.activation.apply(sum.add(V::splat(bias)));
                // SAFETY: a row and a register of the output, for which the caller vouches.
                unsafe { result.store(self.output.add(row * self.stride + at * V::LANES)) };
            }
        }
    }

    /// Adds one entry to the sums of all rows.
    ///
    /// # Safety
    /// `entry` must be below `count`, and as [`run`](Tile::run).
    #[inline(always)]
    unsafe fn step<V: Vector, const HEIGHT: usize, const WIDTH: usize>(
        &self,
        entry: usize,
        sums: &mut [[V; WIDTH]; HEIGHT],
    ) {
        // SAFETY: the caller vouches for the entry's column and values.
        unsafe {
            let from = self.input.add((self.column)(entry) * self.stride);
            let mut inputs = [V::splat(0.0); WIDTH];
            for (at, input) in inputs.iter_mut().enumerate() {
                *input = V::load(from.add(at * V::LANES));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = V::splat(*self.values.add(entry * HEIGHT + row));
                for (sum, &input) in sums.iter_mut().zip(&inputs) {
                    *sum = weight.mul_add(input, *sum);
                }
            }
        }
    }
}
