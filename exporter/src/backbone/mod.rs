//! The backbones that can be exported. Each is one file that reads its configuration and says what the
//! backbone is made of; from that come its tensors, its graph and its evaluation.
//! `docs/design/adding-a-backbone.md` shows how to add one.

mod bert;
mod bilstm;
mod config;
mod distilbert;
mod gpt2;
mod modernbert;
mod opt;
mod parts;
mod roberta;
mod transformer;

use sparsecbm::{Error, ErrorKind, Result};

pub(crate) use self::bilstm::BiLstm;
use self::config::Config;
pub(crate) use self::parts::{Activation, LinearLayer, Norm, Table};
pub(crate) use self::transformer::{
    AttentionBlock, FeedForward, NormPlace, Positions, Projections, Reach, Transformer,
};

/// Reads a configuration.
type Read = fn(&Config) -> Result<Body>;

/// The architectures by their `model_type` in `config.json`, each with what reads that file.
const ARCHITECTURES: [(&str, Read); 8] = [
    ("bert", bert::read),
    ("bilstm", bilstm::read),
    ("distilbert", distilbert::read),
    ("gpt2", gpt2::read),
    ("modernbert", modernbert::read),
    ("opt", opt::read),
    ("roberta", roberta::read),
    ("xlm-roberta", roberta::read),
];

/// The backbone of a checkpoint, from its `config.json`.
#[derive(Debug, Clone)]
pub(crate) struct Backbone {
    name: &'static str,
    pub(crate) body: Body,
}

/// What a backbone is made of.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Transformer(Box<Transformer>),
    BiLstm(BiLstm),
}

impl From<Transformer> for Body {
    fn from(transformer: Transformer) -> Body {
        Body::Transformer(Box::new(transformer))
    }
}

impl Backbone {
    /// Reads `config.json`. `place` is named in errors.
    pub(crate) fn from_config(json: &str, place: &str) -> Result<Backbone> {
        let config = Config::parse(json, place)?;
        let kind: String = config.field("model_type")?;
        let known = ARCHITECTURES.iter().find(|(name, _)| *name == kind);
        let Some((name, read)) = known else {
            let names: Vec<String> =
                ARCHITECTURES.iter().map(|(name, _)| format!("'{name}'")).collect();
            let place = format!("{place}: model_type");
            let expected = format!("one of {}", names.join(", "));
            return Err(Error::new(ErrorKind::Model, place, format!("'{kind}'"), expected));
        };
        Ok(Backbone { name, body: read(&config)? })
    }

    /// What `config.json` calls it in `model_type`.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// d, the size of the last hidden state.
    pub(crate) fn hidden_size(&self) -> usize {
        match &self.body {
            Body::Transformer(transformer) => transformer.output_size(),
            Body::BiLstm(lstm) => lstm.hidden_size,
        }
    }

    /// Heads of each attention layer, where there are any.
    pub(crate) fn attention_heads(&self) -> Option<usize> {
        match &self.body {
            Body::Transformer(transformer) => {
                transformer.layers.first().map(|layer| layer.attention.heads)
            }
            Body::BiLstm(_) => None,
        }
    }

    /// The table of word embeddings.
    pub(crate) fn word_table(&self) -> &Table {
        match &self.body {
            Body::Transformer(transformer) => &transformer.tokens,
            Body::BiLstm(lstm) => &lstm.tokens,
        }
    }

    /// How many token ids it knows.
    pub(crate) fn vocabulary(&self) -> usize {
        self.word_table().rows
    }

    /// How many positions it can read, where there is a limit.
    pub(crate) fn positions(&self) -> Option<usize> {
        match &self.body {
            Body::Transformer(transformer) => Some(transformer.longest),
            Body::BiLstm(_) => None,
        }
    }

    /// The layers with masks, in the order of computation.
    pub(crate) fn linear_layers(&self) -> Vec<LinearLayer> {
        match &self.body {
            Body::Transformer(transformer) => transformer.linear_layers(),
            Body::BiLstm(lstm) => vec![lstm.output.clone()],
        }
    }

    /// Names and shapes of all other tensors.
    pub(crate) fn dense_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut tensors = match &self.body {
            Body::Transformer(transformer) => transformer.dense_tensors(),
            Body::BiLstm(lstm) => lstm.dense_tensors(),
        };
        let biases = self.linear_layers().into_iter().filter(|layer| layer.bias);
        tensors.extend(biases.map(|layer| (layer.bias_name(), vec![layer.rows])));
        tensors
    }

    /// Whether a checkpoint may hold masks of `layer` although it is not on the path to the output.
    pub(crate) fn leaves_out(&self, layer: &str) -> bool {
        matches!(self.name, "bert" | "roberta" | "xlm-roberta") && layer == "pooler.dense"
    }
}
