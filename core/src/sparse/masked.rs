use std::ops::Range;

use bytes::Bytes;

use super::half::finite_half;
use super::kernel::BLOCK_ROWS;
use crate::masks::{Mask, set_bits};

/// A weight under one mask, as the file stores it: nothing is unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Masked {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) weights: Weights,
    /// Which weights it keeps; `None`: those that are not 0.
    pub(crate) mask: Option<Mask>,
}

/// The weights of a matrix, row-major, little-endian.
#[derive(Debug, Clone)]
pub(crate) enum Weights {
    /// 32-bit floats.
    Single(Bytes),
    /// 16-bit floats.
    Half(Bytes),
    /// Whole numbers, times one factor a row.
    Int8 { values: Bytes, scales: Vec<f32> },
}

impl Masked {
    /// Whether the parts have the sizes that they say, and every weight is finite.
    pub(crate) fn is_sound(&self) -> bool {
        let count = self.rows * self.columns;
        let stored = match &self.weights {
            Weights::Single(bytes) => bytes.len() == 4 * count,
            Weights::Half(bytes) => bytes.len() == 2 * count,
            Weights::Int8 { values, scales } => values.len() == count && scales.len() == self.rows,
        };
        let fits = |mask: &Mask| (mask.rows(), mask.columns()) == (self.rows, self.columns);
        let masked = self.mask.as_ref().is_none_or(fits);
        stored && masked && self.is_finite()
    }

    /// Some of its rows; `None` where there are not as many, or a block of the mask would be cut.
    pub(crate) fn cut(&self, rows: Range<usize>) -> Option<Masked> {
        let Masked { columns, weights, mask, .. } = self;
        (rows.start <= rows.end && rows.end <= self.rows).then_some(())?;
        let of = |bytes: &Bytes, width: usize| bytes.slice(rows.start * width..rows.end * width);
        let weights = match weights {
            Weights::Single(bytes) => Weights::Single(of(bytes, 4 * columns)),
            Weights::Half(bytes) => Weights::Half(of(bytes, 2 * columns)),
            Weights::Int8 { values, scales } => {
                let scales = scales[rows.clone()].to_vec();
                Weights::Int8 { values: of(values, *columns), scales }
            }
        };
        let mask = match mask {
            None => None,
            Some(mask) => Some(mask.cut(rows.clone())?),
        };
        Some(Masked { rows: rows.len(), columns: *columns, weights, mask })
    }

    /// All weights are looked at, so that the processor takes many at once.
    fn is_finite(&self) -> bool {
        match &self.weights {
            Weights::Single(bytes) => {
                let finite = |&bytes: &[u8; 4]| f32::from_le_bytes(bytes).is_finite();
                bytes.as_chunks().0.iter().fold(true, |all, bytes| all & finite(bytes))
            }
            Weights::Half(bytes) => {
                // An exponent of all ones is infinity or no number.
                let finite = |&bytes: &[u8; 2]| u16::from_le_bytes(bytes) & 0x7c00 != 0x7c00;
                bytes.as_chunks().0.iter().fold(true, |all, bytes| all & finite(bytes))
            }
            Weights::Int8 { scales, .. } => scales.iter().all(|scale| scale.is_finite()),
        }
    }

    /// The columns that row `row` keeps, ascending, with their weights; those of weight 0 left out.
    pub(crate) fn kept(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let width = self.columns.div_ceil(8);
        let line = self.mask.as_ref().map(|mask| mask.block(row / mask.block_rows()));
        let byte = move |place: usize| line.map_or(u8::MAX, |line| line[place]);
        let columns =
            (0..width).flat_map(move |place| set_bits(byte(place)).map(move |bit| 8 * place + bit));
        let within = columns.filter(|&column| column < self.columns);
        let weighted = within.map(move |column| (column, self.weight(row, column)));
        weighted.filter(|&(_, weight)| weight != 0.0)
    }

    /// Whether row `row` keeps nothing.
    pub(crate) fn is_killed(&self, row: usize) -> bool {
        self.kept(row).next().is_none()
    }

    /// Height of the blocks in which weights are kept. Where zeros are the mask, it is 4 if rows side by
    /// side keep nearly the same columns: a weight of a block may have been 0 before.
    pub(crate) fn block_rows(&self) -> usize {
        if let Some(mask) = &self.mask {
            return mask.block_rows();
        }
        let (mut kept, mut in_blocks) = (0, 0);
        for group in 0..self.rows / BLOCK_ROWS {
            let mut used = vec![false; self.columns];
            for row in group * BLOCK_ROWS..(group + 1) * BLOCK_ROWS {
                for (column, _) in self.kept(row) {
                    kept += 1;
                    used[column] = true;
                }
            }
            in_blocks += BLOCK_ROWS * used.into_iter().filter(|&used| used).count();
        }
        let nearly = 10 * kept >= 9 * in_blocks;
        if nearly && self.rows.is_multiple_of(BLOCK_ROWS) { BLOCK_ROWS } else { 1 }
    }

    /// A weight, whether kept or not.
    pub(crate) fn weight(&self, row: usize, column: usize) -> f32 {
        let at = row * self.columns + column;
        match &self.weights {
            Weights::Single(bytes) => f32::from_le_bytes(bytes.as_chunks().0[at]),
            Weights::Half(bytes) => finite_half(u16::from_le_bytes(bytes.as_chunks().0[at])),
            Weights::Int8 { values, scales } => f32::from(values[at].cast_signed()) * scales[row],
        }
    }

    /// Adds the weights of row `row`, whether kept or not, to `sums`, one a column.
    pub(crate) fn add_row(&self, row: usize, sums: &mut [f32]) {
        let columns = row * self.columns..(row + 1) * self.columns;
        match &self.weights {
            Weights::Single(bytes) => {
                for (sum, &bytes) in sums.iter_mut().zip(&bytes.as_chunks().0[columns]) {
                    *sum += f32::from_le_bytes(bytes);
                }
            }
            Weights::Half(bytes) => {
                for (sum, &bytes) in sums.iter_mut().zip(&bytes.as_chunks().0[columns]) {
                    *sum += finite_half(u16::from_le_bytes(bytes));
                }
            }
            Weights::Int8 { values, scales } => {
                for (sum, &value) in sums.iter_mut().zip(&values[columns]) {
                    *sum += f32::from(value.cast_signed()) * scales[row];
                }
            }
        }
    }
}
