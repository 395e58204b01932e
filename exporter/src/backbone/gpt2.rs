use serde_json::json;
use sparsecbm::Result;

use super::Body;
use super::config::Config;
use super::parts::{LinearLayer, Norm, Orientation, Table};
use super::transformer::{
    AttentionBlock, FeedForward, NormPlace, Positions, Projections, Reach, Transformer,
    TransformerLayer,
};

/// GPT-2: each position sees those before it; weights are stored `[in, out]`, and one layer gives query, key
/// and value.
///
/// Radford et al., *Language Models are Unsupervised Multitask Learners*, 2019; names as in Hugging Face's
/// `GPT2Model`.
pub(super) fn read(config: &Config) -> Result<Body> {
    config.only("scale_attn_weights", &json!(true))?;
    config.only("scale_attn_by_inverse_layer_idx", &json!(false))?;
    config.only("add_cross_attention", &json!(false))?;
    let d = config.size("n_embd")?;
    let inner = config.optional("n_inner")?.unwrap_or(d.saturating_mul(4));
    let activation = config.activation("activation_function")?;
    let heads = config.heads("n_head", "n_embd")?;
    let longest = config.size("n_positions")?;
    let epsilon = config.epsilon("layer_norm_epsilon")?;
    let norm = |name: String| Some(Norm { name, size: d, epsilon, bias: true });
    let layer = |i: usize| {
        let name = format!("h.{i}");
        let linear = |part: &str, rows, columns| {
            LinearLayer::new(format!("{name}.{part}"), rows, columns).stored(Orientation::InOut)
        };
        TransformerLayer {
            attention: AttentionBlock {
                name: format!("{name}.attn"),
                projections: Projections::Joined(linear("attn.c_attn", d.saturating_mul(3), d)),
                output: linear("attn.c_proj", d, d),
                heads,
                head_size: d / heads,
                reach: Reach::Causal,
                rotary: None,
            },
            attention_norm: norm(format!("{name}.ln_1")),
            feed_forward: FeedForward {
                inner: linear("mlp.c_fc", inner, d),
                activation,
                gated: false,
                outer: linear("mlp.c_proj", d, inner),
            },
            feed_forward_norm: norm(format!("{name}.ln_2")),
            name,
        }
    };
    let positions = Table::new("wpe", longest, d);
    Ok(Transformer {
        tokens: Table::new("wte", config.size("vocab_size")?, d),
        project_in: None,
        positions: Some(Positions { table: positions, first: 0, padding: None }),
        segments: None,
        embedding_norm: None,
        norm_place: NormPlace::Before,
        layers: (0..config.layers("n_layer")?).map(layer).collect(),
        final_norm: norm("ln_f".into()),
        project_out: None,
        hidden_size: d,
        longest,
    }
    .into())
}
