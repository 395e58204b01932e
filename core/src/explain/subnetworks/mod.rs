//! Which weights each concept uses.

mod report;
mod responsibility;

use std::path::Path;

use bytes::Bytes;
pub use report::{LayerSubnetworks, SubnetworkReport, Units};
pub use responsibility::{Loss, Responsibility, SwitchedOff};

use crate::error::Result;
use crate::exported::Exported;
use crate::masks::{Mask, MaskSet, StoredMasks};
use crate::model::Model;
use crate::onnx::{self, ModelProto};
use crate::schema::Schema;

/// The masks of a model: [`Model::subnetworks`].
pub struct Subnetworks {
    schema: Schema,
    /// Heads of each attention layer, where the file tells.
    attention_heads: Option<usize>,
    sets: Vec<MaskSet>,
}

impl Model {
    /// Which weights each concept uses, with the model's patches. In a model of `as-executed` semantics every concept
    /// uses mask 0.
    ///
    /// # Errors
    /// `Model` where masks are missing or do not have the shape that the file's metadata says.
    pub fn subnetworks(&self) -> Result<Subnetworks> {
        let sets = self.stored_masks()?.into_iter().map(|masks| masks.set).collect();
        let attention_heads = self.origin().attention_heads;
        Ok(Subnetworks { schema: self.schema().clone(), attention_heads, sets })
    }
}

impl Subnetworks {
    /// The masks of an exported file whose model is not wanted: no engine is loaded.
    ///
    /// # Errors
    /// `Io` where the file cannot be read, else as [`Subnetworks::from_bytes`]; the path is named.
    pub fn load(path: impl AsRef<Path>) -> Result<Subnetworks> {
        let path = path.as_ref();
        Subnetworks::from_graph(&onnx::read(path)?).map_err(|e| e.within(path.display()))
    }

    /// The same of a file in memory.
    ///
    /// # Errors
    /// `Format` where the bytes are not an exported file, `Version` where it is newer than this crate,
    /// `Model` where masks are missing or do not have the shape that the metadata says.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Subnetworks> {
        Subnetworks::from_graph(&onnx::decode_whole(bytes.into())?)
    }

    fn from_graph(file: &ModelProto) -> Result<Subnetworks> {
        let Exported { schema, masks, origin } = Exported::read(file)?;
        let sets = StoredMasks::read_all(file, &schema, &masks.layers)?;
        let sets = sets.into_iter().map(|masks| masks.set).collect();
        Ok(Subnetworks { schema, attention_heads: origin.attention_heads, sets })
    }

    /// What the concepts are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

/// The weights of one matrix that concept k keeps, split by whether another concept keeps them too: (alone, shared).
/// None is its alone where another concept uses its mask.
fn split(schema: &Schema, set: &MaskSet, k: usize) -> (Mask, Mask) {
    let (concepts, mask) = (schema.concept_count(), schema.mask_of(k));
    let own = set.mask(mask);
    let others = set.masks().enumerate().filter(|&(other, _)| other != mask);
    let others = others.fold(own.nothing(), |others, (_, mask)| others.or(&mask));
    let shared = own.and(&others);
    match (0..concepts).any(|other| other != k && schema.mask_of(other) == mask) {
        true => (own.nothing(), shared),
        false => (own.and_not(&others), shared),
    }
}

impl std::fmt::Debug for Subnetworks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.sets.iter().map(MaskSet::layer).collect();
        f.debug_struct("Subnetworks").field("layers", &names).finish_non_exhaustive()
    }
}
