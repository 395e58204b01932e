use std::collections::HashMap;

use ndarray::{Array1, Array2, Axis};
use sparsecbm::Result;

use super::matrix;
use crate::backbone::{LinearLayer, Table};
use crate::checkpoint::{Checkpoint, MaskedLayer};
use crate::weights::{MaskForm, Stored, WeightForm};

/// The backbone's weights under one mask.
pub(super) struct Parameters {
    /// Linear layers and embedding tables.
    matrices: HashMap<String, Array2<f32>>,
    /// Biases and norms.
    vectors: HashMap<String, Array1<f32>>,
}

impl Parameters {
    pub(super) fn of_mask(
        checkpoint: &Checkpoint,
        k: usize,
        rounding: Option<(WeightForm, MaskForm)>,
    ) -> Result<Parameters> {
        let rounded = |values, columns, name: &str| rounded(values, columns, name, rounding);
        let mut parameters = Parameters { matrices: HashMap::new(), vectors: HashMap::new() };
        for MaskedLayer { layer, .. } in &checkpoint.layers {
            let mask = checkpoint.mask(layer, k)?;
            let name = layer.weight_name();
            let weight = checkpoint.weight(layer)?;
            // Folded files store the masked weight, packed ones mask the stored weight.
            let weight = match rounding {
                Some((_, MaskForm::Folded)) => rounded(mask.apply(weight), layer.columns, &name)?,
                _ => mask.apply(rounded(weight, layer.columns, &name)?),
            };
            parameters.matrices.insert(name, matrix(layer.rows, weight));
        }
        for (name, shape) in checkpoint.backbone.dense_tensors() {
            let values = checkpoint.tensors.floats(&name)?;
            match *shape {
                [rows, columns] => {
                    let values = rounded(values, columns, &name)?;
                    parameters.matrices.insert(name, matrix(rows, values));
                }
                _ => {
                    parameters.vectors.insert(name, Array1::from_vec(values));
                }
            }
        }
        Ok(parameters)
    }

    /// The rows of a table of embeddings.
    pub(super) fn words(&self, table: &Table, ids: &[u32]) -> Array2<f32> {
        let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
        self.matrix(&table.weight_name()).select(Axis(0), &rows)
    }

    /// Puts a weight in the place of a layer's, and gives that one.
    pub(super) fn exchange(&mut self, layer: &LinearLayer, weight: Array2<f32>) -> Array2<f32> {
        let known = self.matrices.insert(layer.weight_name(), weight);
        known.expect("every layer has a weight")
    }

    pub(super) fn matrix(&self, name: &str) -> &Array2<f32> {
        &self.matrices[name]
    }

    pub(super) fn vector(&self, name: &str) -> &Array1<f32> {
        &self.vectors[name]
    }

    /// x · Wᵀ + b
    pub(super) fn linear(&self, layer: &LinearLayer, x: &Array2<f32>) -> Array2<f32> {
        let product = x.dot(&self.matrix(&layer.weight_name()).t());
        if layer.bias { product + self.vector(&layer.bias_name()) } else { product }
    }
}

/// The numbers that a file of these forms gives back.
pub(super) fn rounded(
    values: Vec<f32>,
    columns: usize,
    name: &str,
    rounding: Option<(WeightForm, MaskForm)>,
) -> Result<Vec<f32>> {
    match rounding {
        Some((weights, _)) => Ok(Stored::new(weights, values, columns, name)?.restored(columns)),
        None => Ok(values),
    }
}
