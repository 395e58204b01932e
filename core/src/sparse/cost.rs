use super::kernel::{BLOCK_ROWS, InstructionSet};

/// How the entries of a packed matrix are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Every column of four rows.
    Dense,
    /// Columns that at least one of four rows keeps.
    Blocks,
    /// Each row's own columns.
    Rows,
}

impl Layout {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Layout::Dense => "dense",
            Layout::Blocks => "blocks",
            Layout::Rows => "rows",
        }
    }
}

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
    pub(crate) fn cheapest(self, set: InstructionSet) -> Layout {
        let cost = |layout: &Layout| self.microseconds(*layout, set);
        let layouts = [Layout::Dense, Layout::Blocks, Layout::Rows];
        layouts.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("there are layouts")
    }

    /// Estimated time of a product for 32 tokens.
    pub(crate) fn microseconds(self, layout: Layout, set: InstructionSet) -> f64 {
        let [dense, block, single] = set.nanoseconds();
        let nanoseconds = match layout {
            Layout::Dense => dense * (self.rows.div_ceil(BLOCK_ROWS) * self.channels) as f64,
            Layout::Blocks => block * self.blocks as f64,
            Layout::Rows => single * self.weights as f64,
        };
        nanoseconds / 1000.0
    }
}
