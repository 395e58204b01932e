//! Checkpoints made from a checkpoint, to measure what its shape costs.

use sparsecbm::schema::Semantics;
use sparsecbm::{MaskSet, Result};

use super::{Checkpoint, MaskedLayer, masks};
use crate::backbone::LinearLayer;

/// In the place of zeros: ordinary, and exact in 16 bits.
const SOME_WEIGHT: f32 = 1.0 / 1024.0;

/// Where masks by chance begin.
const SEED: u64 = 0;

impl Checkpoint {
    /// The same backbone without masks, run once for all concepts: what the price of subnetworks is
    /// compared with. Its answers mean nothing: weights that no mask keeps may be stored as zeros, and are
    /// given a value here, so that whoever counts or skips zeros finds none.
    ///
    /// # Errors
    /// `Model` where a weight cannot be read.
    pub fn into_one_dense_pass(mut self) -> Result<Checkpoint> {
        self.schema.semantics = Semantics::AsExecuted;
        let concepts = self.schema.concept_count();
        self.with_other_masks(|checkpoint, layer| {
            let own = checkpoint.layer(&layer.name);
            Ok(masks::whole(layer, own.block_rows, concepts))
        })
    }

    /// The same model under masks by chance, each of which leaves out the share `sparsity` of a layer's weights, in
    /// blocks of `block_rows` outputs (one where they do not divide the layer's): what is measured to see how costs
    /// fall with sparsity. Its answers mean nothing, and weights that are 0 are given a value, as
    /// [`into_one_dense_pass`](Checkpoint::into_one_dense_pass) does.
    ///
    /// # Errors
    /// `Model` where a weight cannot be read.
    pub fn with_masks_by_chance(self, sparsity: f64, block_rows: usize) -> Result<Checkpoint> {
        let concepts = self.schema.concept_count();
        let mut random = fastrand::Rng::with_seed(SEED);
        self.with_other_masks(|_, layer| {
            let block_rows = if layer.rows.is_multiple_of(block_rows) { block_rows } else { 1 };
            Ok(masks::at_random(layer, sparsity, block_rows, concepts, &mut random))
        })
    }

    /// The same model under masks that keep as many weights of each layer as its own, but single ones: by chance, in the
    /// rows and columns of which its own keep something, so that whole heads and neurons that are gone stay so. Answers and
    /// zeros are as [`with_masks_by_chance`](Checkpoint::with_masks_by_chance) has them.
    ///
    /// # Errors
    /// `Model` where a mask or weight cannot be read.
    pub fn in_single_weights(self) -> Result<Checkpoint> {
        let mut random = fastrand::Rng::with_seed(SEED);
        self.with_other_masks(|checkpoint, layer| {
            let own = checkpoint.masks(layer)?;
            Ok(masks::in_single_weights(layer, &own, &mut random))
        })
    }

    fn with_other_masks(
        mut self,
        mut other: impl FnMut(&Checkpoint, &LinearLayer) -> Result<MaskSet>,
    ) -> Result<Checkpoint> {
        for index in 0..self.layers.len() {
            let layer = self.layers[index].layer.clone();
            let masks = other(&self, &layer)?;
            self.layers[index].block_rows = masks.block_rows();
            masks::replace(&masks, &mut self.tensors, &layer);
            let weight = self.without_zeros(&layer)?;
            let name = format!("{}.weight", layer.name);
            self.tensors.replace(&name, layer.stored_shape().to_vec(), &weight);
        }
        Ok(self.with_schema_written())
    }

    /// A layer's weights as they are stored.
    fn without_zeros(&self, layer: &LinearLayer) -> Result<Vec<f32>> {
        let mut weight = self.tensors.floats(&format!("{}.weight", layer.name))?;
        weight.iter_mut().filter(|w| **w == 0.0).for_each(|w| *w = SOME_WEIGHT);
        Ok(weight)
    }

    /// A model of `count` concepts, made by taking this one's in turns, each with its mask and heads: what
    /// is measured to see how costs grow with concepts. Its answers mean nothing.
    ///
    /// # Errors
    /// `Model` where a head cannot be read.
    pub fn with_concepts(mut self, count: usize) -> Result<Checkpoint> {
        let own = self.schema.concept_count();
        let turns: Vec<usize> = (0..count).map(|k| k % own).collect();
        for MaskedLayer { layer, .. } in &self.layers {
            let masks = masks::read(&self.tensors, layer, own)?;
            masks::replace(&masks::taken(layer, &masks, &turns), &mut self.tensors, layer);
        }
        let old_shapes = self.heads.shapes(&self.backbone, &self.schema);
        let schema = &mut self.schema;
        let calibration = &mut schema.calibration;
        if !calibration.class_logits.is_empty() {
            take(&mut calibration.class_logits, &turns);
        }
        take(&mut calibration.mean_concept_logits, &turns);
        take(&mut calibration.mean_concept_probabilities, &turns);
        take(&mut schema.concepts, &turns);
        for (k, concept) in schema.concepts.iter_mut().enumerate().skip(own) {
            let field = schema.data_fields.concepts[&concept.name].clone();
            concept.name = format!("{} {}", concept.name, k / own + 1);
            schema.data_fields.concepts.insert(concept.name.clone(), field);
        }
        let shapes = self.heads.shapes(&self.backbone, &self.schema);
        for ((name, old), (_, new)) in old_shapes.into_iter().zip(shapes) {
            // Concept heads are `[K, …]`, what reads all concepts is `[…, K · C]`, the rest has no concepts.
            let of_one: usize = match name {
                "label_head.bias" | "suppose_hidden.bias" | "suppose_hidden.output" => continue,
                _ if name.starts_with("concept_") => old[1..].iter().product(),
                _ => old[1] / own,
            };
            let values = self.tensors.floats(name)?;
            let part = |row: &[f32], k: usize| row[k * of_one..(k + 1) * of_one].to_vec();
            let rows = values.chunks(of_one * own);
            let repeated = rows.flat_map(|row| turns.iter().flat_map(move |&k| part(row, k)));
            self.tensors.replace(name, new, &repeated.collect::<Vec<f32>>());
        }
        Ok(self.with_schema_written())
    }

    fn with_schema_written(mut self) -> Checkpoint {
        self.schema_json =
            serde_json::to_string(&self.schema).expect("names and finite numbers are JSON");
        self
    }
}

fn take<T: Clone>(values: &mut Vec<T>, turns: &[usize]) {
    *values = turns.iter().map(|&k| values[k].clone()).collect();
}
