use bytes::Bytes;

use super::LayerMasks;
use crate::onnx::{self, DataType, ModelProto};
use crate::{Error, ErrorKind, Result};

/// The masks of one matrix as bits: `LAYER.mask_bits` of `docs/checkpoint.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskBits {
    /// The linear layer's name in the backbone.
    pub name: String,
    /// Output size of the layer.
    pub rows: usize,
    /// Input size of the layer.
    pub columns: usize,
    /// Height of the blocks that one bit stands for.
    pub block_rows: usize,
    /// `[K, rows / block_rows, ⌈columns / 8⌉]`, lowest bit first.
    pub bits: Bytes,
}

impl MaskBits {
    /// The masks of all matrices that `layers` lists, as a file holds them.
    ///
    /// # Errors
    /// `Input` where the file holds its masks as zeros of the weights; `Model` where bits are not of the
    /// shape that `layers` says.
    pub(crate) fn read_all(
        file: &ModelProto,
        layers: &[LayerMasks],
        concepts: usize,
    ) -> Result<Vec<MaskBits>> {
        layers.iter().map(|layer| MaskBits::read(file, layer, concepts)).collect()
    }

    /// Puts masks into the file that they were read from, where others of the same sizes stand.
    pub(crate) fn write_all(matrices: &[MaskBits], file: &mut ModelProto) {
        let bits = |matrix: &MaskBits| (MaskBits::tensor(&matrix.name), matrix.bits.clone());
        onnx::replace_elements(file, matrices.iter().map(bits));
    }

    fn read(file: &ModelProto, layer: &LayerMasks, concepts: usize) -> Result<MaskBits> {
        let name = MaskBits::tensor(&layer.name);
        let mut tensors = file.graph.iter().flat_map(|graph| &graph.initializer);
        let tensor = tensors.find(|tensor| tensor.name == name).ok_or_else(|| {
            let found = format!("no initializer '{name}': masks folded into the weights");
            let expected = "masks as bits, beside the weights they leave out: a file that \
                            `sparsecbm export --masks packed` wrote";
            Error::new(ErrorKind::Input, "masks", found, expected)
        })?;
        let whole = layer.block_rows > 0 && layer.rows.is_multiple_of(layer.block_rows);
        let size = (layer.rows as u64).checked_mul(layer.columns as u64);
        let counts = size.is_some_and(|size| size < 1 << 48);
        let blocks = if whole { layer.rows / layer.block_rows } else { 0 };
        let shape = [concepts, blocks, layer.columns.div_ceil(8)].map(|size| size as i64);
        let kind = DataType::Uint8 as i32;
        // Whatever shape is stated, the file's reader has checked that there are as many bytes.
        if !whole || !counts || tensor.dims != shape || tensor.data_type != kind || !stored(tensor)
        {
            let found = format!("element type {}, shape {:?}", tensor.data_type, tensor.dims);
            let expected = format!("uint8 of shape {shape:?}, as sparsecbm.masks says");
            let place = format!("initializer '{name}'");
            return Err(Error::new(ErrorKind::Model, place, found, expected));
        }
        Ok(MaskBits {
            name: layer.name.clone(),
            rows: layer.rows,
            columns: layer.columns,
            block_rows: layer.block_rows,
            bits: tensor.raw_data.clone(),
        })
    }

    /// What a file calls the bits of the masks of `layer`.
    fn tensor(layer: &str) -> String {
        format!("{layer}.mask_bits")
    }

    /// Rows of blocks.
    pub fn blocks(&self) -> usize {
        self.rows / self.block_rows
    }

    /// Bytes of one row of blocks.
    pub fn width(&self) -> usize {
        self.columns.div_ceil(8)
    }

    /// The bits of mask k: `[rows / block_rows, ⌈columns / 8⌉]`.
    pub fn mask(&self, k: usize) -> &[u8] {
        let size = self.blocks() * self.width();
        &self.bits[k * size..(k + 1) * size]
    }
}

/// Whether the elements lie in `raw_data`.
fn stored(tensor: &crate::onnx::TensorProto) -> bool {
    let count = tensor.dims.iter().product::<i64>();
    usize::try_from(count) == Ok(tensor.raw_data.len())
}
