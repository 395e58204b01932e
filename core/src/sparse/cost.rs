use serde::Serialize;

use super::kernel::{BLOCK_ROWS, InstructionSet};

/// How the entries of a packed matrix are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PackLayout {
    /// Every column of four rows, without indices.
    Dense,
    /// Columns that at least one of four rows keeps, an index for each.
    Blocks,
    /// Each row's own columns, an index for each.
    Rows,
}

impl PackLayout {
    /// All of them.
    pub const ALL: [PackLayout; 3] = [PackLayout::Dense, PackLayout::Blocks, PackLayout::Rows];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            PackLayout::Dense => "dense",
            PackLayout::Blocks => "blocks",
            PackLayout::Rows => "rows",
        }
    }

    /// Rows of a group: those that share their columns.
    pub(crate) fn height(self) -> usize {
        match self {
            PackLayout::Dense | PackLayout::Blocks => BLOCK_ROWS,
            PackLayout::Rows => 1,
        }
    }
}

/// The time of a product for [`TOKENS`] tokens, in nanoseconds: so much for each entry of the packed
/// matrix (a column of a group of rows), and so much for each group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// An entry's.
    pub entry: f64,
    /// A group's: bias, activation, writing the results, beginning again.
    pub group: f64,
}

/// The length of text that costs are estimated for.
pub const TOKENS: usize = 32;

/// What a matrix would have to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackCount {
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    /// Weights that count.
    pub(crate) weights: usize,
    /// Channels that at least one of four rows reads, summed over all groups of four.
    pub(crate) blocks: usize,
}

impl PackCount {
    /// The layout that is estimated to cost least.
    pub(crate) fn cheapest(self, set: InstructionSet) -> PackLayout {
        let cost = |layout: &PackLayout| self.microseconds(*layout, set);
        let layouts = PackLayout::ALL.into_iter();
        layouts.min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("there are layouts")
    }

    /// Entries and groups of the packed matrix.
    pub(crate) fn entries(self, layout: PackLayout) -> (usize, usize) {
        let groups = self.rows.div_ceil(layout.height());
        match layout {
            PackLayout::Dense => (groups * self.channels, groups),
            PackLayout::Blocks => (self.blocks, groups),
            PackLayout::Rows => (self.weights, groups),
        }
    }

    /// Estimated time of a product for [`TOKENS`] tokens.
    pub(crate) fn microseconds(self, layout: PackLayout, set: InstructionSet) -> f64 {
        let cost = set.cost(layout);
        let (entries, groups) = self.entries(layout);
        (cost.entry * entries as f64 + cost.group * groups as f64) / 1000.0
    }
}
