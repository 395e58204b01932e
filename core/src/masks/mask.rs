use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// Which weights of one matrix are kept: a bit for each block of `block_rows` rows by one column.
///
/// Cheap to clone: the bits are shared until one of them is flipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    layer: Arc<str>,
    rows: usize,
    columns: usize,
    block_rows: usize,
    /// `[rows / block_rows, ⌈columns / 8⌉]`, lowest bit first.
    bits: Bytes,
}

impl Mask {
    /// The mask of a matrix of `rows` by `columns`, `bits` as a checkpoint holds those of one concept; `None` where
    /// they are not as many as the sizes say.
    pub fn new(
        layer: impl Into<Arc<str>>,
        rows: usize,
        columns: usize,
        block_rows: usize,
        bits: impl Into<Bytes>,
    ) -> Option<Mask> {
        let bits = bits.into();
        let whole = block_rows > 0 && rows.is_multiple_of(block_rows);
        let size = (rows.checked_div(block_rows)?).checked_mul(columns.div_ceil(8));
        let fits = whole && size == Some(bits.len()) && rows.checked_mul(columns).is_some();
        fits.then(|| Mask { layer: layer.into(), rows, columns, block_rows, bits })
    }

    /// The bits of masks whose blocks are `kept` or not, row by row of `columns`.
    ///
    /// # Panics
    /// Where there are no columns.
    pub fn pack(kept: &[bool], columns: usize) -> Vec<u8> {
        let byte = |kept: &[bool]| {
            kept.iter().enumerate().fold(0, |byte, (bit, &kept)| byte | u8::from(kept) << bit)
        };
        kept.chunks(columns).flat_map(|row| row.chunks(8).map(byte)).collect()
    }

    /// The linear layer's name in the backbone.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Output size of the layer.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input size of the layer.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Height of the blocks that one bit stands for.
    pub fn block_rows(&self) -> usize {
        self.block_rows
    }

    /// Rows of blocks.
    pub fn blocks(&self) -> usize {
        self.rows / self.block_rows
    }

    /// Bytes of one row of blocks.
    pub fn width(&self) -> usize {
        self.columns.div_ceil(8)
    }

    /// `[rows / block_rows, ⌈columns / 8⌉]`, lowest bit first.
    pub fn bits(&self) -> &Bytes {
        &self.bits
    }

    /// The bits of one row of blocks.
    pub fn block(&self, block: usize) -> &[u8] {
        &self.bits[block * self.width()..][..self.width()]
    }

    /// Whether it keeps the block in row `block` of blocks and column `column`.
    pub fn keeps(&self, block: usize, column: usize) -> bool {
        self.block(block)[column / 8] >> (column % 8) & 1 == 1
    }

    /// Whether it keeps the weight in row `row` and column `column`.
    pub fn keeps_weight(&self, row: usize, column: usize) -> bool {
        self.keeps(row / self.block_rows, column)
    }

    /// How many bits it keeps.
    pub fn kept(&self) -> usize {
        ones(&self.bits)
    }

    /// How many weights it keeps.
    pub fn kept_weights(&self) -> usize {
        self.kept() * self.block_rows
    }

    /// How many weights it keeps in row `row`.
    pub fn kept_in_row(&self, row: usize) -> usize {
        ones(self.block(row / self.block_rows))
    }

    /// Flips a bit: prunes what is kept, grows what is not.
    ///
    /// # Panics
    /// Where there is no such block.
    pub fn flip(&mut self, block: usize, column: usize) {
        assert!(block < self.blocks() && column < self.columns, "a bit outside the mask");
        let byte = block * self.width() + column / 8;
        // Copied only where another mask shares them.
        let mut bits = BytesMut::from(std::mem::take(&mut self.bits));
        bits[byte] ^= 1 << (column % 8);
        self.bits = bits.freeze();
    }

    /// What both keep.
    ///
    /// # Panics
    /// Where the other one is of another shape.
    pub fn and(&self, other: &Mask) -> Mask {
        self.joined(other, |a, b| a & b)
    }

    /// What either keeps.
    ///
    /// # Panics
    /// Where the other one is of another shape.
    pub fn or(&self, other: &Mask) -> Mask {
        self.joined(other, |a, b| a | b)
    }

    /// What it keeps and the other one does not.
    ///
    /// # Panics
    /// Where the other one is of another shape.
    pub fn and_not(&self, other: &Mask) -> Mask {
        self.joined(other, |a, b| a & !b)
    }

    /// The mask of the same matrix that keeps nothing.
    pub fn nothing(&self) -> Mask {
        self.with_bits(vec![0; self.bits.len()])
    }

    /// The bits that differ from those of `other`, as `[block, column]`, in order.
    ///
    /// # Panics
    /// Where the other one is of another shape.
    pub fn differences(&self, other: &Mask) -> Vec<[usize; 2]> {
        self.joined(other, |a, b| a ^ b).kept_bits().collect()
    }

    /// The bits that it keeps, as `[block, column]`, in order.
    pub fn kept_bits(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        let width = self.width();
        self.bits.iter().enumerate().flat_map(move |(place, &byte)| {
            set_bits(byte.into()).map(move |bit| [place / width, place % width * 8 + bit])
        })
    }

    /// `count` of the bits that it keeps, spread evenly; all of them where there are no more.
    pub(crate) fn spread(&self, count: usize) -> Mask {
        let total = self.kept();
        let mut bits = vec![0; self.bits.len()];
        for (nth, [block, column]) in self.kept_bits().enumerate() {
            // The share of bits chosen so far grows by `count / total` a bit.
            if count >= total || (nth + 1) * count / total > nth * count / total {
                bits[block * self.width() + column / 8] |= 1 << (column % 8);
            }
        }
        self.with_bits(bits)
    }

    /// The rows that it keeps, where it is structured by rows: each is kept whole or dead, and some are dead. A matrix
    /// has a row: where all are dead, the first counts as kept.
    pub fn live_rows(&self) -> Option<Vec<usize>> {
        let mut live = Vec::new();
        for block in 0..self.blocks() {
            match ones(self.block(block)) {
                0 => {}
                kept if kept == self.columns => {
                    live.extend(block * self.block_rows..(block + 1) * self.block_rows);
                }
                _ => return None,
            }
        }
        if live.is_empty() {
            live.push(0);
        }
        (live.len() < self.rows).then_some(live)
    }

    /// The weights that it keeps, 0 in the place of the others; `weight` is row-major.
    ///
    /// # Panics
    /// Where there are not as many weights.
    pub fn apply(&self, mut weight: Vec<f32>) -> Vec<f32> {
        assert_eq!(weight.len(), self.rows * self.columns, "one weight for each that is masked");
        for (row, values) in weight.chunks_mut(self.columns.max(1)).enumerate() {
            let bits = self.block(row / self.block_rows);
            for (column, value) in values.iter_mut().enumerate() {
                if bits[column / 8] >> (column % 8) & 1 == 0 {
                    *value = 0.0;
                }
            }
        }
        weight
    }

    /// Some of its rows; `None` where there are not as many, or a block would be cut.
    pub(crate) fn cut(&self, rows: std::ops::Range<usize>) -> Option<Mask> {
        let height = self.block_rows;
        let whole = rows.start.is_multiple_of(height) && rows.end.is_multiple_of(height);
        (whole && rows.start <= rows.end && rows.end <= self.rows).then(|| {
            let blocks = rows.start / height * self.width()..rows.end / height * self.width();
            let (layer, rows) = (self.layer.clone(), rows.len());
            Mask { layer, rows, bits: self.bits.slice(blocks), ..*self }
        })
    }

    fn joined(&self, other: &Mask, join: impl Fn(u8, u8) -> u8) -> Mask {
        let shape = |mask: &Mask| (mask.rows, mask.columns, mask.block_rows);
        assert_eq!(shape(self), shape(other), "masks of one shape");
        self.with_bits(self.bits.iter().zip(&other.bits).map(|(&a, &b)| join(a, b)).collect())
    }

    fn with_bits(&self, bits: Vec<u8>) -> Mask {
        Mask { layer: self.layer.clone(), bits: bits.into(), ..*self }
    }
}

fn ones(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| byte.count_ones() as usize).sum()
}

/// Which bits of a word are 1, the lowest first.
pub(crate) fn set_bits(word: u64) -> impl Iterator<Item = usize> {
    let some = |word: u64| (word != 0).then_some(word);
    let rest = std::iter::successors(some(word), move |word| some(word & (word - 1)));
    rest.map(|word| word.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(bits: &[u8]) -> Mask {
        Mask::new("layer", 4, 10, 2, bits.to_vec()).expect("two blocks of two bytes")
    }

    #[test]
    fn bits_stand_for_blocks() {
        let mut mask = mask(&[0b101, 0b10, 0, 0]);
        assert_eq!(mask.kept_bits().collect::<Vec<_>>(), [[0, 0], [0, 2], [0, 9]]);
        assert_eq!((mask.kept(), mask.kept_weights(), mask.kept_in_row(1)), (3, 6, 3));
        assert!(mask.keeps_weight(1, 9) && !mask.keeps_weight(2, 9));
        let before = mask.clone();
        mask.flip(1, 9);
        mask.flip(0, 0);
        assert_eq!(mask.differences(&before), [[0, 0], [1, 9]]);
        assert_eq!(mask.and(&before).kept() + mask.and_not(&before).kept(), mask.kept());
        assert_eq!(mask.or(&before).kept(), 4);
        assert_eq!(before.spread(2).kept(), 2);
        assert!(Mask::new("layer", 3, 10, 2, vec![0; 4]).is_none(), "half a block");
        assert!(Mask::new("layer", 4, 17, 2, vec![0; 4]).is_none(), "a byte too few");
    }

    #[test]
    fn whole_rows_are_told_from_single_weights() {
        assert_eq!(mask(&[0xff, 0b11, 0, 0]).live_rows(), Some(vec![0, 1]));
        assert_eq!(mask(&[0, 0, 0, 0]).live_rows(), Some(vec![0]));
        assert_eq!(mask(&[0xff, 0b11, 1, 0]).live_rows(), None);
        assert_eq!(mask(&[0xff, 0b11, 0xff, 0b11]).live_rows(), None, "none is dead");
    }

    #[test]
    fn rows_are_cut_between_blocks() {
        let mask = mask(&[1, 0, 2, 0]);
        assert_eq!(mask.cut(2..4).expect("a block").kept_bits().collect::<Vec<_>>(), [[0, 1]]);
        assert!(mask.cut(1..3).is_none() && mask.cut(2..6).is_none());
    }
}
