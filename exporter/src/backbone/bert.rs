use serde_json::json;
use sparsecbm::Result;

use super::Body;
use super::config::Config;
use super::parts::{LinearLayer, Norm, Table};
use super::transformer::{
    AttentionBlock, FeedForward, NormPlace, Positions, Projections, Reach, Transformer,
    TransformerLayer,
};

/// BERT (and MiniLM): learned positions, a norm after each block.
///
/// Devlin et al., *BERT: Pre-training of Deep Bidirectional Transformers*, 2019; names as in Hugging
/// Face's `BertModel`.
pub(super) fn read(config: &Config) -> Result<Body> {
    encoder(config).map(Body::from)
}

/// The encoder that BERT and RoBERTa have in common.
pub(super) fn encoder(config: &Config) -> Result<Transformer> {
    config.only("position_embedding_type", &json!("absolute"))?;
    let d = config.size("hidden_size")?;
    let inner = config.size("intermediate_size")?;
    let activation = config.activation("hidden_act")?;
    let heads = config.heads("num_attention_heads", "hidden_size")?;
    let longest = config.size("max_position_embeddings")?;
    let epsilon = config.epsilon("layer_norm_eps")?;
    let norm =
        |part: &str| Some(Norm { name: format!("{part}.LayerNorm"), size: d, epsilon, bias: true });
    let table = |name: &str, rows| Table::new(&format!("embeddings.{name}_embeddings"), rows, d);
    let layer = |i: usize| {
        let name = format!("encoder.layer.{i}");
        let linear =
            |part: &str, rows, columns| LinearLayer::new(format!("{name}.{part}"), rows, columns);
        TransformerLayer {
            attention: AttentionBlock {
                name: format!("{name}.attention.self"),
                projections: Projections::Separate {
                    query: linear("attention.self.query", d, d),
                    key: linear("attention.self.key", d, d),
                    value: linear("attention.self.value", d, d),
                },
                output: linear("attention.output.dense", d, d),
                heads,
                head_size: d / heads,
                reach: Reach::All,
                rotary: None,
            },
            attention_norm: norm(&format!("{name}.attention.output")),
            feed_forward: FeedForward {
                inner: linear("intermediate.dense", inner, d),
                activation,
                gated: false,
                outer: linear("output.dense", d, inner),
            },
            feed_forward_norm: norm(&format!("{name}.output")),
            name,
        }
    };
    Ok(Transformer {
        tokens: table("word", config.size("vocab_size")?),
        project_in: None,
        positions: Some(Positions { table: table("position", longest), first: 0, padding: None }),
        segments: Some(table("token_type", config.size("type_vocab_size")?)),
        embedding_norm: norm("embeddings"),
        norm_place: NormPlace::After,
        layers: (0..config.layers("num_hidden_layers")?).map(layer).collect(),
        final_norm: None,
        project_out: None,
        hidden_size: d,
        longest,
    })
}
