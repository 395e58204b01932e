use super::tokens::{Panel, TokenPanels, at_width};
use super::vector::{MOST_LANES, Vector};
use super::{InstructionSet, Kernel};

/// Cosines and sines by which pairs of channels are turned at each position.
#[derive(Debug)]
pub(crate) struct Angles {
    /// `[pairs, positions]`, rows filled up to whole registers.
    cos: Vec<f32>,
    sin: Vec<f32>,
    pairs: usize,
    positions: usize,
}

impl Angles {
    /// From tables `[positions, pairs]`, row-major.
    ///
    /// # Panics
    /// Where they have other sizes.
    pub(crate) fn new(pairs: usize, positions: usize, cos: &[f32], sin: &[f32]) -> Angles {
        let by_pair = |table: &[f32]| {
            assert_eq!(table.len(), pairs * positions, "size of a table of angles");
            let row = positions.next_multiple_of(MOST_LANES);
            let mut transposed = vec![0.0; pairs * row];
            for (position, angles) in table.chunks(pairs.max(1)).enumerate() {
                for (pair, &angle) in angles.iter().enumerate() {
                    transposed[pair * row + position] = angle;
                }
            }
            transposed
        };
        Angles { cos: by_pair(cos), sin: by_pair(sin), pairs, positions }
    }

    /// How many positions there are angles for.
    pub(crate) fn positions(&self) -> usize {
        self.positions
    }

    /// How many pairs of channels.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs
    }
}

/// Rotary position embeddings: turns the channels of query and key by the positions of their tokens, in place
/// (Su et al., *RoFormer: Enhanced Transformer with Rotary Position Embedding*, 2021).
///
/// The first half of a head's channels and the second are the coordinates of its pairs.
pub(crate) struct Turn<'a> {
    /// Panels of `rows` channels, those of the query first, then those of the key.
    pub(crate) x: &'a mut [f32],
    pub(crate) rows: usize,
    /// Where each head's channels of the query, and of the key, begin, and at last their number.
    pub(crate) heads: &'a [usize],
    /// Which pair of the angles each head's pairs are, head by head.
    pub(crate) pairs: &'a [usize],
    pub(crate) angles: &'a Angles,
    pub(crate) tokens: TokenPanels,
    /// Tokens of the text before these.
    pub(crate) first: usize,
}

impl Turn<'_> {
    /// # Panics
    /// Where a buffer is too small, a head has half a pair, or there are more positions than angles.
    pub(crate) fn run(self, set: InstructionSet) {
        let channels = self.heads[self.heads.len() - 1];
        let count = self.tokens.count();
        assert_eq!(self.tokens.lanes(), set.lanes(), "tokens of the instruction set");
        let in_order = |pair: &[usize]| pair[0] <= pair[1] && (pair[1] - pair[0]).is_multiple_of(2);
        assert!(self.heads[0] == 0 && self.heads.windows(2).all(in_order), "heads of pairs");
        assert!(
            2 * channels <= self.rows && self.x.len() >= self.rows * count,
            "size of what is turned"
        );
        assert_eq!(2 * self.pairs.len(), channels, "number of pairs");
        assert!(self.pairs.iter().all(|&pair| pair < self.angles.pairs), "pairs");
        assert!(
            self.first + count <= self.angles.positions.next_multiple_of(MOST_LANES),
            "positions"
        );
        set.run(self);
    }
}

impl Kernel for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self, known: V::Known) {
        for panel in self.tokens.panels() {
            // SAFETY: `run` checked that x holds panels of all channels, and the angles all pairs and tokens.
            unsafe { at_width!(panel, WIDTH => self.panel::<V, WIDTH>(known, panel)) };
        }
    }
}

impl Turn<'_> {
    /// One panel of WIDTH registers.
    ///
    /// # Safety
    /// All must be as [`Turn::run`] asks for.
    #[inline(always)]
    unsafe fn panel<V: Vector, const WIDTH: usize>(&mut self, known: V::Known, panel: Panel) {
        let Turn { heads, pairs, angles, rows, first: before, .. } = *self;
        let row = angles.positions.next_multiple_of(MOST_LANES);
        let channels = heads[heads.len() - 1];
        let x = self.x[panel.of(rows).start..].as_mut_ptr();
        for head in heads.windows(2) {
            let (first, half) = (head[0], (head[1] - head[0]) / 2);
            for index in 0..half {
                let angle = pairs[first / 2 + index] * row + before + panel.first;
                for register in 0..WIDTH {
                    let lane = register * V::LANES;
                    // SAFETY: a pair's angles of the panel's tokens, and both its channels of query and key.
                    unsafe {
                        let cos = V::load(known, angles.cos.as_ptr().add(angle + lane));
                        let sin = V::load(known, angles.sin.as_ptr().add(angle + lane));
                        for start in [first, channels + first] {
                            let a = x.add((start + index) * WIDTH * V::LANES + lane);
                            let b = a.add(half * WIDTH * V::LANES);
                            let (from_a, from_b) = (V::load(known, a), V::load(known, b));
                            from_a.mul(cos).sub(from_b.mul(sin)).store(a);
                            from_b.mul_add(cos, from_a.mul(sin)).store(b);
                        }
                    }
                }
            }
        }
    }
}
