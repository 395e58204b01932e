//! Checkpoints with other parts than their files hold: what variants that only measure something are made with. Nothing
//! here checks that the parts fit together.

use sparsecbm::{MaskSet, Result, Schema};

use super::{Checkpoint, masks};
use crate::backbone::Body;

#[doc(hidden)]
impl Checkpoint {
    /// The names of all tensors.
    pub fn tensor_names(&self) -> Vec<String> {
        self.tensors.names()
    }

    /// A tensor's shape and elements, row-major.
    ///
    /// # Errors
    /// `Model` where there is none, or it does not hold floats.
    pub fn tensor(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let values = self.tensors.floats(name)?;
        Ok((self.tensors.shape(name)?.to_vec(), values))
    }

    /// Puts a tensor in the place of that of the name.
    pub fn replace_tensor(&mut self, name: &str, shape: Vec<usize>, values: &[f32]) {
        self.tensors.replace(name, shape, values);
    }

    /// The tensor that holds the backbone's position embeddings, where it has such a table, and the row of the first
    /// position.
    pub fn position_table(&self) -> Option<(String, usize)> {
        let Body::Transformer(transformer) = &self.backbone.body else { return None };
        transformer.positions.as_ref().map(|own| (own.table.weight_name(), own.first))
    }

    /// Puts masks in the place of those of their layer.
    pub fn replace_masks(&mut self, masks: &MaskSet) {
        let layers = self.layers.iter_mut();
        for known in layers.filter(|known| known.layer.name == masks.layer()) {
            known.block_rows = masks.block_rows();
        }
        masks::replace(masks, &mut self.tensors);
    }

    /// Puts a schema in the place of its own.
    pub fn replace_schema(&mut self, schema: Schema) {
        self.schema_json =
            serde_json::to_string(&schema).expect("names and finite numbers are JSON");
        self.schema = schema;
    }
}
