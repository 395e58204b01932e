use std::ops::Range;

use bytes::Bytes;

use super::half::finite_half;
use crate::masks::Mask;

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
    /// Whether the parts have the sizes that they say.
    pub(crate) fn has_its_size(&self) -> bool {
        let count = self.rows * self.columns;
        let stored = match &self.weights {
            Weights::Single(bytes) => bytes.len() == 4 * count,
            Weights::Half(bytes) => bytes.len() == 2 * count,
            Weights::Int8 { values, scales } => values.len() == count && scales.len() == self.rows,
        };
        let fits = |mask: &Mask| (mask.rows(), mask.columns()) == (self.rows, self.columns);
        stored && self.mask.as_ref().is_none_or(fits)
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

    /// Whether every weight is finite. All are looked at, so that the processor takes many at once.
    pub(crate) fn is_finite(&self) -> bool {
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

    /// A weight, whether kept or not.
    pub(crate) fn weight(&self, row: usize, column: usize) -> f32 {
        let at = row * self.columns + column;
        match &self.weights {
            Weights::Single(bytes) => f32::from_le_bytes(bytes.as_chunks().0[at]),
            Weights::Half(bytes) => finite_half(u16::from_le_bytes(bytes.as_chunks().0[at])),
            Weights::Int8 { values, scales } => f32::from(values[at].cast_signed()) * scales[row],
        }
    }

    /// The bits of a weight that is a 16-bit float.
    pub(super) fn half(&self, row: usize, column: usize) -> u16 {
        let Weights::Half(bytes) = &self.weights else {
            unreachable!("asked of 16-bit floats alone")
        };
        u16::from_le_bytes(bytes.as_chunks().0[row * self.columns + column])
    }

    /// A weight that is a whole number times its row's factor, without that.
    pub(super) fn int8(&self, row: usize, column: usize) -> i8 {
        let Weights::Int8 { values, .. } = &self.weights else {
            unreachable!("asked of whole numbers alone")
        };
        values[row * self.columns + column].cast_signed()
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
