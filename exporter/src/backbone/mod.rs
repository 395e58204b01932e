//! The backbones that can be exported. Each is one file that reads its configuration, names its tensors
//! and says its graph in the shared blocks of [`crate::graph`].

mod bert;

use serde::Deserialize;
use sparsecbm::{Error, ErrorKind, Result};

pub(crate) use self::bert::Bert;
use crate::graph::{Branch, Shared, Writer};

/// The backbone of a checkpoint, from its `config.json`.
#[derive(Debug, Clone)]
pub(crate) enum Backbone {
    Bert(Bert),
}

/// A linear layer that has masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinearLayer {
    /// Its name in the backbone, without `.weight`.
    pub(crate) name: String,
    /// Outputs.
    pub(crate) rows: usize,
    /// Inputs.
    pub(crate) columns: usize,
}

impl Backbone {
    /// Reads `config.json`. `place` is named in errors.
    pub(crate) fn from_config(json: &str, place: &str) -> Result<Backbone> {
        #[derive(Deserialize)]
        struct Kind {
            model_type: String,
        }
        let kind: Kind = parse(json, place)?;
        match kind.model_type.as_str() {
            "bert" => Bert::from_config(json, place).map(Backbone::Bert),
            other => Err(Error::new(
                ErrorKind::Model,
                format!("{place}: model_type"),
                format!("'{other}'"),
                "'bert'",
            )),
        }
    }

    /// What `config.json` calls it in `model_type`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Backbone::Bert(_) => "bert",
        }
    }

    /// d, the size of the last hidden state.
    pub(crate) fn hidden_size(&self) -> usize {
        match self {
            Backbone::Bert(bert) => bert.hidden_size,
        }
    }

    /// Heads of each attention layer.
    pub(crate) fn attention_heads(&self) -> usize {
        match self {
            Backbone::Bert(bert) => bert.num_attention_heads,
        }
    }

    /// How many token ids it knows.
    pub(crate) fn vocabulary(&self) -> usize {
        match self {
            Backbone::Bert(bert) => bert.vocab_size,
        }
    }

    /// How many positions it can read.
    pub(crate) fn positions(&self) -> usize {
        match self {
            Backbone::Bert(bert) => bert.max_position_embeddings,
        }
    }

    /// The layers with masks, in the order of computation.
    pub(crate) fn linear_layers(&self) -> Vec<LinearLayer> {
        match self {
            Backbone::Bert(bert) => bert.linear_layers(),
        }
    }

    /// Names and shapes of all other tensors.
    pub(crate) fn dense_tensors(&self) -> Vec<(String, Vec<usize>)> {
        match self {
            Backbone::Bert(bert) => bert.dense_tensors(),
        }
    }

    /// Whether a checkpoint may hold masks of `layer` although it is not on the path to the output.
    pub(crate) fn leaves_out(&self, layer: &str) -> bool {
        match self {
            Backbone::Bert(_) => layer == "pooler.dense",
        }
    }

    /// Writes the part of the graph that no mask reaches.
    pub(crate) fn write_shared(&self, writer: &mut Writer) -> Result<Shared> {
        match self {
            Backbone::Bert(bert) => bert.write_shared(writer),
        }
    }

    /// Writes the graph under one mask, and gives the last hidden state.
    pub(crate) fn write_branch(&self, branch: &mut Branch, shared: &Shared) -> Result<String> {
        match self {
            Backbone::Bert(bert) => bert.write_branch(branch, shared),
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str, place: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| {
        Error::new(ErrorKind::Format, place, e.to_string(), "a backbone's configuration as JSON")
            .caused_by(e)
    })
}
