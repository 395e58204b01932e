use std::ops::Range;

use super::tokens::{TokenPanels, WIDEST};

/// Which tokens a token sees, of those that may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    All,
    /// Itself and those before it.
    Causal,
    /// Those at most this many places away.
    Near(usize),
}

impl Reach {
    /// What any of some queries sees, of the first `attended` tokens.
    pub(super) fn seen(self, queries: Range<usize>, attended: usize) -> Range<usize> {
        let (start, end) = match self {
            Reach::All => (0, attended),
            Reach::Causal => (0, queries.end),
            Reach::Near(far) => {
                (queries.start.saturating_sub(far), queries.end.saturating_add(far))
            }
        };
        let end = end.min(attended);
        start.min(end)..end
    }

    /// What each of them sees.
    pub(super) fn seen_by_each(self, queries: Range<usize>, attended: usize) -> Range<usize> {
        let (first, last) = (queries.start, queries.end - 1);
        let (start, end) = match self {
            Reach::All => (0, attended),
            Reach::Causal => (0, first + 1),
            Reach::Near(far) => {
                (last.saturating_sub(far), first.saturating_add(far).saturating_add(1))
            }
        };
        let end = end.min(attended);
        start.min(end)..end
    }

    /// Which of `count` queries from `first` on do not see a token: those before the one number, and those from the
    /// other on.
    pub(super) fn blind(self, token: usize, first: usize, count: usize) -> (usize, usize) {
        let (start, end) = match self {
            Reach::All => (0, usize::MAX),
            Reach::Causal => (token, usize::MAX),
            Reach::Near(far) => {
                (token.saturating_sub(far), token.saturating_add(far).saturating_add(1))
            }
        };
        (start.saturating_sub(first).min(count), end.saturating_sub(first).min(count))
    }

    /// The first query of a text of `length` tokens that sees none of those that may be seen, if there is one; so do
    /// all after it.
    pub(super) fn first_that_sees_nothing(self, attended: usize, length: usize) -> Option<usize> {
        match self {
            Reach::All | Reach::Causal => None,
            Reach::Near(far) => Some(attended.saturating_add(far)).filter(|&first| first < length),
        }
    }

    /// How many pairs of a query and a token that it sees there are among `tokens` tokens.
    pub(crate) fn pairs(self, tokens: usize) -> usize {
        (0..tokens).map(|query| self.seen(query..query + 1, tokens).len()).sum()
    }
}

/// Scores that are held at once, where a panel has no more: few enough that these, and what they are made of, stay in
/// the nearest cache.
const SCORES: usize = 4096;

/// Keys that are worked on at once: those of some panels.
pub(super) struct KeyBlock {
    tokens: TokenPanels,
    /// The panels' numbers.
    numbers: Range<usize>,
    pub(super) keys: Range<usize>,
}

impl KeyBlock {
    /// Some keys, cut into blocks.
    pub(super) fn all(tokens: TokenPanels, keys: Range<usize>) -> impl Iterator<Item = KeyBlock> {
        let whole = KeyBlock::most_panels(tokens);
        let numbers = match keys.is_empty() {
            true => 0..0,
            false => tokens.number_of(keys.start)..tokens.number_of(keys.end - 1) + 1,
        };
        numbers.clone().step_by(whole).map(move |first| {
            let numbers = first..(first + whole).min(numbers.end);
            let start = tokens.panel(numbers.start).first.max(keys.start);
            let end = tokens.panel(numbers.end - 1).end().min(keys.end);
            KeyBlock { tokens, numbers, keys: start..end }
        })
    }

    fn most_panels(tokens: TokenPanels) -> usize {
        let widest = WIDEST * tokens.lanes();
        (SCORES / (widest * widest)).max(1)
    }

    /// Scores that a block may have for a panel of queries.
    pub(super) fn most_scores(tokens: TokenPanels) -> usize {
        let widest = WIDEST * tokens.lanes();
        KeyBlock::most_panels(tokens) * widest * widest
    }

    /// Its panels' numbers, and which keys of each it has.
    pub(super) fn panels(&self) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let KeyBlock { tokens, keys, .. } = self;
        let (tokens, keys) = (*tokens, keys.clone());
        self.numbers.clone().map(move |number| {
            let panel = tokens.panel(number);
            (number, panel.first.max(keys.start)..panel.end().min(keys.end))
        })
    }
}
