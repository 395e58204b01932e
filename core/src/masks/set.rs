use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Mask;

/// All masks of one matrix, as `LAYER.mask_bits` of `docs/reference/checkpoint.md` holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskSet {
    layer: Arc<str>,
    rows: usize,
    columns: usize,
    block_rows: usize,
    count: usize,
    /// `[count, rows / block_rows, ⌈columns / 8⌉]`, lowest bit first.
    bits: Bytes,
}

impl MaskSet {
    /// The `count` masks of a matrix of `rows` by `columns`; `None` where `bits` are not as many as the sizes say.
    pub fn new(
        layer: impl Into<Arc<str>>,
        [rows, columns]: [usize; 2],
        block_rows: usize,
        count: usize,
        bits: impl Into<Bytes>,
    ) -> Option<MaskSet> {
        let bits = bits.into();
        let whole = block_rows > 0 && rows.is_multiple_of(block_rows);
        let one = rows.checked_div(block_rows)?.checked_mul(columns.div_ceil(8))?;
        let fits =
            one.checked_mul(count) == Some(bits.len()) && rows.checked_mul(columns).is_some();
        (whole && fits).then(|| MaskSet {
            layer: layer.into(),
            rows,
            columns,
            block_rows,
            count,
            bits,
        })
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

    /// How many masks there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The bits of all masks, one after the other.
    pub fn bits(&self) -> &Bytes {
        &self.bits
    }

    /// Mask k, of 0 to `count` − 1.
    ///
    /// # Panics
    /// Where there is no such mask.
    pub fn mask(&self, k: usize) -> Mask {
        let bits = self.bits.slice(self.bytes_of(k));
        Mask::new(self.layer.clone(), self.rows, self.columns, self.block_rows, bits)
            .expect("a set's masks are of its sizes")
    }

    /// All masks, in order.
    pub fn masks(&self) -> impl Iterator<Item = Mask> + '_ {
        (0..self.count).map(|k| self.mask(k))
    }

    /// Puts a mask in the place of mask k.
    ///
    /// # Panics
    /// Where there is no such mask, or the new one is of another shape.
    pub fn replace(&mut self, k: usize, mask: &Mask) {
        let shape = (mask.rows(), mask.columns(), mask.block_rows());
        assert_eq!(shape, (self.rows, self.columns, self.block_rows), "a mask of the set's shape");
        let own = self.bytes_of(k);
        let mut bits = BytesMut::from(std::mem::take(&mut self.bits));
        bits[own].copy_from_slice(mask.bits());
        self.bits = bits.freeze();
    }

    fn bytes_of(&self, k: usize) -> std::ops::Range<usize> {
        assert!(k < self.count, "mask {k} of {}", self.count);
        let size = self.bits.len() / self.count;
        k * size..(k + 1) * size
    }
}
