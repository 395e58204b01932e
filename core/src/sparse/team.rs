//! One text on several threads: teams take branches, and the members of a team share the panels of their branches.
//!
//! They live as long as the text takes: the fork of a process finds none, and an idle model has none.
//!
//! A panel needs no other one but in attention, which reads the keys and values of all of them, and in heads of two
//! layers. There members give each other what they made. The panels are the same however many threads there are, and
//! so is every sum.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::branch::Text;
use super::kernel::{Buffer, TokenPanels};

/// How many teams there are, and how many panels a member of one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Teams {
    /// Branches that each team runs, one after the other.
    pub(super) branches: usize,
    /// Panels of each member.
    pub(super) panels: usize,
}

impl Teams {
    /// Those that are estimated to be done first with `branches` of `panels`, one at least of each, on this many
    /// `threads`; of those that are done at the same time, those of the fewest threads.
    pub(super) fn new(branches: usize, panels: usize, threads: usize) -> Teams {
        let most = |teams: usize| (threads / teams).clamp(1, panels);
        let all = (1..=threads.clamp(1, branches))
            .flat_map(|teams| (1..=most(teams)).map(move |members| (teams, members)));
        // In halves of a panel. A member reads all weights of its branch, which takes as long as one of them, and
        // waiting for the others takes about as long again.
        let time = |&(teams, members): &(usize, usize)| {
            let waits = usize::from(members > 1);
            branches.div_ceil(teams) * (2 * panels.div_ceil(members) + 1 + waits)
        };
        let (teams, members) = all
            .min_by_key(|arranged| (time(arranged), arranged.0 * arranged.1, arranged.1))
            .expect("one thread at least");
        Teams { branches: branches.div_ceil(teams), panels: panels.div_ceil(members) }
    }
}

/// One thread of a team: its panels of a text, and its ways to the others.
pub(super) struct Member {
    pub(super) text: Text,
    /// The numbers of its panels.
    pub(super) numbers: Range<usize>,
    /// These panels alone.
    pub(super) tokens: TokenPanels,
    /// Which of the team it is.
    index: usize,
    /// To each of the others, in their order.
    to: Vec<Sender<Arc<Buffer>>>,
    /// From each of the others, in their order.
    from: Vec<Receiver<Arc<Buffer>>>,
}

impl Member {
    /// All of a team, each with this many `panels` of a text.
    pub(super) fn team(text: Text, panels: usize) -> Vec<Member> {
        let count = text.tokens.panel_count();
        let mut team: Vec<Member> = (0..count)
            .step_by(panels)
            .enumerate()
            .map(|(index, first)| {
                let numbers = first..(first + panels).min(count);
                let tokens = text.tokens.some(numbers.clone());
                Member { text, numbers, tokens, index, to: Vec::new(), from: Vec::new() }
            })
            .collect();
        for from in 0..team.len() {
            for to in (0..team.len()).filter(|&to| to != from) {
                let (sender, receiver) = channel();
                team[from].to.push(sender);
                team[to].from.push(receiver);
            }
        }
        team
    }

    /// How many tokens come before its own.
    pub(super) fn first(&self) -> usize {
        self.text.tokens.start_of(self.numbers.start)
    }

    /// Where its panels lie among those of all `channels` of the text.
    pub(super) fn of(&self, channels: usize) -> Range<usize> {
        let first = self.first();
        first * channels..(first + self.tokens.count()) * channels
    }

    /// Gives what it made of its own panels to the others, and waits for what they made of theirs.
    pub(super) fn exchange(&self, shared: &mut Shared) -> Parts {
        const GONE: &str = "members stay until all have what they need; one panicked";
        for other in &self.to {
            other.send(shared.now.clone()).expect(GONE);
        }
        let mut parts: Vec<Arc<Buffer>> =
            self.from.iter().map(|other| other.recv().expect(GONE)).collect();
        parts.insert(self.index, shared.now.clone());
        if !self.to.is_empty() {
            std::mem::swap(&mut shared.now, &mut shared.before);
        }
        Parts(parts)
    }
}

/// Memory that a member writes and others then read. Two take turns: what was given at one exchange is read no more
/// when all have come to the next.
#[derive(Default)]
pub(super) struct Shared {
    now: Arc<Buffer>,
    before: Arc<Buffer>,
}

impl Shared {
    /// To be written: room for `count` floats.
    pub(super) fn room(&mut self, count: usize) -> &mut Buffer {
        if Arc::get_mut(&mut self.now).is_none() {
            self.now = Arc::default();
        }
        let buffer = Arc::get_mut(&mut self.now).expect("nobody else has it");
        buffer.room(count);
        buffer
    }
}

/// What all members made, in their order.
pub(super) struct Parts(Vec<Arc<Buffer>>);

impl Parts {
    /// Each panel of the text that `member` has a part of; they have this many `rows`.
    pub(super) fn panels(&self, member: &Member, rows: usize) -> Vec<&[f32]> {
        let tokens = member.text.tokens;
        let share = self.0.len();
        let each = tokens.panel_count().div_ceil(share);
        (0..tokens.panel_count())
            .map(|number| {
                let part = number / each;
                let start = tokens.start_of(part * each);
                let (first, end) = (tokens.start_of(number), tokens.start_of(number + 1));
                &self.0[part][(first - start) * rows..(end - start) * rows]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_put_where_they_help() {
        let teams = |branches, panels, threads| {
            let Teams { branches, panels } = Teams::new(branches, panels, threads);
            (branches, panels)
        };
        // One thread; as many as branches; twice as many; more than there is work for.
        assert_eq!(teams(4, 8, 1), (4, 8));
        assert_eq!(teams(4, 8, 4), (1, 8));
        assert_eq!(teams(4, 8, 8), (1, 4));
        assert_eq!(teams(4, 4, 100), (1, 1));
        // One branch; one panel, where two threads do as well as three; three branches on two threads, of which one
        // would be idle for half of the time.
        assert_eq!(teams(1, 8, 2), (1, 4));
        assert_eq!(teams(4, 1, 3), (2, 1));
        assert_eq!(teams(3, 8, 2), (3, 4));
        // Six threads: three teams of two would run two branches one after the other.
        assert_eq!(teams(4, 8, 6), (2, 3));
    }
}
