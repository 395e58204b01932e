use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::format::metadata;
use crate::masks::Mask;
use crate::model::Model;
use crate::onnx::{self, ModelProto};
use crate::schema::{Schema, check_version};

/// What a gradient file says of itself.
pub(super) struct Description {
    /// `sparsecbm.schema`: the checkpoint's.
    pub schema: Schema,
    /// `sparsecbm.checkpoint`: which one it is.
    checkpoint: String,
    /// `sparsecbm.gradients`: how the file was written.
    pub written: Written,
}

/// How a gradient file was written.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    /// How weights are stored, as the exporter calls it.
    weights: String,
    /// Size of a word's embedding.
    pub embedding_size: usize,
    /// The layers whose masks are inputs, in the order of the inputs.
    pub layers: Vec<MaskInput>,
}

/// A layer whose mask is an input.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct MaskInput {
    pub name: String,
    pub rows: usize,
    pub columns: usize,
    pub block_rows: usize,
}

impl Description {
    /// Reads it from the file's metadata.
    ///
    /// # Errors
    /// `Format` where the file is no gradient file, `Version` where it is newer than this crate.
    pub fn read(file: &ModelProto) -> Result<Description> {
        let entry = |key: &str| onnx::metadata(file, key);
        let key = metadata::GRADIENTS_VERSION;
        check_version(entry(key)?, key)?;
        let key = metadata::GRADIENTS;
        let written = serde_json::from_str(entry(key)?).map_err(|e| {
            let expected = "what `sparsecbm export --with-gradients` writes";
            Error::new(ErrorKind::Format, key, e.to_string(), expected).caused_by(e)
        })?;
        let key = metadata::SCHEMA;
        Ok(Description {
            schema: Schema::from_json(entry(key)?.as_bytes(), key)?,
            checkpoint: entry(metadata::CHECKPOINT)?.into(),
            written,
        })
    }

    /// Checks that the file belongs to `model`.
    ///
    /// # Errors
    /// `Input` where it belongs to another model, or to the same one with its weights stored another way;
    /// `Model` where it contradicts the model that it says it belongs to.
    pub fn check_belongs(&self, model: &Model) -> Result<()> {
        let origin = model.origin();
        let same = |place: &str, found: &str, expected: Option<&str>| match expected {
            Some(expected) if expected == found => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Input,
                place,
                format!("'{found}'"),
                match expected {
                    Some(expected) => {
                        format!("'{expected}', as the model has it: export both at once")
                    }
                    None => "a model that says which checkpoint it is of: export it again".into(),
                },
            )),
        };
        same(metadata::CHECKPOINT, &self.checkpoint, origin.checkpoint.as_deref())?;
        same(metadata::WEIGHTS, &self.written.weights, origin.weights.as_deref())?;
        let counts = |schema: &Schema| (schema.concept_count(), schema.class_count());
        let (own, of_model) = (counts(&self.schema), counts(model.schema()));
        if own != of_model {
            let found = format!("{} concepts of {} classes", own.0, own.1);
            let expected = format!("the model's {} of {}", of_model.0, of_model.1);
            return Err(Error::new(ErrorKind::Model, metadata::SCHEMA, found, expected));
        }
        let layers = model.masks().layers.iter().map(|layer| MaskInput {
            name: layer.name.clone(),
            rows: layer.rows,
            columns: layer.columns,
            block_rows: layer.block_rows,
        });
        let own = &self.written.layers;
        if !layers.eq(own.iter().cloned()) {
            let found = format!("{} layers of other names or sizes", own.len());
            let expected = format!("the model's {}", model.masks().layers.len());
            return Err(Error::new(ErrorKind::Model, metadata::GRADIENTS, found, expected));
        }
        Ok(())
    }

    /// Checks that `masks` are those of the file's layers.
    ///
    /// # Errors
    /// `Input` where they are not.
    pub fn check_masks(&self, masks: &[Mask]) -> Result<()> {
        let layers = &self.written.layers;
        let of = |mask: &Mask| MaskInput {
            name: mask.layer().into(),
            rows: mask.rows(),
            columns: mask.columns(),
            block_rows: mask.block_rows(),
        };
        if masks.iter().map(of).eq(layers.iter().cloned()) {
            return Ok(());
        }
        let found = format!("{} masks of other names or sizes", masks.len());
        let expected = format!("one for each of the file's {} layers, in its order", layers.len());
        Err(Error::new(ErrorKind::Input, "masks", found, expected))
    }
}
