use std::collections::BTreeSet;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Mask, StoredMasks};
use crate::error::{Error, ErrorKind, Result};
use crate::format::nodes;
use crate::schema::{Schema, check_version};

/// Version of the patch file's format: `docs/guide/edits.md`.
const PATCH_VERSION: &str = "1.0";

/// Bits of one concept's mask that are to be flipped: a small change of a model, kept beside it.
///
/// [`Model::with_patches`](crate::Model::with_patches) makes it; dropping the patch undoes it exactly. Reading one
/// refuses a newer major version, however it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskPatch {
    /// `major.minor` of the patch file's format.
    #[serde(deserialize_with = "known_version")]
    version: String,
    /// The concept whose mask it changes.
    pub concept: String,
    /// What it was made for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The matrices whose masks it changes, each once.
    pub layers: Vec<LayerPatch>,
}

/// A version that this crate reads.
fn known_version<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<String, D::Error> {
    let version = String::deserialize(deserializer)?;
    check_version(&version, "patch: version").map_err(D::Error::custom)?;
    Ok(version)
}

/// The bits to flip in the mask of one matrix. A bit's index is a row of blocks and a column: of a mask in
/// blocks of B rows, `[r, c]` stands for the weights in rows rB to rB + B − 1 of column c.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerPatch {
    /// The linear layer's name in the backbone.
    pub name: String,
    /// The bits that the mask keeps before the patch, and not after it.
    pub pruned: Vec<[usize; 2]>,
    /// The bits that the mask keeps after the patch, and not before it.
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
/// `Input` where a patch names a concept, matrix or bit that the model does not have, or expects one
/// to be other than it is.
pub(crate) fn apply(
    patches: &[MaskPatch],
    schema: &Schema,
    matrices: &mut [StoredMasks],
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
        matrices: &mut [StoredMasks],
        changed: &mut BTreeSet<String>,
    ) -> Result<()> {
        let mask = schema.mask_of(schema.concept_index(&self.concept)?);
        for layer in &self.layers {
            let set = matrices.iter_mut().map(|matrix| &mut matrix.set);
            let set = set.into_iter().find(|set| set.layer() == layer.name).ok_or_else(|| {
                let found = format!("'{}'", layer.name);
                Error::new(ErrorKind::Input, "layer", found, "the name of a masked matrix")
            })?;
            let mut flipped = set.mask(mask);
            layer.flip(&mut flipped)?;
            set.replace(mask, &flipped);
            changed.insert(nodes::of_concept(&schema.concepts[mask].name, &layer.name));
        }
        Ok(())
    }
}

impl LayerPatch {
    /// What makes `after` of `before`; `None` where nothing does.
    pub(crate) fn between(before: &Mask, after: &Mask) -> Option<LayerPatch> {
        let flips = after.differences(before).into_iter();
        let (pruned, grown): (Vec<_>, Vec<_>) =
            flips.partition(|&[block, column]| before.keeps(block, column));
        let some = !(pruned.is_empty() && grown.is_empty());
        some.then(|| LayerPatch { name: before.layer().into(), pruned, grown })
    }

    fn flip(&self, mask: &mut Mask) -> Result<()> {
        let pruned = self.pruned.iter().map(|index| (index, true));
        let grown = self.grown.iter().map(|index| (index, false));
        for (&[row, column], kept) in pruned.chain(grown) {
            let wrong = |found: String, expected: String| {
                let place = format!("'{}': place [{row}, {column}]", self.name);
                Err(Error::new(ErrorKind::Input, place, found, expected))
            };
            if row >= mask.blocks() || column >= mask.columns() {
                let found = "a place outside".into();
                let (rows, columns) = (mask.blocks(), mask.columns());
                return wrong(found, format!("one of {rows} rows and {columns} columns"));
            }
            if mask.keeps(row, column) != kept {
                let state =
                    |kept| if kept { "a bit that is kept" } else { "a bit that is not kept" };
                let made =
                    "as in the model that the patch was made for, with the patches before it";
                return wrong(state(!kept).into(), format!("{}, {made}", state(kept)));
            }
            mask.flip(row, column);
        }
        Ok(())
    }
}
