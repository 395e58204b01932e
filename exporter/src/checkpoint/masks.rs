//! The masks of a checkpoint's layers, in either form: all of a layer's, or one of them.

use sparsecbm::format::tensors as names;
use sparsecbm::{Mask, MaskSet, Result};

use super::tensors::Tensors;
use crate::backbone::LinearLayer;

/// How a checkpoint holds the masks of a layer.
enum Form {
    /// As bits, of blocks of this many rows.
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
    Ok(Mask::pack(&kept, layer.columns))
}

fn set(layer: &LinearLayer, block_rows: usize, count: usize, bits: Vec<u8>) -> MaskSet {
    MaskSet::new(layer.name.as_str(), [layer.rows, layer.columns], block_rows, count, bits)
        .expect("as many bits as the layer's sizes say")
}

/// Puts `masks` in the place of those of their layer in `tensors`.
pub(super) fn replace(masks: &MaskSet, tensors: &mut Tensors) {
    for k in 0.. {
        let listed = names::mask_list(masks.layer(), k);
        if !tensors.contains(&listed) {
            break;
        }
        tensors.remove(&listed);
    }
    let blocks = masks.rows() / masks.block_rows();
    let shape = vec![masks.count(), blocks, masks.columns().div_ceil(8)];
    tensors.replace_bytes(&names::mask_bits(masks.layer()), shape, masks.bits().to_vec());
}

/// The bits of a row's last byte that stand for no column.
fn unused_bits(columns: usize) -> u8 {
    match columns % 8 {
        0 => 0,
        used => u8::MAX << used,
    }
}
