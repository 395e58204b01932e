use sparsecbm::Result;

use super::Body;
use super::config::Config;
use super::parts::{LinearLayer, Norm, Table};
use super::transformer::{
    AttentionBlock, FeedForward, NormPlace, Positions, Projections, Reach, Transformer,
    TransformerLayer,
};

/// What the code, not the configuration, says.
const EPSILON: f32 = 1e-12;

/// DistilBERT: BERT without segments, with names of its own.
///
/// Sanh et al., *DistilBERT, a distilled version of BERT*, 2019; names as in Hugging Face's
/// `DistilBertModel`.
pub(super) fn read(config: &Config) -> Result<Body> {
    let d = config.size("dim")?;
    let inner = config.size("hidden_dim")?;
    let activation = config.activation("activation")?;
    let heads = config.heads("n_heads", "dim")?;
    let longest = config.size("max_position_embeddings")?;
    let norm = |name: String| Some(Norm { name, size: d, epsilon: EPSILON, bias: true });
    let layer = |i: usize| {
        let name = format!("transformer.layer.{i}");
        let linear =
            |part: &str, rows, columns| LinearLayer::new(format!("{name}.{part}"), rows, columns);
        TransformerLayer {
            attention: AttentionBlock {
                name: format!("{name}.attention"),
                projections: Projections::Separate {
                    query: linear("attention.q_lin", d, d),
                    key: linear("attention.k_lin", d, d),
                    value: linear("attention.v_lin", d, d),
                },
                output: linear("attention.out_lin", d, d),
                heads,
                head_size: d / heads,
                reach: Reach::All,
                rotary: None,
            },
            attention_norm: norm(format!("{name}.sa_layer_norm")),
            feed_forward: FeedForward {
                inner: linear("ffn.lin1", inner, d),
                activation,
                gated: false,
                outer: linear("ffn.lin2", d, inner),
            },
            feed_forward_norm: norm(format!("{name}.output_layer_norm")),
            name,
        }
    };
    let positions = Table::new("embeddings.position_embeddings", longest, d);
    Ok(Transformer {
        tokens: Table::new("embeddings.word_embeddings", config.size("vocab_size")?, d),
        project_in: None,
        positions: Some(Positions { table: positions, first: 0, padding: None }),
        segments: None,
        embedding_norm: norm("embeddings.LayerNorm".into()),
        norm_place: NormPlace::After,
        layers: (0..config.layers("n_layers")?).map(layer).collect(),
        final_norm: None,
        project_out: None,
        hidden_size: d,
        longest,
    }
    .into())
}
