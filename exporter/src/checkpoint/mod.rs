//! A checkpoint folder, read and checked: `docs/reference/checkpoint.md`.

mod digest;
mod heads;
mod masks;
mod replace;
mod shard;
mod survey;
mod tensors;
mod tokenizer;

use std::path::{Path, PathBuf};

use sparsecbm::format::tensors::masked_layer;
use sparsecbm::{Error, ErrorKind, Mask, MaskSet, MaskStatistics, Result, Schema};

pub(crate) use self::digest::hexadecimal;
pub(crate) use self::heads::HeadSizes;
pub(crate) use self::survey::MaskSurvey;
pub(crate) use self::tensors::Tensors;
pub(crate) use self::tokenizer::Vocabulary;
use crate::backbone::{Backbone, LinearLayer};

/// A trained model as a folder. Everything in it fits together: [`Checkpoint::open`] looked. Weights and masks stay
/// in its files, which are kept open, and are read when they are asked for.
pub struct Checkpoint {
    pub(crate) folder: PathBuf,
    pub(crate) schema: Schema,
    /// `sparsecbm.json` as it is, fields of newer minor versions included.
    pub(crate) schema_json: String,
    pub(crate) tokenizer_json: String,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) backbone: Backbone,
    pub(crate) tensors: Tensors,
    pub(crate) heads: HeadSizes,
    /// The backbone's masked layers in order.
    pub(crate) layers: Vec<MaskedLayer>,
}

/// A layer whose masks were checked. They are read when they are asked for: [`Checkpoint::masks`].
pub(crate) struct MaskedLayer {
    pub(crate) layer: LinearLayer,
    /// Height of the blocks in which weights are kept.
    pub(crate) block_rows: usize,
}

impl Checkpoint {
    /// Reads and checks the checkpoint in `folder`.
    ///
    /// # Errors
    /// `Io` where a file cannot be read, `Format` where one is broken or truncated, `Version` for a
    /// newer schema, `Model` where the parts contradict each other: a tensor that is missing, of
    /// another shape or type, a mask that is not 0 and 1. Each names the file and the tensor or field.
    pub fn open(folder: impl AsRef<Path>) -> Result<Checkpoint> {
        let folder = folder.as_ref().to_path_buf();
        if !folder.is_dir() {
            let found = if folder.exists() { "a file" } else { "nothing" };
            let place = folder.display().to_string();
            return Err(Error::new(ErrorKind::Io, place, found, "a checkpoint's folder"));
        }
        let place = |file: &str| folder.join(file).display().to_string();
        let schema_json = read_text(&folder.join("sparsecbm.json"))?;
        let schema = Schema::from_json(schema_json.as_bytes(), &place("sparsecbm.json"))?;
        let config = read_text(&folder.join("config.json"))?;
        let backbone = Backbone::from_config(&config, &place("config.json"))?;
        let tokenizer_json = read_text(&folder.join("tokenizer.json"))?;
        let vocabulary = Vocabulary::read(&tokenizer_json, &place("tokenizer.json"))?;
        vocabulary.expect_within(backbone.vocabulary(), &place("tokenizer.json"))?;
        if let Some(positions) = backbone.positions().filter(|&most| schema.max_length > most) {
            return Err(Error::new(
                ErrorKind::Model,
                format!("{}: max_length", place("sparsecbm.json")),
                schema.max_length.to_string(),
                format!("at most the backbone's {positions} positions (config.json)"),
            ));
        }
        let tensors = Tensors::read(&folder)?;
        let layers = read_layers(&tensors, &backbone, &schema)?;
        let heads = HeadSizes::read(&tensors, &backbone, &schema)?;
        Ok(Checkpoint {
            folder,
            schema,
            schema_json,
            tokenizer_json,
            vocabulary,
            backbone,
            tensors,
            heads,
            layers,
        })
    }

    /// The folder it was read from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the model's concepts and label mean.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The backbone's kind, as `config.json` calls it in `model_type`.
    pub fn backbone(&self) -> &'static str {
        self.backbone.name()
    }

    /// Heads of each attention layer, where the backbone has such layers.
    pub fn attention_heads(&self) -> Option<usize> {
        self.backbone.attention_heads()
    }

    /// All masks of one of the backbone's layers.
    pub(crate) fn masks(&self, layer: &LinearLayer) -> Result<MaskSet> {
        masks::read(&self.tensors, layer, self.schema.concept_count())
    }

    /// Mask k of one of the backbone's layers; no other is read.
    pub(crate) fn mask(&self, layer: &LinearLayer, k: usize) -> Result<Mask> {
        masks::read_one(&self.tensors, layer, self.schema.concept_count(), k)
    }

    /// The layer of that name.
    pub(crate) fn layer(&self, name: &str) -> &MaskedLayer {
        let known = self.layers.iter().find(|known| known.layer.name == name);
        known.expect("the masks of every layer of the backbone were checked")
    }

    /// The weight of a linear layer as `[out, in]`, row-major, not masked.
    pub(crate) fn weight(&self, layer: &LinearLayer) -> Result<Vec<f32>> {
        Ok(layer.as_out_in(self.tensors.floats(&layer.weight_name())?))
    }

    /// How many weights the model has, each counted once however many masks keep it.
    pub fn parameters(&self) -> usize {
        let size = |shape: Vec<usize>| shape.iter().product::<usize>();
        let linear = self.layers.iter().map(|known| known.layer.rows * known.layer.columns);
        let dense = self.backbone.dense_tensors().into_iter().map(|(_, shape)| size(shape));
        let heads = self
            .heads
            .shapes(&self.backbone, &self.schema)
            .into_iter()
            .map(|(_, shape)| size(shape));
        linear.chain(dense).chain(heads).sum()
    }

    /// How dense the masks are and how much they share.
    ///
    /// # Errors
    /// `Io` where a file can no longer be read.
    pub fn mask_statistics(&self) -> Result<MaskStatistics> {
        MaskStatistics::count(self.mask_sets(), self.schema.concept_count())
    }

    /// The masks of each matrix, read as they are asked for, in the order of the backbone.
    ///
    /// # Errors
    /// `Io` where a file can no longer be read.
    pub fn mask_sets(&self) -> impl Iterator<Item = Result<MaskSet>> {
        self.layers.iter().map(|known| self.masks(&known.layer))
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint")
            .field("folder", &self.folder)
            .field("backbone", &self.backbone)
            .finish_non_exhaustive()
    }
}

fn read_layers(
    tensors: &Tensors,
    backbone: &Backbone,
    schema: &Schema,
) -> Result<Vec<MaskedLayer>> {
    for (name, shape) in backbone.dense_tensors() {
        tensors.expect_floats(&name, &shape)?;
    }
    let mut layers = Vec::new();
    for layer in backbone.linear_layers() {
        tensors.expect_floats(&layer.weight_name(), &layer.stored_shape())?;
        let masks = masks::read(tensors, &layer, schema.concept_count())?;
        layers.push(MaskedLayer { layer, block_rows: masks.block_rows() });
    }
    // A mask that nothing reads would be lost silently.
    for name in tensors.names() {
        let Some(layer) = masked_layer(&name) else { continue };
        let known = layers.iter().any(|known| known.layer.name == layer);
        if !known && !backbone.leaves_out(layer) {
            let found = "a mask of an unknown layer";
            let expected = format!("masks of the linear layers of {}", backbone.name());
            return Err(tensors.wrong(&name, found, expected));
        }
    }
    Ok(layers)
}

/// The bytes of a file.
fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| {
        let place = path.display().to_string();
        Error::new(ErrorKind::Io, place, e.to_string(), "a readable file").caused_by(e)
    })
}

fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|e| {
        let place = path.display().to_string();
        Error::new(ErrorKind::Format, place, "bytes that are not UTF-8", "JSON").caused_by(e)
    })
}
