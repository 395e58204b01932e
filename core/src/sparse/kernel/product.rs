use std::ops::Range;

use super::buffer::{Buffer, LINE};
use super::functions::Activation;
use super::tile::Tile;
use super::tokens::{Panel, TokenPanels, at_width};
use super::vector::{MOST_LANES, Vector};
use super::{InstructionSet, Kernel};

/// Rows that share their column indices.
pub(crate) const BLOCK_ROWS: usize = 4;

/// Values of a chunk: few enough that they stay in the nearest cache, widened, and enough that few loops end where
/// the processor does not expect it.
const CHUNK: usize = 4096;

/// Floats that the second cache holds beside other things. Where the input is larger, each panel of it is brought
/// nearer for as many values as this.
const NEAR: usize = 65536;

/// A matrix, packed for the kernel, and a bias.
///
/// Its rows stand in groups of [`height`](Product::height). A group's entries are columns that at least
/// one of its rows keeps, each with `height` values.
#[derive(Debug)]
pub(crate) struct Product {
    rows: usize,
    columns: usize,
    height: usize,
    /// Where each group's entries begin, and at last their number.
    starts: Vec<u32>,
    indices: Columns,
    values: Values,
    /// One a row of the groups.
    bias: Vec<f32>,
    /// What a row's sums are multiplied by before the bias is added: one a row of the groups, or none at all.
    scales: Vec<f32>,
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
    /// As bits of finite 16-bit floats.
    Half(Vec<u16>),
    /// As whole numbers, times one factor a row.
    Int8(Vec<i8>),
}

impl Values {
    fn count(&self) -> usize {
        match self {
            Values::Single(values) => values.len(),
            Values::Half(values) => values.len(),
            Values::Int8(values) => values.len(),
        }
    }
}

impl Product {
    /// Values beyond the last: the last register of values that are widened may reach beyond them.
    pub(crate) const SPARE: usize = MOST_LANES;

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
        mut bias: Vec<f32>,
        mut scales: Vec<f32>,
    ) -> Product {
        assert!(height == 1 || height == BLOCK_ROWS, "height of a group");
        assert_eq!(entries.len(), bias.len().div_ceil(height), "number of groups");
        assert!(scales.is_empty() || scales.len() == bias.len(), "number of scales");
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
        assert_eq!(values.count(), total * height, "number of values");
        match &mut values {
            Values::Single(_) => {}
            Values::Half(values) => values.resize(values.len() + Product::SPARE, 0),
            Values::Int8(values) => values.resize(values.len() + Product::SPARE, 0),
        }
        let (rows, filled) = (bias.len(), entries.len() * height);
        bias.resize(filled, 0.0);
        if !scales.is_empty() {
            scales.resize(filled, 1.0);
        }
        let longest = entries.iter().copied().max().unwrap_or(0);
        Product { rows, columns, height, starts, indices, values, bias, scales, longest }
    }

    /// Number of rows: outputs.
    pub(crate) fn rows(&self) -> usize {
        self.rows
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
            Values::Int8(values) => values.len(),
        };
        indices + values + 4 * (self.starts.len() + self.bias.len() + self.scales.len())
    }

    /// `output[r] = activation(Σ_c matrix[r, c] · input[c] + bias[r])` for all tokens. `input` is panels of all
    /// columns, `output` is panels of all rows; `scratch` is any buffer.
    ///
    /// # Panics
    /// Where a buffer is too small.
    pub(crate) fn run(
        &self,
        set: InstructionSet,
        activation: Activation,
        tokens: TokenPanels,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut Buffer,
    ) {
        assert_eq!(tokens.lanes(), set.lanes(), "tokens of the instruction set");
        assert!(input.len() >= self.columns * tokens.count(), "size of the input");
        assert!(output.len() >= self.rows() * tokens.count(), "size of the output");
        let most = match self.columns * tokens.count() > NEAR {
            false => CHUNK,
            true => NEAR,
        };
        scratch.room(most.max(self.longest * self.height) + MOST_LANES);
        set.run(Run { product: self, activation, tokens, input, output, scratch, most });
    }
}

struct Run<'a> {
    product: &'a Product,
    activation: Activation,
    tokens: TokenPanels,
    input: &'a [f32],
    output: &'a mut [f32],
    scratch: &'a mut [f32],
    /// Values of a chunk, where a group has no more.
    most: usize,
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self, known: V::Known) {
        match (&self.product.indices, self.product.height) {
            (Columns::All, 1) => self.chunks::<V, 1>(known, |_, entry| entry),
            (Columns::All, _) => self.chunks::<V, BLOCK_ROWS>(known, |_, entry| entry),
            (Columns::Listed(list), height) => {
                // SAFETY: `Tile` asks for entries below the number of indices alone.
                let column =
                    |first: usize, entry| unsafe { *list.get_unchecked(first + entry) as usize };
                match height {
                    1 => self.chunks::<V, 1>(known, column),
                    _ => self.chunks::<V, BLOCK_ROWS>(known, column),
                }
            }
        }
    }
}

impl Run<'_> {
    /// Chunk by chunk of groups, and each chunk for one panel after the other. `column` gives the column of an
    /// entry, from the group's first entry and the entry's number.
    #[inline(always)]
    fn chunks<V: Vector, const HEIGHT: usize>(
        mut self,
        known: V::Known,
        column: impl Fn(usize, usize) -> usize + Copy,
    ) {
        let product = self.product;
        let mut next = 0;
        while next + 1 < product.starts.len() {
            let (group, first) = (next, product.starts[next] as usize);
            let fits = |end: &u32| (*end as usize - first) * HEIGHT <= self.most;
            next += product.starts[group + 1..].partition_point(fits).max(1);
            let (start, count) = (first * HEIGHT, (product.starts[next] as usize - first) * HEIGHT);
            let values = match &product.values {
                Values::Single(values) => values[start..].as_ptr(),
                // SAFETY: both are longer than these values by a register; see `new`, `run`.
                Values::Half(halves) => unsafe {
                    widen::<_, V>(known, &halves[start..], count, self.scratch)
                },
                // SAFETY: as above.
                Values::Int8(bytes) => unsafe {
                    widen::<_, V>(known, &bytes[start..], count, self.scratch)
                },
            };
            let count = count / HEIGHT;
            let chunk = Chunk { groups: group..next, first, end: first + count, values };
            let mut panels = self.tokens.panels().peekable();
            while let Some(panel) = panels.next() {
                // A single row has few sums, so two panels share the reading of its weights.
                let two = HEIGHT == 1 && panels.next_if(|next| next.width == panel.width).is_some();
                at_width!(panel, WIDTH => match two {
                    false => self.groups::<V, HEIGHT, WIDTH, 1>(known, &chunk, panel, column),
                    true => self.groups::<V, HEIGHT, WIDTH, 2>(known, &chunk, panel, column),
                });
            }
        }
    }

    /// The groups of a chunk for `panel` and what follows it, PANELS panels of WIDTH registers.
    #[inline(always)]
    fn groups<V: Vector, const HEIGHT: usize, const WIDTH: usize, const PANELS: usize>(
        &mut self,
        known: V::Known,
        chunk: &Chunk,
        panel: Panel,
        column: impl Fn(usize, usize) -> usize,
    ) {
        let Product { rows, columns, starts, indices, values, bias, scales, .. } = self.product;
        let input = &self.input[panel.of(*columns).start..];
        let output = &mut self.output[panel.of(*rows).start..];
        let (bias, scales) = (bias.as_chunks::<HEIGHT>().0, scales.as_chunks::<HEIGHT>().0);
        for group in chunk.groups.clone() {
            let (first, end) = (starts[group] as usize, starts[group + 1] as usize);
            if panel.first == 0 {
                // As much of the next chunk as this group has.
                let (first, count) = (first + chunk.end - chunk.first, end - first);
                match values {
                    Values::Single(values) => ahead::<V, _>(values, first * HEIGHT, count * HEIGHT),
                    Values::Half(halves) => ahead::<V, _>(halves, first * HEIGHT, count * HEIGHT),
                    Values::Int8(bytes) => ahead::<V, _>(bytes, first * HEIGHT, count * HEIGHT),
                }
                if let Columns::Listed(list) = indices {
                    ahead::<V, _>(list, first, count);
                }
            }
            let tile = Tile {
                values: chunk.values.wrapping_add((first - chunk.first) * HEIGHT),
                count: end - first,
                column: |entry| column(first, entry),
                input: input.as_ptr(),
                bias: &bias[group],
                scales: scales.get(group),
                activation: self.activation,
                output: output[group * HEIGHT * WIDTH * V::LANES..].as_mut_ptr(),
            };
            // SAFETY: `new` checked that columns lie within the matrix, `run` that input and output hold all
            // columns and rows of every panel; those from `panel` on are PANELS of WIDTH registers at least.
            unsafe {
                match HEIGHT {
                    1 => tile.row::<V, WIDTH, PANELS>(
                        known,
                        columns * panel.tokens(),
                        rows * panel.tokens(),
                    ),
                    _ => tile.block::<V, WIDTH>(known, rows - group * HEIGHT),
                }
            }
        }
    }
}

/// Groups whose values lie ready.
struct Chunk {
    groups: Range<usize>,
    /// Its first entry.
    first: usize,
    /// Where its entries end.
    end: usize,
    values: *const f32,
}

/// Asks for `count` numbers of `all` from `first` on, which may lie beyond its end.
#[inline(always)]
fn ahead<V: Vector, T>(all: &[T], first: usize, count: usize) {
    let from = all.as_ptr().wrapping_add(first).cast::<u8>();
    for line in (0..count * size_of::<T>()).step_by(LINE) {
        V::prefetch(from.wrapping_add(line));
    }
}

/// A number narrower than 32 bits.
trait Narrow {
    /// Reads a register of them as 32-bit floats.
    ///
    /// # Safety
    /// They must lie within one allocation.
    unsafe fn load<V: Vector>(known: V::Known, from: *const Self) -> V;
}

impl Narrow for u16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(known: V::Known, from: *const u16) -> V {
        // SAFETY: the caller vouches for the memory.
        unsafe { V::load_half(known, from) }
    }
}

impl Narrow for i8 {
    #[inline(always)]
    unsafe fn load<V: Vector>(known: V::Known, from: *const i8) -> V {
        // SAFETY: the caller vouches for the memory.
        unsafe { V::load_bytes(known, from) }
    }
}

/// Turns narrower numbers into 32-bit floats, and tells where these are.
///
/// # Safety
/// `narrow` and `floats` must hold `count` numbers and a register beyond.
#[inline(always)]
unsafe fn widen<T: Narrow, V: Vector>(
    known: V::Known,
    narrow: &[T],
    count: usize,
    floats: &mut [f32],
) -> *const f32 {
    for at in (0..count).step_by(V::LANES) {
        // SAFETY: the caller vouches for a register from every number below `count`.
        unsafe { T::load::<V>(known, narrow.as_ptr().add(at)).store(floats.as_mut_ptr().add(at)) };
    }
    floats.as_ptr()
}
