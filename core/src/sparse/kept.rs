//! Which weights of a matrix count: those that its mask keeps and that are not 0. A large model has billions, so they
//! are looked at as bits, 64 at a time, and at the weights themselves once a tensor, however many masks it has.

use std::collections::HashMap;

use super::half::finite_half;
use super::kernel::BLOCK_ROWS;
use super::lower::{Linear, Matched, Mismatch};
use super::masked::{Masked, Weights};
use crate::format::nodes;
use crate::masks::set_bits;
use crate::spread::spread;

/// What was found in the tensors of some products.
#[derive(Default)]
pub(super) struct Looks {
    by_tensor: HashMap<Tensor, Look>,
}

/// Tells the tensor of a matrix from others: where its elements lie, and its shape.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Tensor {
    place: usize,
    rows: usize,
    columns: usize,
}

/// What a look at all elements of a tensor says.
struct Look {
    is_finite: bool,
    /// For each row, whether one of its weights is 0.
    zeros: Vec<bool>,
}

impl Looks {
    /// A look at the weights of these products on this many threads, at each tensor once.
    ///
    /// # Errors
    /// Where a weight is not finite.
    pub(super) fn at<'a>(
        linears: impl IntoIterator<Item = &'a Linear>,
        threads: usize,
    ) -> Matched<Looks> {
        let linears: Vec<&Linear> = linears.into_iter().collect();
        let mut tensors: Vec<&Masked> = linears.iter().map(|linear| &linear.weight).collect();
        tensors.sort_by_key(|weight| weight.tensor());
        tensors.dedup_by_key(|weight| weight.tensor());
        let size = |weight: &&Masked| weight.rows * weight.columns;
        let look = |weight: &&Masked| Ok((weight.tensor(), weight.look()));
        let looks = spread(&tensors, threads, size, look).expect("a look does not fail");
        let by_tensor: HashMap<Tensor, Look> = looks.into_iter().collect();
        let infinite = |linear: &&&Linear| !by_tensor[&linear.weight.tensor()].is_finite;
        match linears.iter().find(infinite) {
            None => Ok(Looks { by_tensor }),
            Some(linear) => {
                let node = nodes::name(&linear.name, "MatMul");
                Err(Mismatch::at_node(&node, "finite weights", "others"))
            }
        }
    }

    /// The weights that count of a matrix; one that was not looked at may have zeros anywhere.
    pub(super) fn kept<'a>(&'a self, weight: &'a Masked) -> Kept<'a> {
        let look = self.by_tensor.get(&weight.tensor());
        Kept { weight, zeros: look.map(|look| look.zeros.as_slice()) }
    }
}

impl Masked {
    fn tensor(&self) -> Tensor {
        let (Weights::Single(bytes) | Weights::Half(bytes) | Weights::Int8 { values: bytes, .. }) =
            &self.weights;
        Tensor { place: bytes.as_ptr() as usize, rows: self.rows, columns: self.columns }
    }

    /// All weights are looked at, so that the processor takes many at once.
    fn look(&self) -> Look {
        let row = |row: usize| row * self.columns..(row + 1) * self.columns;
        let rows = (0..self.rows).map(|index| match &self.weights {
            Weights::Single(bytes) => {
                let own = bytes.as_chunks().0[row(index)].iter();
                own.fold((true, false), |(finite, zero), &bytes| {
                    let bits = u32::from_le_bytes(bytes) & 0x7fff_ffff;
                    (finite & (bits < 0x7f80_0000), zero | (bits == 0))
                })
            }
            Weights::Half(bytes) => {
                let own = bytes.as_chunks().0[row(index)].iter();
                own.fold((true, false), |(finite, zero), &bytes| {
                    let bits = u16::from_le_bytes(bytes) & 0x7fff;
                    (finite & (bits < 0x7c00), zero | (bits == 0))
                })
            }
            // A scale may be so small that more than 0 becomes 0.
            Weights::Int8 { scales, .. } => (scales[index].is_finite(), true),
        });
        let (finite, zeros): (Vec<bool>, Vec<bool>) = rows.unzip();
        Look { is_finite: finite.into_iter().all(|finite| finite), zeros }
    }
}

/// A matrix and which of its weights count.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) weight: &'a Masked,
    /// For each row, whether one of its weights is 0; `None`: any may be.
    zeros: Option<&'a [bool]>,
}

impl Kept<'_> {
    /// Words of a row's bits.
    pub(super) fn width(self) -> usize {
        self.weight.columns.div_ceil(64)
    }

    /// The bits of row `row`, lowest first, into as many words as it has.
    pub(super) fn row(self, row: usize, words: &mut [u64]) {
        let Masked { columns, mask, .. } = self.weight;
        match mask {
            None => words.fill(u64::MAX),
            Some(mask) => {
                for (word, bytes) in
                    words.iter_mut().zip(mask.block(row / mask.block_rows()).chunks(8))
                {
                    let mut whole = [0; 8];
                    whole[..bytes.len()].copy_from_slice(bytes);
                    *word = u64::from_le_bytes(whole);
                }
            }
        }
        if let Some(last) = words.last_mut()
            && columns % 64 != 0
        {
            *last &= (1 << (columns % 64)) - 1;
        }
        if self.zeros.is_none_or(|zeros| zeros[row]) {
            self.without_zeros(row, words);
        }
    }

    /// Clears the bits of weights that are 0.
    fn without_zeros(self, row: usize, words: &mut [u64]) {
        fn clear<T>(words: &mut [u64], weights: &[T], counts: impl Fn(&T) -> bool) {
            for (word, weights) in words.iter_mut().zip(weights.chunks(64)) {
                let bits = weights.iter().enumerate();
                *word &=
                    bits.fold(0, |bits, (bit, weight)| bits | u64::from(counts(weight)) << bit);
            }
        }
        let Masked { columns, weights, .. } = self.weight;
        let own = row * columns..(row + 1) * columns;
        match weights {
            Weights::Single(bytes) => {
                clear(words, &bytes.as_chunks().0[own], |&bytes| f32::from_le_bytes(bytes) != 0.0);
            }
            Weights::Half(bytes) => clear(words, &bytes.as_chunks().0[own], |&bytes| {
                finite_half(u16::from_le_bytes(bytes)) != 0.0
            }),
            Weights::Int8 { values, scales } => clear(words, &values[own], |&value| {
                f32::from(value.cast_signed()) * scales[row] != 0.0
            }),
        }
    }

    /// Whether row `row` keeps nothing.
    pub(super) fn is_killed(self, row: usize) -> bool {
        let mut words = vec![0; self.width()];
        self.row(row, &mut words);
        words.iter().all(|&word| word == 0)
    }

    /// The columns that some of `rows` keep.
    pub(super) fn union(self, rows: impl IntoIterator<Item = usize>) -> Vec<u64> {
        let (mut union, mut words) = (vec![0; self.width()], vec![0; self.width()]);
        for row in rows {
            self.row(row, &mut words);
            union.iter_mut().zip(&words).for_each(|(union, own)| *union |= own);
        }
        union
    }

    /// Height of the blocks in which weights are kept. Where zeros are the mask, it is 4 if rows side by
    /// side keep nearly the same columns: a weight of a block may have been 0 before.
    pub(super) fn block_rows(self) -> usize {
        if let Some(mask) = &self.weight.mask {
            return mask.block_rows();
        }
        let (mut kept, mut in_blocks) = (0, 0);
        for group in 0..self.weight.rows / BLOCK_ROWS {
            let rows = group * BLOCK_ROWS..(group + 1) * BLOCK_ROWS;
            kept += rows.clone().map(|row| count(&self.union([row]))).sum::<usize>();
            in_blocks += BLOCK_ROWS * count(&self.union(rows));
        }
        let nearly = 10 * kept >= 9 * in_blocks;
        if nearly && self.weight.rows.is_multiple_of(BLOCK_ROWS) { BLOCK_ROWS } else { 1 }
    }
}

/// How many bits are set.
pub(super) fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Where bits are set, ascending.
pub(super) fn bits(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    let words = words.iter().enumerate();
    words.flat_map(|(place, &word)| set_bits(word).map(move |bit| 64 * place + bit))
}
