//! Which texts run next.
//!
//! They go in the order of arrival, but that a short text goes before longer ones that wait: each waits until its place
//! in the work comes, which is the work done when it arrived and [`OVERTAKING`] times its own length. So a short text
//! waits for no long one that has not begun, and a long one is never put off for ever: once 16 n tokens are done while
//! a text of n waits, none that comes later goes before it. Work is counted in tokens, not in time, which holds for
//! models of any size.

use std::collections::BTreeMap;

/// While a text waits, later ones may go before it until this many tokens are done for each of its own.
const OVERTAKING: u64 = 16;
/// The most of a run that may be padding: one part in this many.
const PADDING: usize = 4;

/// Texts that wait, of any form.
pub struct Queue<T> {
    /// By their place in the work, and by their number in the order of arrival.
    waiting: BTreeMap<(u64, u64), Text<T>>,
    arrived: u64,
    /// Tokens of the texts that were taken.
    done: u64,
    /// Tokens of the texts that wait.
    tokens: usize,
}

struct Text<T> {
    tokens: usize,
    text: T,
}

impl<T> Queue<T> {
    pub fn new() -> Queue<T> {
        Queue { waiting: BTreeMap::new(), arrived: 0, done: 0, tokens: 0 }
    }

    pub fn push(&mut self, text: T, tokens: usize) {
        let place = self.done + OVERTAKING * tokens as u64;
        self.arrived += 1;
        self.tokens += tokens;
        self.waiting.insert((place, self.arrived), Text { tokens, text });
    }

    /// Tokens of the texts that wait.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The text that runs next.
    pub fn first(&self) -> Option<&T> {
        self.waiting.first_key_value().map(|(_, Text { text, .. })| text)
    }

    /// The text that runs next, and those after it that a run of at most `positions` has room for, each padded to
    /// the longest of them; a text that would make more than a quarter of the run padding is left for another. None
    /// where no text waits.
    pub fn take(&mut self, positions: usize) -> Vec<T> {
        let (mut taken, mut sum, mut longest) = (Vec::new(), 0, 0);
        for (&place, text) in &self.waiting {
            let (own, padded) = (sum + text.tokens, longest.max(text.tokens) * (taken.len() + 1));
            let fits = padded <= positions && PADDING * (padded - own) <= padded;
            if taken.is_empty() || fits {
                taken.push(place);
                (sum, longest) = (own, longest.max(text.tokens));
            }
            if longest * (taken.len() + 1) > positions {
                break;
            }
        }
        self.done += sum as u64;
        self.tokens -= sum;
        taken.iter().filter_map(|place| self.waiting.remove(place)).map(|text| text.text).collect()
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
        self.tokens = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(lengths: impl IntoIterator<Item = usize>) -> Queue<usize> {
        let mut queue = Queue::new();
        lengths.into_iter().for_each(|tokens| queue.push(tokens, tokens));
        queue
    }

    #[test]
    fn texts_of_a_length_go_in_the_order_of_arrival() {
        let mut queue = Queue::new();
        (0..100).for_each(|number| queue.push(number, 20));
        let order: Vec<usize> = (0..100).flat_map(|_| queue.take(0)).collect();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
        assert!(queue.take(0).is_empty());
        assert_eq!(queue.tokens(), 0);
    }

    #[test]
    fn a_short_text_goes_before_long_ones_that_came_earlier() {
        let mut queue = queue([200; 30]);
        queue.take(0);
        queue.push(10, 10);
        assert_eq!(queue.take(0), [10]);
        assert_eq!(queue.take(0), [200]);
    }

    #[test]
    fn no_long_text_waits_for_ever() {
        let (long, short) = (200, 10);
        let mut queue = Queue::new();
        queue.push(None, long);
        // Twice as much comes as is done; of each it is noted how many tokens were done before it came.
        let (mut done, mut last) = (0, 0);
        loop {
            queue.push(Some(done), short);
            queue.push(Some(done), short);
            match queue.take(0)[..] {
                [Some(came)] => (done, last) = (done + short, came),
                _ => break,
            }
        }
        let bound = OVERTAKING as usize * long;
        assert!(last < bound, "{last}");
        // And short ones went before it as long as their place was before its own.
        assert_eq!(last, bound - OVERTAKING as usize * short - short);
    }

    #[test]
    fn a_run_has_texts_of_like_length_within_its_positions() {
        assert_eq!(queue([20, 22, 200, 18, 20, 20]).take(100), [18, 20, 20, 20]);
        assert_eq!(queue([100, 30, 90, 31]).take(1000), [30, 31]);
        // A text that is longer than all of them runs alone.
        assert_eq!(queue([200, 200]).take(100), [200]);
        assert_eq!(queue([20, 20]).take(0), [20]);
    }

    #[test]
    fn what_is_left_runs_later() {
        let mut queue = queue([20, 22, 200, 18, 20, 20]);
        let mut taken: Vec<usize> = Vec::new();
        while queue.tokens() > 0 {
            taken.extend(queue.take(64));
        }
        taken.sort_unstable();
        assert_eq!(taken, [18, 20, 20, 20, 22, 200]);
    }
}
