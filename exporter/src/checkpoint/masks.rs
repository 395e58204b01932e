//! The masks of a checkpoint's layers, in either form: all of a layer's, or one of them.

use sparsecbm::format::tensors as names;
use sparsecbm::{Mask, MaskSet, Result};

use super::tensors::Tensors;
use crate::backbone::LinearLayer;

/// How a checkpoint holds the masks of a layer.
enum Form {
    /// As bits, of blocks of so many rows.
    Packed { name: String, block_rows: usize },
    /// As a tensor of zeros and ones for each concept.
    Listed,
}

/// Reads the masks of `layer`, in whichever of the two forms the checkpoint holds them.
pub(crate) fn read(tensors: &Tensors, layer: &LinearLayer, concepts: usize) -> Result<MaskSet> {
    let form = form(tensors, layer, concepts)?;
    let (bits, block_rows) = match &form {
        Form::Packed { name, block_rows } => (tensors.bytes(name)?, *block_rows),
        Form::Listed => {
            let mut bits = Vec::with_capacity(concepts * layer.rows * layer.columns.div_ceil(8));
            for k in 0..concepts {
                bits.extend(listed(tensors, layer, k)?);
            }
            (bits, 1)
        }
    };
    check_unused(tensors, &form, layer, &bits)?;
    Ok(set(layer, block_rows, concepts, bits))
}

/// Reads one mask of `layer`, that of concept `k`, and none of the others.
pub(crate) fn read_one(
    tensors: &Tensors,
    layer: &LinearLayer,
    concepts: usize,
    k: usize,
) -> Result<Mask> {
    let form = form(tensors, layer, concepts)?;
    let (bits, block_rows) = match &form {
        Form::Packed { name, block_rows } => {
            let size = layer.rows / block_rows * layer.columns.div_ceil(8);
            (tensors.bytes_within(name, k * size..(k + 1) * size)?, *block_rows)
        }
        Form::Listed => (listed(tensors, layer, k)?, 1),
    };
    check_unused(tensors, &form, layer, &bits)?;
    Ok(set(layer, block_rows, 1, bits).mask(0))
}

fn form(tensors: &Tensors, layer: &LinearLayer, concepts: usize) -> Result<Form> {
    let packed = names::mask_bits(&layer.name);
    let listed = |k: usize| names::mask_list(&layer.name, k);
    match (tensors.contains(&packed), tensors.contains(&listed(0))) {
        (true, false) => packed_form(tensors, packed, layer, concepts),
        (false, true) => {
            if tensors.contains(&listed(concepts)) {
                let found = format!("a mask for more than {concepts} concepts");
                return Err(tensors.wrong(&listed(concepts), found, "one mask a concept"));
            }
            Ok(Form::Listed)
        }
        (true, true) => Err(tensors.wrong(
            &layer.name,
            "masks both as mask_bits and as mask_list",
            "one of the two",
        )),
        (false, false) => {
            let expected = format!("'{packed}' or '{}'", listed(0));
            Err(tensors.wrong(&layer.name, "no masks", expected))
        }
    }
}

fn packed_form(
    tensors: &Tensors,
    name: String,
    layer: &LinearLayer,
    concepts: usize,
) -> Result<Form> {
    let shape = tensors.shape(&name)?;
    let width = layer.columns.div_ceil(8);
    match *shape {
        [k, blocks, bytes]
            if k == concepts
                && bytes == width
                && blocks > 0
                && layer.rows.is_multiple_of(blocks) =>
        {
            Ok(Form::Packed { name, block_rows: layer.rows / blocks })
        }
        _ => {
            let (rows, columns) = (layer.rows, layer.columns);
            Err(tensors.wrong(
                &name,
                format!("shape {shape:?}"),
                format!(
                    "shape [{concepts}, R, {width}], R a divisor of {rows}: \
                     {concepts} masks of {rows} × {columns} weights"
                ),
            ))
        }
    }
}

fn check_unused(tensors: &Tensors, form: &Form, layer: &LinearLayer, bits: &[u8]) -> Result<()> {
    let Form::Packed { name, .. } = form else { return Ok(()) };
    let (width, unused) = (layer.columns.div_ceil(8), unused_bits(layer.columns));
    if bits.chunks(width).any(|row| row[width - 1] & unused != 0) {
        let found = format!("a bit set beyond column {}", layer.columns - 1);
        return Err(tensors.wrong(name, found, "unused bits that are 0"));
    }
    Ok(())
}

/// The packed bits of a mask that is a tensor of its own.
fn listed(tensors: &Tensors, layer: &LinearLayer, k: usize) -> Result<Vec<u8>> {
    let name = names::mask_list(&layer.name, k);
    tensors.expect_shape(&name, &layer.stored_shape())?;
    let kept = layer.as_out_in(tensors.zeros_and_ones(&name)?);
    Ok(pack_rows(&kept, layer.columns).collect())
}

fn set(layer: &LinearLayer, block_rows: usize, count: usize, bits: Vec<u8>) -> MaskSet {
    MaskSet::new(layer.name.as_str(), [layer.rows, layer.columns], block_rows, count, bits)
        .expect("as many bits as the layer's sizes say")
}

/// A mask for each concept that leaves out the share `sparsity` of the blocks of `block_rows` outputs by one
/// input, those that `random` says.
pub(super) fn at_random(
    layer: &LinearLayer,
    sparsity: f64,
    block_rows: usize,
    concepts: usize,
    random: &mut fastrand::Rng,
) -> MaskSet {
    let LinearLayer { rows, columns, .. } = *layer;
    let blocks = rows / block_rows * columns;
    let count = ((1.0 - sparsity) * blocks as f64).round() as usize;
    let mut kept: Vec<bool> = (0..blocks).map(|block| block < count).collect();
    let mut bits = Vec::new();
    for _ in 0..concepts {
        random.shuffle(&mut kept);
        bits.extend(pack_rows(&kept, columns));
    }
    set(layer, block_rows, concepts, bits)
}

/// For each concept as many weights as it keeps in `masks`, but single ones: at random, in the rows and columns of which
/// it keeps something.
pub(super) fn in_single_weights(
    layer: &LinearLayer,
    masks: &MaskSet,
    random: &mut fastrand::Rng,
) -> MaskSet {
    let LinearLayer { rows, columns, .. } = *layer;
    let mut bits = Vec::new();
    for mask in masks.masks() {
        let own: Vec<bool> =
            mask.apply(vec![1.0; rows * columns]).into_iter().map(|w| w != 0.0).collect();
        let in_column = |column: usize| own[column..].iter().step_by(columns).any(|&kept| kept);
        let live_columns: Vec<usize> = (0..columns).filter(|&column| in_column(column)).collect();
        let live_rows = (0..rows).filter(|row| own[row * columns..][..columns].contains(&true));
        let mut indices: Vec<usize> = live_rows
            .flat_map(|row| live_columns.iter().map(move |column| row * columns + column))
            .collect();
        random.shuffle(&mut indices);
        indices.truncate(own.iter().filter(|&&kept| kept).count());
        let mut kept = vec![false; rows * columns];
        indices.into_iter().for_each(|index| kept[index] = true);
        bits.extend(pack_rows(&kept, columns));
    }
    set(layer, 1, masks.count(), bits)
}

/// `count` masks of `layer` that keep everything.
pub(super) fn whole(layer: &LinearLayer, block_rows: usize, count: usize) -> MaskSet {
    let kept = vec![true; layer.rows / block_rows * layer.columns];
    let one: Vec<u8> = pack_rows(&kept, layer.columns).collect();
    set(layer, block_rows, count, one.repeat(count))
}

/// Of `masks` those that `chosen` numbers, in that order.
pub(super) fn taken(layer: &LinearLayer, masks: &MaskSet, chosen: &[usize]) -> MaskSet {
    let bits = chosen.iter().flat_map(|&k| masks.mask(k).bits().to_vec()).collect();
    set(layer, masks.block_rows(), chosen.len(), bits)
}

/// Puts `masks` in the place of those of `layer` in `tensors`.
pub(super) fn replace(masks: &MaskSet, tensors: &mut Tensors, layer: &LinearLayer) {
    for k in 0.. {
        let listed = names::mask_list(&layer.name, k);
        if !tensors.contains(&listed) {
            break;
        }
        tensors.remove(&listed);
    }
    let blocks = masks.rows() / masks.block_rows();
    let shape = vec![masks.count(), blocks, masks.columns().div_ceil(8)];
    tensors.replace_bytes(&names::mask_bits(&layer.name), shape, masks.bits().to_vec());
}

/// The bytes of some rows, each with a last one filled up.
fn pack_rows(kept: &[bool], columns: usize) -> impl Iterator<Item = u8> {
    kept.chunks(columns).flat_map(|row| row.chunks(8).map(pack))
}

/// Up to eight values as a byte, the first as its lowest bit.
fn pack(values: &[bool]) -> u8 {
    values.iter().enumerate().fold(0, |byte, (bit, &kept)| byte | u8::from(kept) << bit)
}

/// The bits of a row's last byte that stand for no column.
fn unused_bits(columns: usize) -> u8 {
    match columns % 8 {
        0 => 0,
        used => u8::MAX << used,
    }
}
