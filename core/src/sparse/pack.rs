//! From a masked weight to what the kernel reads.

use super::cost::{Layout, PackCount};
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
    let half = parts.iter().all(|part| matches!(part.weight.weights, Weights::Half(_)));
    let product = assemble(&lines, channels, layout, half);
    let planned = PlannedProduct {
        name: name.into(),
        layout,
        rows: count.rows,
        columns: channels,
        weights: count.weights,
        multiplied: count.entries(layout).0 * layout.height(),
        bytes: product.bytes(),
        microseconds: count.microseconds(layout, set),
        dense_microseconds: count.microseconds(Layout::Dense, set),
    };
    (product, planned)
}

pub(super) fn lines<'a>(part: &'a Part) -> impl Iterator<Item = Line> + 'a {
    part.rows.iter().map(|&row| Line {
        entries: part
            .weight
            .kept(row)
            .into_iter()
            .filter_map(|(column, weight)| Some((part.channels[column]?, weight)))
            .collect(),
        bias: part.bias[row],
    })
}

impl PackCount {
    pub(super) fn of(lines: &[Line], channels: usize) -> PackCount {
        PackCount {
            rows: lines.len(),
            channels,
            weights: lines.iter().map(|line| line.entries.len()).sum(),
            blocks: lines.chunks(BLOCK_ROWS).map(|group| union(group).len()).sum(),
        }
    }
}

/// The channels that at least one line reads, ascending.
fn union(lines: &[Line]) -> Vec<usize> {
    let mut channels: Vec<usize> =
        lines.iter().flat_map(|line| line.entries.iter().map(|&(channel, _)| channel)).collect();
    channels.sort_unstable();
    channels.dedup();
    channels
}

/// Lines in a given layout; `half`: their weights came from 16-bit floats.
pub(super) fn assemble(lines: &[Line], channels: usize, layout: Layout, half: bool) -> Product {
    let height = layout.height();
    let (mut counts, mut indices, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for group in lines.chunks(height) {
        let own = match layout {
            Layout::Dense => (0..channels).collect(),
            Layout::Blocks | Layout::Rows => union(group),
        };
        let first = values.len();
        values.resize(first + own.len() * height, 0.0);
        for (row, line) in group.iter().enumerate() {
            for &(channel, weight) in &line.entries {
                let entry = own.binary_search(&channel).expect("the union has every channel");
                values[first + entry * height + row] = weight;
            }
        }
        counts.push(own.len());
        indices.extend(own.iter().map(|&channel| channel as u16));
    }
    let indices = match layout {
        Layout::Dense => Columns::All,
        Layout::Blocks | Layout::Rows => Columns::Listed(indices),
    };
    let values = match half {
        true => Values::Half(values.into_iter().map(half_bits).collect()),
        false => Values::Single(values),
    };
    let bias = lines.iter().map(|line| line.bias).collect();
    Product::new(channels, height, &counts, indices, values, bias)
}
