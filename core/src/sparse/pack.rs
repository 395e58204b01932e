//! From a masked weight to what the kernel reads.

use super::cost::{PackCount, PackLayout};
use super::half::half_bits;
use super::kernel::{BLOCK_ROWS, Columns, InstructionSet, Product, Values};
use super::masked::{Masked, Weights};
use super::plan::PlannedProduct;

/// Which part of a masked weight is wanted, and what is added to its product.
pub(crate) struct Part<'a> {
    pub(crate) weight: &'a Masked,
    /// The rows wanted, in order.
    pub(crate) rows: &'a [usize],
    /// For each of the weight's columns, the channel of the input that it reads; `None` where the input
    /// lacks it.
    pub(crate) channels: &'a [Option<usize>],
    /// One for each of the weight's rows.
    pub(crate) bias: &'a [f32],
}

/// One row as it is packed: channels with their weights, ascending.
pub(super) struct Line {
    pub(super) entries: Vec<(usize, f32)>,
    pub(super) bias: f32,
    /// What the weights of an [`Form::Int8`] row are whole multiples of.
    pub(super) scale: f32,
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

/// Parts, one below the other, as one matrix over `channels` inputs, in the layout that costs least.
pub(crate) fn pack(
    name: &str,
    parts: &[Part],
    channels: usize,
    set: InstructionSet,
) -> (Product, PlannedProduct) {
    let lines: Vec<Line> = parts.iter().flat_map(lines).collect();
    let count = PackCount::of(&lines, channels);
    let layout = count.cheapest(set);
    let all = |form| parts.iter().all(|part| part.weight.form() == form);
    let form = [Form::Half, Form::Int8].into_iter().find(|&form| all(form)).unwrap_or(Form::Single);
    let product = assemble(&lines, channels, layout, form);
    let planned = PlannedProduct {
        name: name.into(),
        layout,
        rows: count.rows,
        columns: channels,
        weights: count.weights,
        multiplied: count.entries(layout).0 * layout.height(),
        bytes: product.bytes(),
        microseconds: count.microseconds(layout, set),
        dense_microseconds: count.microseconds(PackLayout::Dense, set),
    };
    (product, planned)
}

pub(super) fn lines<'a>(part: &'a Part) -> impl Iterator<Item = Line> + 'a {
    part.rows.iter().map(|&row| Line {
        entries: part
            .weight
            .kept(row)
            .filter_map(|(column, weight)| Some((part.channels[column]?, weight)))
            .collect(),
        bias: part.bias[row],
        scale: part.weight.scale(row),
    })
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

impl PackCount {
    pub(super) fn of(lines: &[Line], channels: usize) -> PackCount {
        PackCount {
            rows: lines.len(),
            channels,
            weights: lines.iter().map(|line| line.entries.len()).sum(),
            blocks: lines.chunks(BLOCK_ROWS).map(|group| union(group, channels).len()).sum(),
        }
    }
}

/// The channels, of this many, that at least one line reads, ascending.
fn union(lines: &[Line], channels: usize) -> Vec<usize> {
    let mut read = vec![0_u64; channels.div_ceil(64)];
    for &(channel, _) in lines.iter().flat_map(|line| &line.entries) {
        read[channel / 64] |= 1 << (channel % 64);
    }
    let mut union = Vec::new();
    for (place, mut word) in read.into_iter().enumerate() {
        while word != 0 {
            union.push(64 * place + word.trailing_zeros() as usize);
            word &= word - 1;
        }
    }
    union
}

/// Lines in a given layout.
pub(super) fn assemble(lines: &[Line], channels: usize, layout: PackLayout, form: Form) -> Product {
    let height = layout.height();
    let (mut counts, mut indices, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for group in lines.chunks(height) {
        let own = match layout {
            PackLayout::Dense => (0..channels).collect(),
            PackLayout::Blocks | PackLayout::Rows => union(group, channels),
        };
        let first = values.len();
        values.resize(first + own.len() * height, 0.0);
        for (row, line) in group.iter().enumerate() {
            let mut entry = 0;
            for &(channel, weight) in &line.entries {
                // Both ascend, and the union has every channel.
                entry += own[entry..].iter().take_while(|&&other| other < channel).count();
                values[first + entry * height + row] = match form {
                    Form::Int8 => (weight / line.scale).round(),
                    Form::Single | Form::Half => weight,
                };
            }
        }
        counts.push(own.len());
        indices.extend(own.iter().map(|&channel| channel as u16));
    }
    let indices = match layout {
        PackLayout::Dense => Columns::All,
        PackLayout::Blocks | PackLayout::Rows => Columns::Listed(indices),
    };
    let values = match form {
        Form::Single => Values::Single(values),
        Form::Half => Values::Half(values.into_iter().map(half_bits).collect()),
        Form::Int8 => Values::Int8(values.into_iter().map(|value| value as i8).collect()),
    };
    let bias = lines.iter().map(|line| line.bias).collect();
    let scales = match form {
        Form::Single | Form::Half => Vec::new(),
        Form::Int8 => lines.iter().map(|line| line.scale).collect(),
    };
    Product::new(channels, height, &counts, indices, values, bias, scales)
}
