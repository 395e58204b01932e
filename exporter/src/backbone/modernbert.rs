use std::collections::HashMap;

use serde::Deserialize;
use sparsecbm::Result;

use super::Body;
use super::config::Config;
use super::parts::{LinearLayer, Norm, Table};
use super::transformer::{
    AttentionBlock, FeedForward, NormPlace, Projections, Reach, Transformer, TransformerLayer,
};

/// The kind of attention of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    FullAttention,
    SlidingAttention,
}

#[derive(Deserialize)]
struct Rotary {
    rope_theta: f32,
    rope_type: Option<String>,
}

/// ModernBERT: rotary positions, gated feed-forward blocks, layers that see everything among layers that see
/// their neighbours.
///
/// Warner et al., *Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder*, 2024; names as in
/// Hugging Face's `ModernBertModel`, whose configuration has had two forms.
pub(super) fn read(config: &Config) -> Result<Body> {
    let d = config.size("hidden_size")?;
    let inner = config.size("intermediate_size")?;
    let activation = config.activation("hidden_activation")?;
    let heads = config.heads("num_attention_heads", "hidden_size")?;
    if !(d / heads).is_multiple_of(2) {
        let found = format!("{d} in {heads} heads");
        return Err(config.wrong("hidden_size", found, "heads of an even size"));
    }
    let epsilon = config.epsilon("norm_eps")?;
    let flag = |name: &str| -> Result<bool> { Ok(config.optional(name)?.unwrap_or(false)) };
    let (norm_bias, attention_bias, inner_bias) =
        (flag("norm_bias")?, flag("attention_bias")?, flag("mlp_bias")?);
    let window = config.size("local_attention")? / 2;
    let kinds = kinds(config)?;
    let (full, sliding) =
        (base(config, Kind::FullAttention)?, base(config, Kind::SlidingAttention)?);
    let norm = |name: String| Some(Norm { name, size: d, epsilon, bias: norm_bias });
    let layer = |(i, kind): (usize, &Kind)| {
        let name = format!("layers.{i}");
        let linear = |part: &str, rows, columns, bias| {
            LinearLayer::new(format!("{name}.{part}"), rows, columns).with_bias(bias)
        };
        let (reach, theta) = match kind {
            Kind::FullAttention => (Reach::All, full),
            Kind::SlidingAttention => (Reach::Near(window), sliding),
        };
        TransformerLayer {
            attention: AttentionBlock {
                name: format!("{name}.attn"),
                projections: Projections::Joined(linear(
                    "attn.Wqkv",
                    d.saturating_mul(3),
                    d,
                    attention_bias,
                )),
                output: linear("attn.Wo", d, d, attention_bias),
                heads,
                head_size: d / heads,
                reach,
                rotary: Some(theta),
            },
            // The first layer reads what the embeddings' norm gives.
            attention_norm: if i == 0 { None } else { norm(format!("{name}.attn_norm")) },
            feed_forward: FeedForward {
                inner: linear("mlp.Wi", inner.saturating_mul(2), d, inner_bias),
                activation,
                gated: true,
                outer: linear("mlp.Wo", d, inner, inner_bias),
            },
            feed_forward_norm: norm(format!("{name}.mlp_norm")),
            name,
        }
    };
    Ok(Transformer {
        tokens: Table::new("embeddings.tok_embeddings", config.size("vocab_size")?, d),
        project_in: None,
        positions: None,
        segments: None,
        embedding_norm: norm("embeddings.norm".into()),
        norm_place: NormPlace::Before,
        layers: kinds.iter().enumerate().map(layer).collect(),
        final_norm: norm("final_norm".into()),
        project_out: None,
        hidden_size: d,
        longest: config.size("max_position_embeddings")?,
    }
    .into())
}

/// Each layer's kind: listed, or every nth sees everything.
fn kinds(config: &Config) -> Result<Vec<Kind>> {
    let layers = config.layers("num_hidden_layers")?;
    if let Some(listed) = config.optional::<Vec<Kind>>("layer_types")? {
        if listed.len() != layers {
            let expected = format!("one per layer, {layers}");
            return Err(config.wrong("layer_types", listed.len().to_string(), &expected));
        }
        return Ok(listed);
    }
    let every = config.size("global_attn_every_n_layers")?;
    let kind = |i: usize| match i.is_multiple_of(every) {
        true => Kind::FullAttention,
        false => Kind::SlidingAttention,
    };
    Ok((0..layers).map(kind).collect())
}

/// The base of the rotary embeddings in layers of one kind.
fn base(config: &Config, kind: Kind) -> Result<f32> {
    let field = "rope_parameters";
    let theta = match config.optional::<HashMap<Kind, Rotary>>(field)? {
        Some(mut by_kind) => {
            let Some(rotary) = by_kind.remove(&kind) else {
                return Err(config.wrong(field, "a kind of attention is missing", "both kinds"));
            };
            let kind = rotary.rope_type.unwrap_or("default".into());
            if kind != "default" {
                return Err(config.wrong(field, format!("rope_type '{kind}'"), "'default'"));
            }
            rotary.rope_theta
        }
        None => config.field(match kind {
            Kind::FullAttention => "global_rope_theta",
            Kind::SlidingAttention => "local_rope_theta",
        })?,
    };
    if !(theta.is_finite() && theta > 0.0) {
        return Err(config.wrong("rope_theta", theta.to_string(), "a number above 0"));
    }
    Ok(theta)
}
