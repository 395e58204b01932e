use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::schema::check_version;
use crate::{Error, ErrorKind, MaskBits, Result, Schema};

/// Version of the patch file's format: `docs/edits.md`.
const PATCH_VERSION: &str = "1.0";

/// Bits of one concept's mask that are to be flipped: a small change of a model, kept beside it.
///
/// [`Model::with_patches`](crate::Model::with_patches) makes it; dropping the patch undoes it exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskPatch {
    /// `major.minor` of the patch file's format.
    version: String,
    /// The concept whose mask it changes.
    pub concept: String,
    /// What it was made for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The matrices whose masks it changes, each once.
    pub layers: Vec<LayerPatch>,
}

/// The bits to flip in the mask of one matrix. A place is a row of blocks and a column: of a mask in
/// blocks of B rows, `[r, c]` stands for the weights in rows rB to rB + B − 1 of column c.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerPatch {
    /// The linear layer's name in the backbone.
    pub name: String,
    /// Places that the mask keeps before the patch, and not after it.
    pub pruned: Vec<[usize; 2]>,
    /// Places that the mask keeps after the patch, and not before it.
    pub grown: Vec<[usize; 2]>,
}

impl MaskPatch {
    /// A patch of the mask of `concept`.
    pub fn new(concept: impl Into<String>, layers: Vec<LayerPatch>) -> MaskPatch {
        MaskPatch { version: PATCH_VERSION.into(), concept: concept.into(), note: None, layers }
    }

    /// How many bits it flips.
    pub fn flips(&self) -> usize {
        self.layers.iter().map(|layer| layer.pruned.len() + layer.grown.len()).sum()
    }

    /// Reads a patch file.
    ///
    /// # Errors
    /// `Io` where the file cannot be read, else as [`MaskPatch::from_json`]; the path is named.
    pub fn load(path: impl AsRef<Path>) -> Result<MaskPatch> {
        let place = path.as_ref().display().to_string();
        let json = std::fs::read(path.as_ref()).map_err(|e| {
            Error::new(ErrorKind::Io, &place, e.to_string(), "a readable file").caused_by(e)
        })?;
        MaskPatch::from_json(&json).map_err(|e| e.within(place))
    }

    /// Writes a patch file.
    ///
    /// # Errors
    /// `Io` where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        std::fs::write(path.as_ref(), self.to_json()).map_err(|e| {
            let place = path.as_ref().display().to_string();
            Error::new(ErrorKind::Io, place, e.to_string(), "a file that can be written")
                .caused_by(e)
        })
    }

    /// Reads a patch from JSON. Whether it fits a model is looked at when it is applied.
    ///
    /// # Errors
    /// `Format` for broken JSON or a missing field, `Version` for a newer major version.
    pub fn from_json(json: &[u8]) -> Result<MaskPatch> {
        #[derive(Deserialize)]
        struct Versioned {
            version: String,
        }
        let broken = |e: serde_json::Error| {
            let expected = "a mask patch as JSON";
            Error::new(ErrorKind::Format, "patch", e.to_string(), expected).caused_by(e)
        };
        // The version is read first: the rest of a newer file may not parse.
        let versioned: Versioned = serde_json::from_slice(json).map_err(broken)?;
        check_version(&versioned.version, "patch: version")?;
        serde_json::from_slice(json).map_err(broken)
    }

    /// The patch as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers are JSON")
    }
}

/// Flips the bits of `patches`, in order, in `matrices`, and gives the products whose masks changed:
/// `CONCEPT/LAYER`, as the file calls them.
///
/// # Errors
/// `Input` where a patch names a concept, matrix or place that the model does not have, or expects a bit
/// to be other than it is.
pub(crate) fn apply(
    patches: &[MaskPatch],
    schema: &Schema,
    matrices: &mut [MaskBits],
) -> Result<BTreeSet<String>> {
    let mut changed = BTreeSet::new();
    for (index, patch) in patches.iter().enumerate() {
        patch
            .apply(schema, matrices, &mut changed)
            .map_err(|e| e.within(format!("patch {index}")))?;
    }
    Ok(changed)
}

impl MaskPatch {
    fn apply(
        &self,
        schema: &Schema,
        matrices: &mut [MaskBits],
        changed: &mut BTreeSet<String>,
    ) -> Result<()> {
        let mask = schema.mask_of(schema.concept_index(&self.concept)?);
        for layer in &self.layers {
            let matrix = matrices.iter_mut().find(|matrix| matrix.name == layer.name);
            let matrix = matrix.ok_or_else(|| {
                let found = format!("'{}'", layer.name);
                Error::new(ErrorKind::Input, "layer", found, "the name of a masked matrix")
            })?;
            layer.flip(matrix, mask)?;
            changed.insert(format!("{}/{}", schema.concepts[mask].name, layer.name));
        }
        Ok(())
    }
}

impl LayerPatch {
    fn flip(&self, matrix: &mut MaskBits, mask: usize) -> Result<()> {
        let (blocks, columns, width) = (matrix.blocks(), matrix.columns, matrix.width());
        let start = mask * blocks * width;
        let mut bits = matrix.bits.to_vec();
        let pruned = self.pruned.iter().map(|place| (place, true));
        let grown = self.grown.iter().map(|place| (place, false));
        for (&[row, column], kept) in pruned.chain(grown) {
            let wrong = |found: String, expected: String| {
                let place = format!("'{}': place [{row}, {column}]", self.name);
                Err(Error::new(ErrorKind::Input, place, found, expected))
            };
            if row >= blocks || column >= columns {
                let found = "a place outside".into();
                return wrong(found, format!("one of {blocks} rows and {columns} columns"));
            }
            let byte = &mut bits[start + row * width + column / 8];
            let bit = 1 << (column % 8);
            if (*byte & bit != 0) != kept {
                let state =
                    |kept| if kept { "a bit that is kept" } else { "a bit that is not kept" };
                let made =
                    "as in the model that the patch was made for, with the patches before it";
                return wrong(state(!kept).into(), format!("{}, {made}", state(kept)));
            }
            *byte ^= bit;
        }
        matrix.bits = bits.into();
        Ok(())
    }
}
