use std::collections::{BTreeSet, HashMap};
use std::mem::size_of;

use super::{LayerMasks, MaskSet};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{nodes, tensors};
use crate::onnx::{self, DataType, ModelProto, TensorProto};
use crate::schema::{Schema, Semantics};

/// The masks of one matrix, and how a file holds them.
#[derive(Debug, Clone)]
pub(crate) struct StoredMasks {
    /// K masks; one where the file has a weight under mask 0 alone.
    pub set: MaskSet,
    storage: Storage,
}

/// How a file holds the masks of one matrix.
#[derive(Debug, Clone)]
enum Storage {
    /// As bits, `LAYER.mask_bits`.
    Packed,
    /// As the zeros of each mask's `CONCEPT/LAYER.weight`, and the row of the matrix that each of its rows is.
    Folded(Vec<Vec<usize>>),
    /// As the zeros of `LAYER.weight`, `[K, rows, columns]`.
    Stacked,
}

type Initializers<'a> = HashMap<&'a str, &'a TensorProto>;

impl StoredMasks {
    /// The masks of all matrices that `layers` lists. In a model of `as-executed` semantics every concept uses mask 0.
    ///
    /// # Errors
    /// `Model` where masks are missing or are not of the shape that `layers` says.
    pub(crate) fn read_all(
        file: &ModelProto,
        schema: &Schema,
        layers: &[LayerMasks],
    ) -> Result<Vec<StoredMasks>> {
        let all = file.graph.iter().flat_map(|graph| &graph.initializer);
        let initializers = all.map(|tensor| (tensor.name.as_str(), tensor)).collect();
        layers.iter().map(|layer| StoredMasks::read(&initializers, schema, layer)).collect()
    }

    /// As [`StoredMasks::read_all`], of a file that holds them as bits.
    ///
    /// # Errors
    /// `Input` where the file holds its masks as zeros of the weights.
    pub(crate) fn read_packed(
        file: &ModelProto,
        schema: &Schema,
        layers: &[LayerMasks],
    ) -> Result<Vec<StoredMasks>> {
        let all = StoredMasks::read_all(file, schema, layers)?;
        match all.iter().find(|masks| !matches!(masks.storage, Storage::Packed)) {
            None => Ok(all),
            Some(folded) => {
                let name = tensors::mask_bits(folded.set.layer());
                let found = format!("no initializer '{name}': masks folded into the weights");
                let expected = "masks as bits, beside the weights they leave out: a file that \
                                `sparsecbm export --masks packed` wrote";
                Err(Error::new(ErrorKind::Input, "masks", found, expected))
            }
        }
    }

    fn read(file: &Initializers, schema: &Schema, about: &LayerMasks) -> Result<StoredMasks> {
        let whole = about.block_rows > 0 && about.rows.is_multiple_of(about.block_rows);
        // The largest product of sizes below: bytes of all weights.
        let weights = about.rows.checked_mul(about.columns).unwrap_or(0);
        let bytes = weights.checked_mul(schema.concept_count() * size_of::<f32>()).unwrap_or(0);
        if bytes == 0 || !whole {
            let place = format!("sparsecbm.masks: '{}'", about.name);
            let found =
                format!("{} × {} in blocks of {}", about.rows, about.columns, about.block_rows);
            return Err(Error::new(ErrorKind::Model, place, found, "whole blocks of rows"));
        }
        let packed = tensors::mask_bits(&about.name);
        if let Some(tensor) = file.get(packed.as_str()) {
            read_packed(tensor, about, schema.concept_count())
        } else if let Some(tensor) = file.get(tensors::weight(&about.name).as_str()) {
            read_stacked(tensor, about, schema.concept_count())
        } else {
            read_folded(file, about, schema)
        }
    }

    /// Puts masks into the file that they were read from, of which those of the products `changed` (`CONCEPT/LAYER`)
    /// are other ones now. A file that holds them as zeros can lose weights, but not get any back.
    ///
    /// # Errors
    /// `Model` where a weight is not of the type that it was read as.
    pub(crate) fn write_all(
        all: &[StoredMasks],
        changed: &BTreeSet<String>,
        schema: &Schema,
        file: &mut ModelProto,
    ) -> Result<()> {
        let mut elements = Vec::new();
        let initializers: Initializers = {
            let all = file.graph.iter().flat_map(|graph| &graph.initializer);
            all.map(|tensor| (tensor.name.as_str(), tensor)).collect()
        };
        for StoredMasks { set, storage } in all {
            let is_changed = |k: usize| {
                changed.contains(&nodes::of_concept(&schema.concepts[k].name, set.layer()))
            };
            let rows: Vec<usize> = (0..set.rows()).collect();
            match storage {
                Storage::Packed => {
                    elements.push((tensors::mask_bits(set.layer()), set.bits().clone()));
                }
                Storage::Stacked if !(0..set.count()).any(is_changed) => {}
                Storage::Stacked => {
                    let name = tensors::weight(set.layer());
                    if let Some(tensor) = initializers.get(name.as_str()) {
                        let mut weights = tensor.raw_data.to_vec();
                        let one = weights.len() / set.count();
                        for (k, own) in weights.chunks_mut(one).enumerate() {
                            clear(own, element_size(tensor)?, set, k, &rows);
                        }
                        elements.push((name, weights.into()));
                    }
                }
                Storage::Folded(stored_rows) => {
                    let rows = stored_rows.iter().enumerate();
                    for (k, rows) in rows.filter(|&(k, _)| is_changed(k)) {
                        let name = folded_name(schema, k, set.layer());
                        if let Some(tensor) = initializers.get(name.as_str()) {
                            let mut weights = tensor.raw_data.to_vec();
                            clear(&mut weights, element_size(tensor)?, set, k, rows);
                            elements.push((name, weights.into()));
                        }
                    }
                }
            }
        }
        onnx::replace_elements(file, elements);
        Ok(())
    }
}

fn folded_name(schema: &Schema, mask: usize, layer: &str) -> String {
    nodes::of_concept(&schema.concepts[mask].name, &tensors::weight(layer))
}

/// Sets the weights to 0 that mask k does not keep; elements take `size` bytes each, and `rows` are held.
fn clear(weights: &mut [u8], size: usize, set: &MaskSet, k: usize, rows: &[usize]) {
    let mask = set.mask(k);
    for (index, weight) in weights.chunks_mut(size).enumerate() {
        if !mask.keeps_weight(rows[index / set.columns()], index % set.columns()) {
            weight.fill(0);
        }
    }
}

fn read_packed(tensor: &TensorProto, about: &LayerMasks, concepts: usize) -> Result<StoredMasks> {
    let (blocks, width) = (about.rows / about.block_rows, about.columns.div_ceil(8));
    let shape = [concepts, blocks, width].map(|size| size as i64);
    let kind = DataType::Uint8 as i32;
    let set = (tensor.dims == shape && tensor.data_type == kind)
        .then(|| set(about, concepts, tensor.raw_data.clone()))
        .flatten();
    match set {
        Some(set) => Ok(StoredMasks { set, storage: Storage::Packed }),
        None => {
            let found = format!("element type {}, shape {:?}", tensor.data_type, tensor.dims);
            let expected = format!("uint8 of shape {shape:?}, as sparsecbm.masks says");
            let place = format!("initializer '{}'", tensor.name);
            Err(Error::new(ErrorKind::Model, place, found, expected))
        }
    }
}

fn read_stacked(tensor: &TensorProto, about: &LayerMasks, concepts: usize) -> Result<StoredMasks> {
    let size = element_size(tensor)?;
    let each = about.rows * about.columns * size;
    if tensor.raw_data.len() != concepts * each {
        let (rows, columns) = (about.rows, about.columns);
        return Err(wrong(tensor, format!("{concepts} × {rows} × {columns} weights")));
    }
    let rows: Vec<usize> = (0..about.rows).collect();
    let own = tensor.raw_data.chunks(each).flat_map(|own| bits_of(own, size, &rows, about));
    let set = set(about, concepts, own.collect::<Vec<u8>>()).expect("as many as the sizes say");
    Ok(StoredMasks { set, storage: Storage::Stacked })
}

fn read_folded(file: &Initializers, about: &LayerMasks, schema: &Schema) -> Result<StoredMasks> {
    let count = match schema.semantics {
        Semantics::AsIntended => schema.concept_count(),
        Semantics::AsExecuted => 1,
    };
    let (mut bits, mut stored_rows) = (Vec::new(), Vec::new());
    for k in 0..count {
        let name = folded_name(schema, k, &about.name);
        let tensor = file.get(name.as_str()).ok_or_else(|| {
            let expected = format!("'{}' or '{name}'", tensors::mask_bits(&about.name));
            Error::new(ErrorKind::Model, "initializers", "neither", expected)
        })?;
        let size = element_size(tensor)?;
        let rows = read_live_rows(file, &schema.concepts[k].name, about)?;
        if tensor.raw_data.len() != rows.len() * about.columns * size {
            let expected = format!("{} × {} weights", rows.len(), about.columns);
            return Err(wrong(tensor, expected));
        }
        bits.extend(bits_of(&tensor.raw_data, size, &rows, about));
        stored_rows.push(rows);
    }
    let set = set(about, count, bits).expect("as many as the sizes say");
    Ok(StoredMasks { set, storage: Storage::Folded(stored_rows) })
}

fn set(about: &LayerMasks, count: usize, bits: impl Into<bytes::Bytes>) -> Option<MaskSet> {
    let sizes = [about.rows, about.columns];
    MaskSet::new(about.name.as_str(), sizes, about.block_rows, count, bits)
}

/// The bits that the zeros of a weight stand for, whose elements take `size` bytes and which holds `rows`.
fn bits_of(weight: &[u8], size: usize, rows: &[usize], about: &LayerMasks) -> Vec<u8> {
    let width = about.columns.div_ceil(8);
    let mut mask = vec![0; about.rows / about.block_rows * width];
    for (index, element) in weight.chunks(size).enumerate() {
        if element.iter().any(|&byte| byte != 0) {
            let (row, column) = (rows[index / about.columns], index % about.columns);
            mask[row / about.block_rows * width + column / 8] |= 1 << (column % 8);
        }
    }
    mask
}

/// The rows that the file holds of a folded weight: all, or those that `CONCEPT/LAYER.places` gives a place in it. The
/// others are zeros, which the graph puts back.
fn read_live_rows(file: &Initializers, concept: &str, about: &LayerMasks) -> Result<Vec<usize>> {
    let name = tensors::live_rows(&nodes::of_concept(concept, &about.name));
    let Some(tensor) = file.get(name.as_str()) else { return Ok((0..about.rows).collect()) };
    let indices: Vec<i64> =
        tensor.raw_data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    // Rows are in order, and each that is not there has the index after the last.
    let last = indices.iter().copied().max().unwrap_or(0);
    let held: Vec<usize> = (0..indices.len()).filter(|&row| indices[row] < last).collect();
    let in_order = held.iter().enumerate().all(|(index, &row)| indices[row] == index as i64);
    if indices.len() != about.rows || !in_order || held.len() as i64 != last {
        return Err(wrong(tensor, format!("places of {} rows in order", about.rows)));
    }
    Ok(held)
}

/// Bytes of one element of a weight.
fn element_size(tensor: &TensorProto) -> Result<usize> {
    match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => Ok(4),
        Ok(DataType::Float16) => Ok(2),
        Ok(DataType::Int8) => Ok(1),
        _ => Err(wrong(tensor, "float, float16 or int8 weights".into())),
    }
}

fn wrong(tensor: &TensorProto, expected: String) -> Error {
    let found = format!("type {}, {} bytes", tensor.data_type, tensor.raw_data.len());
    Error::new(ErrorKind::Model, format!("initializer '{}'", tensor.name), found, expected)
}
