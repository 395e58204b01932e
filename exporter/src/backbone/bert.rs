use serde::Deserialize;
use sparsecbm::{Error, ErrorKind, Result};

use super::{LinearLayer, parse};
use crate::graph::{Activation, Attention, Branch, Shared, Writer};

/// BERT (and MiniLM): learned positions, a norm after each block.
///
/// Devlin et al., *BERT: Pre-training of Deep Bidirectional Transformers*, 2019; names as in Hugging
/// Face's `BertModel`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Bert {
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) max_position_embeddings: usize,
    pub(crate) type_vocab_size: usize,
    pub(crate) layer_norm_eps: f32,
    pub(crate) hidden_act: Activation,
}

/// What only some values of can be exported.
#[derive(Deserialize)]
struct Choices {
    hidden_act: String,
    position_embedding_type: Option<String>,
}

/// More layers than any BERT has; a configuration that says so is broken.
const MAX_LAYERS: usize = 1000;

impl Bert {
    pub(super) fn from_config(json: &str, place: &str) -> Result<Bert> {
        let wrong = |field: &str, found: String, expected: &str| {
            Err(Error::new(ErrorKind::Model, format!("{place}: {field}"), found, expected))
        };
        let choices: Choices = parse(json, place)?;
        if !["gelu", "relu"].contains(&choices.hidden_act.as_str()) {
            return wrong("hidden_act", format!("'{}'", choices.hidden_act), "'gelu' or 'relu'");
        }
        let positions = choices.position_embedding_type.unwrap_or("absolute".into());
        if positions != "absolute" {
            return wrong("position_embedding_type", format!("'{positions}'"), "'absolute'");
        }
        let bert: Bert = parse(json, place)?;
        let sizes = [
            ("vocab_size", bert.vocab_size),
            ("hidden_size", bert.hidden_size),
            ("num_attention_heads", bert.num_attention_heads),
            ("intermediate_size", bert.intermediate_size),
            ("max_position_embeddings", bert.max_position_embeddings),
            ("type_vocab_size", bert.type_vocab_size),
        ];
        if let Some((field, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return wrong(field, "0".into(), "at least 1");
        }
        if !(1..=MAX_LAYERS).contains(&bert.num_hidden_layers) {
            return wrong("num_hidden_layers", bert.num_hidden_layers.to_string(), "1 to 1000");
        }
        if !bert.hidden_size.is_multiple_of(bert.num_attention_heads) {
            let heads = bert.num_attention_heads;
            let expected = format!("a multiple of num_attention_heads, {heads}");
            return wrong("hidden_size", bert.hidden_size.to_string(), &expected);
        }
        if !(bert.layer_norm_eps.is_finite() && bert.layer_norm_eps > 0.0) {
            return wrong("layer_norm_eps", bert.layer_norm_eps.to_string(), "a number above 0");
        }
        Ok(bert)
    }

    pub(super) fn linear_layers(&self) -> Vec<LinearLayer> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let parts = [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ];
        let layer = |i: usize| {
            parts.map(|(part, rows, columns)| LinearLayer {
                name: format!("encoder.layer.{i}.{part}"),
                rows,
                columns,
            })
        };
        (0..self.num_hidden_layers).flat_map(layer).collect()
    }

    pub(super) fn dense_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let hidden = self.hidden_size;
        let table = |name: &str, rows| {
            (format!("embeddings.{name}_embeddings.weight"), [rows, hidden].into())
        };
        let mut tensors = vec![
            table("word", self.vocab_size),
            table("position", self.max_position_embeddings),
            table("token_type", self.type_vocab_size),
        ];
        let mut norms = vec!["embeddings.LayerNorm".to_string()];
        for i in 0..self.num_hidden_layers {
            norms.push(format!("encoder.layer.{i}.attention.output.LayerNorm"));
            norms.push(format!("encoder.layer.{i}.output.LayerNorm"));
        }
        for norm in norms {
            tensors.push((format!("{norm}.weight"), vec![hidden]));
            tensors.push((format!("{norm}.bias"), vec![hidden]));
        }
        let bias = |layer: LinearLayer| (format!("{}.bias", layer.name), vec![layer.rows]);
        tensors.extend(self.linear_layers().into_iter().map(bias));
        tensors
    }

    pub(super) fn write_shared(&self, writer: &mut Writer) -> Result<Shared> {
        let words = writer.token_embedding("embeddings.word_embeddings")?;
        let positions = writer.position_embedding("embeddings.position_embeddings")?;
        // Every text is one segment: type 0 everywhere.
        let segment = writer.embedding_row("embeddings.token_type_embeddings", 0)?;
        let place = writer.add("embeddings", &positions, &segment);
        let sum = writer.add("embeddings", &words, &place);
        let embedded = writer.layer_norm("embeddings.LayerNorm", "", &sum, self.layer_norm_eps)?;
        Ok(Shared { embedded, attention_bias: writer.attention_bias() })
    }

    pub(super) fn write_branch(&self, branch: &mut Branch, shared: &Shared) -> Result<String> {
        let mut hidden = shared.embedded.clone();
        for i in 0..self.num_hidden_layers {
            let layer = format!("encoder.layer.{i}");
            let attended = branch.attention(
                &Attention {
                    scope: format!("{layer}.attention.self"),
                    query: format!("{layer}.attention.self.query"),
                    key: format!("{layer}.attention.self.key"),
                    value: format!("{layer}.attention.self.value"),
                    output: format!("{layer}.attention.output.dense"),
                    heads: self.num_attention_heads,
                    head_size: self.hidden_size / self.num_attention_heads,
                },
                &hidden,
                &shared.attention_bias,
            )?;
            let norm = format!("{layer}.attention.output");
            hidden = branch.add_and_norm(&norm, &attended, &hidden, self.layer_norm_eps)?;
            let fed = branch.feed_forward(
                &format!("{layer}.intermediate.dense"),
                self.hidden_act,
                &format!("{layer}.output.dense"),
                &hidden,
            )?;
            let norm = format!("{layer}.output");
            hidden = branch.add_and_norm(&norm, &fed, &hidden, self.layer_norm_eps)?;
        }
        Ok(hidden)
    }
}
