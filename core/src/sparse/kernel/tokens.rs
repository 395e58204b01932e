use std::ops::Range;

use super::InstructionSet;

/// The tokens of a text as they lie in memory: in panels of a few registers each. A panel holds all channels
/// of its tokens, `[channels, width]`, and the panels stand one after the other.
///
/// So what works on one panel after the other finds its input in the nearest cache, and channels that are read
/// in any order never fight for the same places of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenPanels {
    /// Floats of a register.
    lanes: usize,
    /// Panels.
    panels: usize,
    /// Registers of a panel, at least.
    width: usize,
    /// Panels that have one register more; they come first.
    wider: usize,
}

/// Registers that a panel of tokens may take. Four rows of accumulators this wide, and the registers that feed them,
/// fit on every instruction set. AVX-512 could hold four: a panel of 64 tokens and all channels of a layer then
/// outgrow the first cache of 32 KiB, and texts of 64 tokens took half as long again.
pub(super) const WIDEST: usize = 2;

/// Some registers of tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    /// Tokens before it.
    pub(super) first: usize,
    /// Registers.
    pub(super) width: usize,
    /// Floats of a register.
    lanes: usize,
}

impl TokenPanels {
    /// Of a text of `length` tokens, one at least; the last register is filled up. Panels are of nearly one width,
    /// none wider than [`WIDEST`].
    pub(crate) fn new(length: usize, set: InstructionSet) -> TokenPanels {
        let lanes = set.lanes();
        let vectors = length.div_ceil(lanes);
        let panels = vectors.div_ceil(WIDEST);
        TokenPanels { lanes, panels, width: vectors / panels, wider: vectors % panels }
    }

    /// How many there are, those included that fill up the last register.
    pub(crate) fn count(self) -> usize {
        (self.panels * self.width + self.wider) * self.lanes
    }

    /// Floats of a register of the instruction set that these are for.
    pub(super) fn lanes(self) -> usize {
        self.lanes
    }

    /// How many panels there are.
    pub(crate) fn panel_count(self) -> usize {
        self.panels
    }

    /// How many tokens come before the panel with this number, or before the end where it is the number of panels.
    pub(crate) fn start_of(self, number: usize) -> usize {
        self.panel(number).first
    }

    /// The panels with these numbers alone.
    pub(crate) fn some(self, numbers: Range<usize>) -> TokenPanels {
        let wider = self.wider.clamp(numbers.start, numbers.end) - numbers.start;
        TokenPanels { panels: numbers.len(), wider, ..self }
    }

    /// Where, among panels of `channels`, a token's first channel lies, and how far it is to the next one.
    pub(crate) fn place(self, token: usize, channels: usize) -> (usize, usize) {
        let panel = self.panel(self.number_of(token));
        (panel.of(channels).start + token - panel.first, panel.tokens())
    }

    /// All of them in order.
    ///
    /// An iterator, because a closure is compiled without the instruction set of the function around it:
    /// nothing that holds registers may be one.
    pub(super) fn panels(self) -> impl Iterator<Item = Panel> {
        (0..self.panels).map(move |number| self.panel(number))
    }

    /// One of them.
    pub(super) fn panel(self, number: usize) -> Panel {
        let TokenPanels { lanes, width, wider, .. } = self;
        Panel {
            first: (number * width + number.min(wider)) * lanes,
            width: width + usize::from(number < wider),
            lanes,
        }
    }

    /// Which of them holds a token.
    pub(super) fn number_of(self, token: usize) -> usize {
        let TokenPanels { lanes, width, wider, .. } = self;
        let register = token / lanes;
        match register < wider * (width + 1) {
            true => register / (width + 1),
            false => (register - wider) / width,
        }
    }
}

impl Panel {
    /// How many tokens it holds.
    pub(super) fn tokens(self) -> usize {
        self.width * self.lanes
    }

    /// The token after its last one.
    pub(super) fn end(self) -> usize {
        self.first + self.tokens()
    }

    /// Where it lies among panels of `channels`.
    pub(super) fn of(self, channels: usize) -> Range<usize> {
        self.first * channels..(self.first + self.tokens()) * channels
    }
}

/// `$run` with `$WIDTH` a constant, the width of a panel in registers.
macro_rules! at_width {
    ($panel:expr, $WIDTH:ident => $run:expr) => {
        match $panel.width {
            1 => {
                const $WIDTH: usize = 1;
                $run
            }
            2 => {
                const $WIDTH: usize = 2;
                $run
            }
            _ => unreachable!("no panel is wider"),
        }
    };
}
pub(super) use at_width;
