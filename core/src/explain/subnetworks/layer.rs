use crate::onnx::{DataType, ModelProto, TensorProto};
use crate::schema::Semantics;
use crate::{Error, ErrorKind, LayerMasks, Result, Schema};

/// The masks of one matrix, as bits.
pub(super) struct Layer {
    pub name: String,
    pub rows: usize,
    pub columns: usize,
    /// Height of the blocks that one bit stands for.
    pub block_rows: usize,
    /// Bytes of one row of blocks.
    width: usize,
    /// Per mask, packed as `mask_bits` of the checkpoint format: `[rows / block_rows, width]`.
    pub masks: Vec<Vec<u8>>,
    /// Where the file holds them.
    pub stored: Stored,
    /// Of folded weights, per mask: the row of the matrix that each row of the stored weight is.
    pub stored_rows: Vec<Vec<usize>>,
}

/// How a file holds the masks of one matrix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// As bits, `LAYER.mask_bits`.
    Packed,
    /// As the zeros of `CONCEPT/LAYER.weight`.
    Folded,
    /// As the zeros of `LAYER.weight`, `[K, rows, columns]`.
    Stacked,
}

impl Layer {
    pub(super) fn read(file: &ModelProto, schema: &Schema, about: &LayerMasks) -> Result<Layer> {
        let block_rows = about.block_rows.max(1);
        // The largest product of sizes below: bytes of all weights.
        let weights = about.rows.checked_mul(about.columns).unwrap_or(0);
        let bytes = weights.checked_mul(schema.concept_count() * size_of::<f32>()).unwrap_or(0);
        if bytes == 0 || !about.rows.is_multiple_of(block_rows) {
            let place = format!("sparsecbm.masks: '{}'", about.name);
            let found = format!("{} × {} in blocks of {block_rows}", about.rows, about.columns);
            return Err(Error::new(ErrorKind::Model, place, found, "whole blocks of rows"));
        }
        let mut layer = Layer {
            name: about.name.clone(),
            rows: about.rows,
            columns: about.columns,
            block_rows,
            width: about.columns.div_ceil(8),
            masks: Vec::new(),
            stored: Stored::Packed,
            stored_rows: Vec::new(),
        };
        let concepts = schema.concept_count();
        if let Some(tensor) = initializer(file, &layer.packed_name()) {
            layer.read_packed(tensor, concepts)?;
        } else if let Some(tensor) = initializer(file, &layer.stacked_name()) {
            layer.read_stacked(tensor, concepts)?;
        } else {
            layer.read_folded(file, schema)?;
        }
        Ok(layer)
    }

    fn read_packed(&mut self, tensor: &TensorProto, concepts: usize) -> Result<()> {
        let size = self.bytes();
        let expected = concepts * size;
        if tensor.raw_data.len() != expected {
            return Err(wrong(tensor, format!("{expected} bytes of mask bits")));
        }
        self.masks = tensor.raw_data.chunks(size).map(<[u8]>::to_vec).collect();
        Ok(())
    }

    fn read_stacked(&mut self, tensor: &TensorProto, concepts: usize) -> Result<()> {
        self.stored = Stored::Stacked;
        let size = element_size(tensor)?;
        let each = self.rows * self.columns * size;
        if tensor.raw_data.len() != concepts * each {
            let (rows, columns) = (self.rows, self.columns);
            return Err(wrong(tensor, format!("{concepts} × {rows} × {columns} weights")));
        }
        let rows: Vec<usize> = (0..self.rows).collect();
        self.masks =
            tensor.raw_data.chunks(each).map(|own| self.mask_of(own, size, &rows)).collect();
        Ok(())
    }

    fn read_folded(&mut self, file: &ModelProto, schema: &Schema) -> Result<()> {
        self.stored = Stored::Folded;
        let concepts = match schema.semantics {
            Semantics::AsIntended => &schema.concepts[..],
            Semantics::AsExecuted => &schema.concepts[..1],
        };
        for concept in concepts {
            let name = self.folded_name(&concept.name);
            let tensor = initializer(file, &name).ok_or_else(|| {
                let expected = format!("'{}' or '{name}'", self.packed_name());
                Error::new(ErrorKind::Model, "initializers", "neither", expected)
            })?;
            let size = element_size(tensor)?;
            let stored_rows = self.read_places(file, &concept.name)?;
            if tensor.raw_data.len() != stored_rows.len() * self.columns * size {
                let expected = format!("{} × {} weights", stored_rows.len(), self.columns);
                return Err(wrong(tensor, expected));
            }
            self.masks.push(self.mask_of(&tensor.raw_data, size, &stored_rows));
            self.stored_rows.push(stored_rows);
        }
        Ok(())
    }

    /// The bits that the zeros of a weight stand for, whose elements take `size` bytes and which holds `rows`.
    fn mask_of(&self, weight: &[u8], size: usize, rows: &[usize]) -> Vec<u8> {
        let mut mask = vec![0; self.bytes()];
        for (index, element) in weight.chunks(size).enumerate() {
            if element.iter().any(|&byte| byte != 0) {
                let (row, column) = (rows[index / self.columns], index % self.columns);
                mask[row / self.block_rows * self.width + column / 8] |= 1 << (column % 8);
            }
        }
        mask
    }

    /// The rows that the file holds of a folded weight: all, or those that `CONCEPT/LAYER.places` gives a
    /// place in it. The others are zeros, which the graph puts back.
    fn read_places(&self, file: &ModelProto, concept: &str) -> Result<Vec<usize>> {
        let name = format!("{concept}/{}.places", self.name);
        let Some(tensor) = initializer(file, &name) else { return Ok((0..self.rows).collect()) };
        let places: Vec<i64> =
            tensor.raw_data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        // Rows are in order, and each that is not there has the place after the last.
        let last = places.iter().copied().max().unwrap_or(0);
        let held: Vec<usize> = (0..places.len()).filter(|&row| places[row] < last).collect();
        let in_order = held.iter().enumerate().all(|(place, &row)| places[row] == place as i64);
        if places.len() != self.rows || !in_order || held.len() as i64 != last {
            return Err(wrong(tensor, format!("places of {} rows in order", self.rows)));
        }
        Ok(held)
    }

    pub(super) fn packed_name(&self) -> String {
        format!("{}.mask_bits", self.name)
    }

    pub(super) fn folded_name(&self, concept: &str) -> String {
        format!("{concept}/{}.weight", self.name)
    }

    pub(super) fn stacked_name(&self) -> String {
        format!("{}.weight", self.name)
    }

    /// Bytes of one mask.
    fn bytes(&self) -> usize {
        self.rows / self.block_rows * self.width
    }

    /// Whether `mask` keeps the weight at `row` and `column`.
    pub(super) fn keeps(&self, mask: &[u8], row: usize, column: usize) -> bool {
        mask[row / self.block_rows * self.width + column / 8] >> (column % 8) & 1 == 1
    }

    /// How many weights `mask` keeps in one row.
    pub(super) fn kept_in_row(&self, mask: &[u8], row: usize) -> usize {
        let start = row / self.block_rows * self.width;
        ones(&mask[start..start + self.width])
    }

    /// How many weights `mask` keeps.
    pub(super) fn kept(&self, mask: &[u8]) -> usize {
        ones(mask) * self.block_rows
    }

    /// What mask k keeps, split by whether another mask keeps it too: (alone, shared).
    pub(super) fn split(&self, k: usize) -> (Vec<u8>, Vec<u8>) {
        let mut others = vec![0; self.bytes()];
        for (_, mask) in self.masks.iter().enumerate().filter(|&(other, _)| other != k) {
            others.iter_mut().zip(mask).for_each(|(kept, bits)| *kept |= bits);
        }
        let own = &self.masks[k];
        let alone = own.iter().zip(&others).map(|(own, others)| own & !others).collect();
        (alone, own.iter().zip(&others).map(|(own, others)| own & others).collect())
    }
}

pub(super) fn initializer<'a>(file: &'a ModelProto, name: &str) -> Option<&'a TensorProto> {
    file.graph.iter().flat_map(|graph| &graph.initializer).find(|tensor| tensor.name == name)
}

/// Bytes of one element of a weight.
pub(super) fn element_size(tensor: &TensorProto) -> Result<usize> {
    match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => Ok(4),
        Ok(DataType::Float16) => Ok(2),
        Ok(DataType::Int8) => Ok(1),
        _ => Err(wrong(tensor, "float, float16 or int8 weights".into())),
    }
}

pub(super) fn ones(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| byte.count_ones() as usize).sum()
}

fn wrong(tensor: &TensorProto, expected: String) -> Error {
    let found = format!("type {}, {} bytes", tensor.data_type, tensor.raw_data.len());
    Error::new(ErrorKind::Model, format!("initializer '{}'", tensor.name), found, expected)
}
