use serde::Deserialize;

use crate::onnx::{self, ModelProto};
use crate::schema::check_version;
use crate::{Error, ErrorKind, Model, Result};

/// What a gradient file says of itself: `sparsecbm.gradients`.
#[derive(Debug, Deserialize)]
pub(super) struct Description {
    /// How weights are stored, as the exporter calls it.
    weights: String,
    /// Size of a word's embedding.
    pub embedding_size: usize,
    /// The layers whose masks are inputs, in the order of the inputs.
    pub layers: Vec<MaskedLayer>,
}

/// A layer whose mask is an input.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct MaskedLayer {
    pub name: String,
    pub rows: usize,
    pub columns: usize,
    pub block_rows: usize,
}

impl Description {
    /// Reads it, and checks that the file belongs to `model`.
    ///
    /// # Errors
    /// `Format` where the file is no gradient file, `Version` where it is newer than this crate, `Input` where
    /// it belongs to another model, or to the same one with its weights stored another way.
    pub fn read(file: &ModelProto, model: &Model) -> Result<Description> {
        let metadata = |key: &str| onnx::metadata(file, key);
        let key = "sparsecbm.gradients.version";
        check_version(metadata(key)?, key)?;
        let key = "sparsecbm.gradients";
        let description: Description = serde_json::from_str(metadata(key)?).map_err(|e| {
            let expected = "what `sparsecbm export --with-gradients` writes";
            Error::new(ErrorKind::Format, key, e.to_string(), expected).caused_by(e)
        })?;
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
                    None => "a model that says which checkpoint it is of: export it anew".into(),
                },
            )),
        };
        let key = "sparsecbm.checkpoint";
        same(key, metadata(key)?, origin.checkpoint.as_deref())?;
        same("weights", &description.weights, origin.weights.as_deref())?;
        let layers = model.masks().layers.iter().map(|layer| MaskedLayer {
            name: layer.name.clone(),
            rows: layer.rows,
            columns: layer.columns,
            block_rows: layer.block_rows,
        });
        if !layers.eq(description.layers.iter().cloned()) {
            let found = format!("{} layers of other names or sizes", description.layers.len());
            let expected = format!("the model's {}", model.masks().layers.len());
            return Err(Error::new(ErrorKind::Model, "sparsecbm.gradients", found, expected));
        }
        Ok(description)
    }
}
