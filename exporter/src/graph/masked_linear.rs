//! The one place where masks enter the graph.

use sparsecbm::Result;
use sparsecbm::format::{blocks, tensors};
use sparsecbm::onnx::{DataType, DimensionValue};

use super::builder::{integer, integers, string};
use super::dense::cast;
use super::elements::Elements;
use super::writer::{Branch, MaskScope};
use crate::backbone::LinearLayer;
use crate::checkpoint::Checkpoint;
use crate::weights::MaskForm;

impl Branch<'_, '_> {
    /// x · (weight ⊙ mask)ᵀ + bias, under each of the branch's masks.
    pub(super) fn masked_linear(&mut self, layer: &LinearLayer, x: &str) -> Result<String> {
        let mut live = None;
        let weight = match (self.writer.masks, self.scope) {
            (MaskForm::Folded, MaskScope::One { mask, .. }) => {
                let survey = self.writer.survey;
                live = survey.and_then(|survey| survey.live_rows(layer, mask)).map(<[_]>::to_vec);
                self.folded(layer, mask, live.clone())
            }
            (MaskForm::Folded, MaskScope::All) => self.stacked(layer),
            (MaskForm::Packed, _) => self.unpacked(layer),
        };
        let scope = self.scope(&layer.name);
        let builder = &mut self.writer.builder;
        let swapped = match self.scope {
            MaskScope::One { .. } => integers("perm", &blocks::TRANSPOSED),
            MaskScope::All => integers("perm", &[0, 2, 1]),
        };
        let transposed = builder.node_with(&scope, "Transpose", &[&weight], vec![swapped]);
        let mut product = builder.node(&scope, "MatMul", &[x, &transposed]);
        if let Some(live) = live {
            product = self.with_dead_rows(layer, &live, &product);
        }
        if !layer.bias {
            return Ok(product);
        }
        let bias = self.writer.own_floats(&layer.bias_name())?;
        Ok(self.writer.add(&scope, &product, &bias))
    }

    /// The branch's own weight, its zeros the mask; of its rows the live ones where some are dead.
    fn folded(&mut self, layer: &LinearLayer, mask: usize, live: Option<Vec<usize>>) -> String {
        let scope = self.scope(&layer.name);
        let name = tensors::weight(&scope);
        let (own, columns) = (layer.clone(), layer.columns);
        let rows = live.as_ref().map_or(layer.rows, Vec::len);
        let product = move |checkpoint: &Checkpoint| {
            let product = checkpoint.mask(&own, mask)?.apply(checkpoint.weight(&own)?);
            let row = |&row: &usize| &product[row * columns..(row + 1) * columns];
            Ok(match &live {
                Some(live) => live.iter().flat_map(row).copied().collect(),
                None => product,
            })
        };
        let scales = self.writer.store(&name, &[rows, columns], product);
        self.writer.restore(&scope, name, scales)
    }

    /// `[K, out, in]`: the weight under every mask, their zeros the masks. Dead rows stay: one product has all.
    fn stacked(&mut self, layer: &LinearLayer) -> String {
        let concepts = self.writer.checkpoint.schema.concept_count();
        let name = layer.weight_name();
        let own = layer.clone();
        let products = move |checkpoint: &Checkpoint| {
            let (masks, weight) = (checkpoint.masks(&own)?, checkpoint.weight(&own)?);
            Ok(masks.masks().flat_map(|mask| mask.apply(weight.clone())).collect())
        };
        let shape = [concepts, layer.rows, layer.columns];
        let scales = self.writer.store(&name, &shape, products);
        self.writer.restore(&layer.name, name, scales)
    }

    /// The outputs of all rows from those of the live ones: what a dead row gives, apart from its bias, is 0.
    fn with_dead_rows(&mut self, layer: &LinearLayer, live: &[usize], product: &str) -> String {
        let scope = self.scope(&layer.name);
        let mut indices = vec![live.len() as i64; layer.rows];
        for (index, &row) in live.iter().enumerate() {
            indices[row] = index as i64;
        }
        let builder = &mut self.writer.builder;
        let bytes = indices.iter().flat_map(|index| index.to_le_bytes()).collect();
        let name = tensors::live_rows(&scope);
        builder.constant(&name, &[layer.rows], DataType::Int64, bytes);
        // One more column, of zeros, after the last.
        let end = builder.integers(&[0, 0, 0, 0, 0, 1]);
        let zero = builder.float(0.0);
        let padded = builder.node(&scope, "Pad", &[product, &end, &zero]);
        builder.node_with(&scope, "Gather", &[&padded, &name], vec![integer("axis", 2)])
    }

    /// The shared weight times the branch's masks, unpacked from their bits: `[out, in]`, or `[K, out, in]`
    /// under all of them.
    fn unpacked(&mut self, layer: &LinearLayer) -> String {
        let block_rows = self.writer.checkpoint.layer(&layer.name).block_rows;
        let weight = self.shared_weight(layer, block_rows);
        let mask = self.unpacked_mask(layer, block_rows);
        let scope = self.scope(&layer.name);
        let builder = &mut self.writer.builder;
        let product = builder.node(&scope, "Mul", &[&weight, &mask]);
        if block_rows == 1 {
            return product;
        }
        let size = [layer.rows as i64, layer.columns as i64];
        let shape = match self.scope {
            MaskScope::One { .. } => size.to_vec(),
            MaskScope::All => [&[-1], &size[..]].concat(),
        };
        let shape = builder.integers(&shape);
        builder.node(&scope, "Reshape", &[&product, &shape])
    }

    /// The shared weight as floats: `[out, in]`, or `[out / B, B, in]` where blocks are B > 1 high.
    /// The first branch writes it.
    fn shared_weight(&mut self, layer: &LinearLayer, block_rows: usize) -> String {
        let writer = &mut *self.writer;
        if let Some(weight) = writer.shared_weights.get(&layer.name) {
            return weight.clone();
        }
        let name = layer.weight_name();
        let own = layer.clone();
        let values = move |checkpoint: &Checkpoint| checkpoint.weight(&own);
        let scales = writer.store(&name, &[layer.rows, layer.columns], values);
        let mut weight = writer.restore(&layer.name, name, scales);
        if block_rows > 1 {
            let shape = blocks::blocked_weight(layer.rows, layer.columns, block_rows);
            let shape = writer.builder.integers(&shape);
            weight = writer.builder.node(&layer.name, "Reshape", &[&weight, &shape]);
        }
        writer.shared_weights.insert(layer.name.clone(), weight.clone());
        weight
    }

    /// The branch's mask as 0.0 and 1.0: `[out, in]`, or `[out / B, 1, in]` where blocks are B > 1 high;
    /// under all masks K of them, `[K, …]`. Its bits are a constant, or where a gradient is taken by them, an
    /// input.
    fn unpacked_mask(&mut self, layer: &LinearLayer, block_rows: usize) -> String {
        let scope = self.scope(&layer.name);
        let concepts = self.writer.checkpoint.schema.concept_count();
        let builder = &mut self.writer.builder;
        let (rows, width) = (layer.rows / block_rows, layer.columns.div_ceil(8));
        let bits = tensors::mask_bits(&layer.name);
        let shifts = tensors::BIT_POSITIONS;
        builder.constant(shifts, &[8], DataType::Uint8, (0..8).collect());
        let lowest = tensors::LOWEST_BIT;
        builder.constant(lowest, &[1], DataType::Uint8, vec![1]);

        let mut shape = vec![];
        let own = match (&self.writer.variables, self.scope) {
            (Some(_), _) => {
                let shape = [rows, width].map(|size| DimensionValue::DimValue(size as i64));
                builder.input(&bits, DataType::Uint8, &shape);
                bits
            }
            (None, own_scope) => {
                let all = Elements::Masks(layer.clone());
                builder.described(&bits, &[concepts, rows, width], DataType::Uint8, all);
                match own_scope {
                    MaskScope::One { mask, .. } => {
                        let index = builder.integer(mask as i64);
                        let axis = vec![integer("axis", 0)];
                        builder.node_with(&scope, "Gather", &[&bits, &index], axis)
                    }
                    MaskScope::All => {
                        shape.push(concepts as i64);
                        bits
                    }
                }
            }
        };
        let last = builder.integers(&[shape.len() as i64 + blocks::BIT_AXIS]);
        let column = builder.node(&scope, "Unsqueeze", &[&own, &last]);
        let (attribute, direction) = blocks::SHIFT;
        let right = vec![string(attribute, direction)];
        let shifted = builder.node_with(&scope, "BitShift", &[&column, shifts], right);
        let single = builder.node(&scope, "BitwiseAnd", &[&shifted, lowest]);
        shape.extend(blocks::unpacked_mask(rows, block_rows, width));
        let last_axis = shape.len() as i64 - 1;
        let shape = builder.integers(&shape);
        let mut row = builder.node(&scope, "Reshape", &[&single, &shape]);
        if 8 * width > layer.columns {
            let start = builder.integers(&[0]);
            let end = builder.integers(&[layer.columns as i64]);
            let axis = builder.integers(&[last_axis]);
            row = builder.node(&scope, "Slice", &[&row, &start, &end, &axis]);
        }
        let mask = cast(builder, &scope, &row);
        if let Some(variables) = &mut self.writer.variables {
            variables.masks.push((layer.name.clone(), mask.clone()));
        }
        mask
    }
}
