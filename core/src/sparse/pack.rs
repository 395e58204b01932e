//! From a masked weight to what the kernel reads.

use super::cost::{PackCount, PackLayout};
use super::kept::{Kept, bits, count};
use super::kernel::{BLOCK_ROWS, Columns, InstructionSet, Product, Values};
use super::masked::{Masked, Weights};
use super::plan::PlannedProduct;

/// Which rows of a masked weight are wanted, and what is added to its product.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) kept: Kept<'a>,
    /// The rows wanted, in order.
    pub(super) rows: &'a [usize],
    /// One for each of the weight's rows.
    pub(super) bias: &'a [f32],
}

/// Which of a weight's columns the input has.
pub(super) struct Channels {
    /// A bit a column.
    present: Vec<u64>,
    /// For each column that is there, which channel of the input it is.
    numbers: Vec<u16>,
    /// How many there are.
    pub(super) count: usize,
}

impl Channels {
    /// All of this many.
    pub(super) fn all(columns: usize) -> Channels {
        Channels::of(columns, 0..columns)
    }

    /// Those of this many that are `present`, ascending.
    pub(super) fn of(columns: usize, present: impl IntoIterator<Item = usize>) -> Channels {
        let mut channels = Channels {
            present: vec![0; columns.div_ceil(64)],
            numbers: vec![0; columns],
            count: 0,
        };
        for column in present {
            channels.present[column / 64] |= 1 << (column % 64);
            channels.numbers[column] = channels.count as u16;
            channels.count += 1;
        }
        channels
    }

    /// The columns among `words` that are not there.
    pub(super) fn absent(&self, words: &[u64]) -> Vec<u64> {
        words.iter().zip(&self.present).map(|(word, present)| word & !present).collect()
    }
}

/// How packed weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Single,
    /// They came from 16-bit floats.
    Half,
    /// They came from whole numbers of 8 bits, times one factor a row.
    Int8,
}

/// What parts, one below the other, hold of the channels that are there.
pub(super) fn counted(parts: &[Part], channels: &Channels) -> PackCount {
    let mut groups = Groups::new(parts, channels, BLOCK_ROWS);
    let mut counts =
        PackCount { rows: groups.rows.len(), channels: channels.count, weights: 0, blocks: 0 };
    while let Some(group) = groups.next() {
        counts.weights += count(group.words);
        counts.blocks += count(group.union);
    }
    counts
}

/// Parts, one below the other, as one matrix in the layout that costs least.
pub(super) fn pack(
    name: &str,
    parts: &[Part],
    channels: &Channels,
    set: InstructionSet,
) -> (Product, PlannedProduct) {
    let count = counted(parts, channels);
    let layout = count.cheapest(set);
    let product = assemble(parts, channels, count, layout);
    let planned = PlannedProduct {
        name: name.into(),
        layout,
        rows: count.rows,
        columns: channels.count,
        weights: count.weights,
        multiplied: count.entries(layout).0 * layout.height(),
        bytes: product.bytes(),
        microseconds: count.microseconds(layout, set),
        dense_microseconds: count.microseconds(PackLayout::Dense, set),
    };
    (product, planned)
}

impl Masked {
    fn form(&self) -> Form {
        match self.weights {
            Weights::Single(_) => Form::Single,
            Weights::Half(_) => Form::Half,
            Weights::Int8 { .. } => Form::Int8,
        }
    }

    /// What the weights of a row are whole multiples of; 1 where they are not.
    fn scale(&self, row: usize) -> f32 {
        match &self.weights {
            Weights::Single(_) | Weights::Half(_) => 1.0,
            Weights::Int8 { scales, .. } => scales[row],
        }
    }
}

/// Rows of parts, `height` at a time, as bits of the columns that are there.
struct Groups<'a> {
    rows: Vec<(Kept<'a>, usize)>,
    channels: &'a Channels,
    height: usize,
    next: usize,
    words: Vec<u64>,
    union: Vec<u64>,
}

/// Some rows.
struct Group<'g, 'a> {
    rows: &'g [(Kept<'a>, usize)],
    /// Their bits, one row after the other.
    words: &'g [u64],
    /// The columns that one of them keeps.
    union: &'g [u64],
}

impl<'a> Groups<'a> {
    fn new(parts: &[Part<'a>], channels: &'a Channels, height: usize) -> Groups<'a> {
        let rows = parts.iter().flat_map(|part| part.rows.iter().map(|&row| (part.kept, row)));
        let width = channels.present.len();
        Groups {
            rows: rows.collect(),
            channels,
            height,
            next: 0,
            words: vec![0; width * height],
            union: vec![0; width],
        }
    }

    fn next(&mut self) -> Option<Group<'_, 'a>> {
        let width = self.union.len();
        let rows = self.rows.get(self.next..)?.chunks(self.height).next()?;
        self.next += rows.len();
        self.union.fill(0);
        let words = &mut self.words[..width * rows.len()];
        for (&(kept, row), words) in rows.iter().zip(words.chunks_mut(width.max(1))) {
            kept.row(row, words);
            let both = words.iter_mut().zip(&self.channels.present).zip(&mut self.union);
            for ((word, present), union) in both {
                *word &= present;
                *union |= *word;
            }
        }
        Some(Group { rows, words, union: &self.union })
    }
}

/// Parts in a given layout.
pub(super) fn assemble(
    parts: &[Part],
    channels: &Channels,
    count: PackCount,
    layout: PackLayout,
) -> Product {
    let all = |form| parts.iter().all(|part| part.kept.weight.form() == form);
    let form = [Form::Half, Form::Int8].into_iter().find(|&form| all(form)).unwrap_or(Form::Single);
    let matrix = Matrix { parts, channels, count, layout };
    let (counts, indices, values) = match form {
        Form::Single => {
            let (counts, indices, values) =
                matrix.fill(|weight, row, column| weight.weight(row, column));
            (counts, indices, Values::Single(values))
        }
        Form::Half => {
            let (counts, indices, values) = matrix.fill(Masked::half);
            (counts, indices, Values::Half(values))
        }
        Form::Int8 => {
            let (counts, indices, values) = matrix.fill(Masked::int8);
            (counts, indices, Values::Int8(values))
        }
    };
    let indices = match layout {
        PackLayout::Dense => Columns::All,
        PackLayout::Blocks | PackLayout::Rows => Columns::Listed(indices),
    };
    let of_rows = |number: fn(&Part, usize) -> f32| -> Vec<f32> {
        parts.iter().flat_map(|part| part.rows.iter().map(move |&row| number(part, row))).collect()
    };
    let bias = of_rows(|part, row| part.bias[row]);
    let scales = match form {
        Form::Single | Form::Half => Vec::new(),
        Form::Int8 => of_rows(|part, row| part.kept.weight.scale(row)),
    };
    Product::new(channels.count, layout.height(), &counts, indices, values, bias, scales)
}

/// What is to be packed, and how.
struct Matrix<'a> {
    parts: &'a [Part<'a>],
    channels: &'a Channels,
    count: PackCount,
    layout: PackLayout,
}

impl Matrix<'_> {
    /// How many entries each group has, their columns, and their values, which `at` gives by row and column.
    fn fill<T: Copy + Default>(
        &self,
        at: impl Fn(&Masked, usize, usize) -> T,
    ) -> (Vec<usize>, Vec<u16>, Vec<T>) {
        let Matrix { parts, channels, count, layout } = self;
        let (height, width) = (layout.height(), channels.present.len());
        let dense = *layout == PackLayout::Dense;
        let (entries, groups) = count.entries(*layout);
        let mut counts = Vec::with_capacity(groups);
        let mut indices = Vec::with_capacity(if dense { 0 } else { entries });
        // What a product adds for the last register fits too: nothing is copied to another place.
        let mut values = Vec::with_capacity(entries * height + Product::SPARE);
        let mut rows = Groups::new(parts, channels, height);
        while let Some(group) = rows.next() {
            let own = if dense { &channels.present } else { group.union };
            let before = values.len();
            for column in bits(own) {
                if !dense {
                    indices.push(channels.numbers[column]);
                }
                let (place, bit) = (column / 64, column % 64);
                for (index, &(kept, row)) in group.rows.iter().enumerate() {
                    values.push(match group.words[index * width + place] >> bit & 1 {
                        1 => at(kept.weight, row, column),
                        _ => T::default(),
                    });
                }
                values.resize(values.len() + height - group.rows.len(), T::default());
            }
            counts.push((values.len() - before) / height);
        }
        (counts, indices, values)
    }
}
