use serde_json::json;
use sparsecbm::Result;

use super::Body;
use super::config::Config;
use super::parts::{LinearLayer, Norm, Table};
use super::transformer::{
    AttentionBlock, FeedForward, NormPlace, Positions, Projections, Reach, Transformer,
    TransformerLayer,
};

/// The first rows of the position table are left free.
const FIRST_POSITION: usize = 2;
/// Where padding reads its position: the row before that.
const PADDING_POSITION: usize = 1;
/// What the code, not the configuration, says.
const EPSILON: f32 = 1e-5;

/// OPT: each position sees those before it. The one with 350 M weights has its norms after the blocks, and
/// embeddings narrower than its layers.
///
/// Zhang et al., *OPT: Open Pre-trained Transformer Language Models*, 2022; names as in Hugging Face's
/// `OPTModel`.
pub(super) fn read(config: &Config) -> Result<Body> {
    config.only("layer_norm_elementwise_affine", &json!(true))?;
    let d = config.size("hidden_size")?;
    let inner = config.size("ffn_dim")?;
    let activation = config.activation("activation_function")?;
    let heads = config.heads("num_attention_heads", "hidden_size")?;
    let longest = config.size("max_position_embeddings")?;
    let bias = config.optional("enable_bias")?.unwrap_or(true);
    let narrow = match config.optional("word_embed_proj_dim")? {
        Some(0) => return Err(config.wrong("word_embed_proj_dim", "0", "at least 1")),
        size => size.unwrap_or(d),
    };
    let before = config.optional("do_layer_norm_before")?.unwrap_or(true);
    let last_norm = before && !config.optional("_remove_final_layer_norm")?.unwrap_or(false);
    let norm = |name: String| Norm { name, size: d, epsilon: EPSILON, bias: true };
    let projection = |name: &str, rows, columns| {
        let layer = LinearLayer::new(format!("decoder.{name}"), rows, columns).with_bias(false);
        (narrow != d).then_some(layer)
    };
    let layer = |i: usize| {
        let name = format!("decoder.layers.{i}");
        let linear = |part: &str, rows, columns| {
            LinearLayer::new(format!("{name}.{part}"), rows, columns).with_bias(bias)
        };
        TransformerLayer {
            attention: AttentionBlock {
                name: format!("{name}.self_attn"),
                projections: Projections::Separate {
                    query: linear("self_attn.q_proj", d, d),
                    key: linear("self_attn.k_proj", d, d),
                    value: linear("self_attn.v_proj", d, d),
                },
                output: linear("self_attn.out_proj", d, d),
                heads,
                head_size: d / heads,
                reach: Reach::Causal,
                rotary: None,
            },
            attention_norm: Some(norm(format!("{name}.self_attn_layer_norm"))),
            feed_forward: FeedForward {
                inner: linear("fc1", inner, d),
                activation,
                gated: false,
                outer: linear("fc2", d, inner),
            },
            feed_forward_norm: Some(norm(format!("{name}.final_layer_norm"))),
            name,
        }
    };
    Ok(Transformer {
        tokens: Table::new("decoder.embed_tokens", config.size("vocab_size")?, narrow),
        project_in: projection("project_in", d, narrow),
        positions: Some(Positions {
            table: Table::new("decoder.embed_positions", longest.saturating_add(FIRST_POSITION), d),
            first: FIRST_POSITION,
            padding: Some(PADDING_POSITION),
        }),
        segments: None,
        embedding_norm: None,
        norm_place: if before { NormPlace::Before } else { NormPlace::After },
        layers: (0..config.layers("num_hidden_layers")?).map(layer).collect(),
        final_norm: last_norm.then(|| norm("decoder.final_layer_norm".into())),
        project_out: projection("project_out", narrow, d),
        hidden_size: d,
        longest,
    }
    .into())
}
