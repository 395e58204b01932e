use sparsecbm::Result;

use super::tensors::Tensors;
use crate::backbone::LinearLayer;

/// The K masks of one linear layer, packed as `docs/checkpoint.md` says of `mask_bits`.
pub(crate) struct Masks {
    /// Outputs of the layer.
    pub(crate) rows: usize,
    /// Inputs of the layer.
    pub(crate) columns: usize,
    /// Height of the blocks in which weights are kept.
    pub(crate) block_rows: usize,
    /// `[K, rows / block_rows, ⌈columns / 8⌉]`.
    pub(crate) bits: Vec<u8>,
}

impl Masks {
    /// Reads the masks of `layer`, in whichever of the two forms the checkpoint holds them.
    pub(crate) fn read(tensors: &Tensors, layer: &LinearLayer, concepts: usize) -> Result<Masks> {
        let packed = format!("{}.mask_bits", layer.name);
        let listed = |k: usize| format!("{}.mask_list.{k}", layer.name);
        match (tensors.contains(&packed), tensors.contains(&listed(0))) {
            (true, false) => Masks::read_packed(tensors, &packed, layer, concepts),
            (false, true) => {
                if tensors.contains(&listed(concepts)) {
                    let found = format!("a mask for more than {concepts} concepts");
                    return Err(tensors.wrong(&listed(concepts), found, "one mask a concept"));
                }
                Masks::read_listed(tensors, listed, layer, concepts)
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

    fn read_packed(
        tensors: &Tensors,
        name: &str,
        layer: &LinearLayer,
        concepts: usize,
    ) -> Result<Masks> {
        let shape = tensors.shape(name)?;
        let width = layer.columns.div_ceil(8);
        let fits = |shape: &[usize]| match *shape {
            [k, blocks, bytes] => {
                k == concepts && bytes == width && blocks > 0 && layer.rows.is_multiple_of(blocks)
            }
            _ => false,
        };
        if !fits(shape) {
            let (rows, columns) = (layer.rows, layer.columns);
            return Err(tensors.wrong(
                name,
                format!("shape {shape:?}"),
                format!(
                    "shape [{concepts}, R, {width}], R a divisor of {rows}: \
                     {concepts} masks of {rows} × {columns} weights"
                ),
            ));
        }
        let masks = Masks {
            rows: layer.rows,
            columns: layer.columns,
            block_rows: layer.rows / shape[1],
            bits: tensors.bytes(name)?,
        };
        let unused = unused_bits(layer.columns);
        if masks.bits.chunks(width).any(|row| row[width - 1] & unused != 0) {
            let found = format!("a bit set beyond column {}", layer.columns - 1);
            return Err(tensors.wrong(name, found, "unused bits that are 0"));
        }
        Ok(masks)
    }

    fn read_listed(
        tensors: &Tensors,
        name: impl Fn(usize) -> String,
        layer: &LinearLayer,
        concepts: usize,
    ) -> Result<Masks> {
        let width = layer.columns.div_ceil(8);
        let mut bits = Vec::with_capacity(concepts * layer.rows * width);
        for k in 0..concepts {
            tensors.expect_shape(&name(k), &layer.stored_shape())?;
            let kept = layer.turned(tensors.zeros_and_ones(&name(k))?);
            bits.extend(pack_rows(&kept, layer.columns));
        }
        Ok(Masks { rows: layer.rows, columns: layer.columns, block_rows: 1, bits })
    }

    /// A mask for each concept that leaves out the share `sparsity` of the blocks of `block_rows` outputs by one
    /// input, those that `random` says.
    pub(super) fn by_chance(
        layer: &LinearLayer,
        sparsity: f64,
        block_rows: usize,
        concepts: usize,
        random: &mut fastrand::Rng,
    ) -> Masks {
        let LinearLayer { rows, columns, .. } = *layer;
        let blocks = rows / block_rows * columns;
        let count = ((1.0 - sparsity) * blocks as f64).round() as usize;
        let mut kept: Vec<bool> = (0..blocks).map(|block| block < count).collect();
        let mut bits = Vec::new();
        for _ in 0..concepts {
            random.shuffle(&mut kept);
            bits.extend(pack_rows(&kept, columns));
        }
        Masks { rows, columns, block_rows, bits }
    }

    /// For each concept as many weights as it keeps here, but single ones: by chance, in the rows and columns of which it
    /// keeps something.
    pub(super) fn in_single_weights(&self, concepts: usize, random: &mut fastrand::Rng) -> Masks {
        let (rows, columns) = (self.rows, self.columns);
        let mut bits = Vec::new();
        for k in 0..concepts {
            let own: Vec<bool> =
                self.apply(k, vec![1.0; rows * columns]).into_iter().map(|w| w != 0.0).collect();
            let in_column = |column: usize| own[column..].iter().step_by(columns).any(|&kept| kept);
            let live_columns: Vec<usize> =
                (0..columns).filter(|&column| in_column(column)).collect();
            let live_rows = (0..rows).filter(|row| own[row * columns..][..columns].contains(&true));
            let mut places: Vec<usize> = live_rows
                .flat_map(|row| live_columns.iter().map(move |column| row * columns + column))
                .collect();
            random.shuffle(&mut places);
            places.truncate(own.iter().filter(|&&kept| kept).count());
            let mut kept = vec![false; rows * columns];
            places.into_iter().for_each(|place| kept[place] = true);
            bits.extend(pack_rows(&kept, columns));
        }
        Masks { rows, columns, block_rows: 1, bits }
    }

    /// Puts these in the place of the masks of `layer`, `concepts` of them now, in `tensors`.
    pub(super) fn replace(self, tensors: &mut Tensors, layer: &LinearLayer, concepts: usize) {
        for k in 0.. {
            let listed = format!("{}.mask_list.{k}", layer.name);
            if !tensors.contains(&listed) {
                break;
            }
            tensors.remove(&listed);
        }
        let shape = vec![concepts, self.rows / self.block_rows, self.columns.div_ceil(8)];
        tensors.replace_bytes(&format!("{}.mask_bits", layer.name), shape, self.bits);
    }

    /// The packed bits of mask k.
    pub(crate) fn of_concept(&self, k: usize) -> &[u8] {
        let size = self.rows / self.block_rows * self.columns.div_ceil(8);
        &self.bits[k * size..(k + 1) * size]
    }

    /// The rows that mask k keeps, where it is structured by rows: each is kept whole or dead, and some are dead.
    pub(crate) fn live_rows(&self, k: usize) -> Option<Vec<usize>> {
        let width = self.columns.div_ceil(8);
        let whole = self.columns;
        let mut live = Vec::new();
        for (block, bits) in self.of_concept(k).chunks(width).enumerate() {
            match bits.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() {
                0 => {}
                kept if kept == whole => {
                    live.extend(block * self.block_rows..(block + 1) * self.block_rows);
                }
                _ => return None,
            }
        }
        if live.is_empty() {
            // A matrix has a row.
            live.push(0);
        }
        (live.len() < self.rows).then_some(live)
    }

    /// weight ⊙ mask k; `weight` is row-major.
    pub(crate) fn apply(&self, k: usize, mut weight: Vec<f32>) -> Vec<f32> {
        let (own, width) = (self.of_concept(k), self.columns.div_ceil(8));
        for (row, values) in weight.chunks_mut(self.columns).enumerate() {
            let bits = &own[row / self.block_rows * width..][..width];
            for (column, value) in values.iter_mut().enumerate() {
                if bits[column / 8] >> (column % 8) & 1 == 0 {
                    *value = 0.0;
                }
            }
        }
        weight
    }
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
