use sparsecbm::Result;

use super::Body;
use super::config::Config;
use super::parts::{LinearLayer, Table};

/// A bidirectional LSTM of one layer, attention over its outputs by dot products, and a linear layer whose
/// positive outputs are kept.
///
/// With a the attended outputs, [S, 2h], and u = output(a), [S, h]: the last hidden state is
/// H[s] = u[s] ⊙ (ū > 0), where ū is the pooled u. The pooled H is then max(ū, 0), as where the mean is
/// taken before the layer, and still each position has its share.
#[derive(Debug, Clone)]
pub(crate) struct BiLstm {
    pub(crate) tokens: Table,
    /// Outputs of one direction, and of `output`.
    pub(crate) hidden_size: usize,
    pub(crate) output: LinearLayer,
}

impl BiLstm {
    /// What the tensors of the two directions end in.
    pub(crate) const DIRECTIONS: [&'static str; 2] = ["l0", "l0_reverse"];

    pub(super) fn dense_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let gates = self.hidden_size.saturating_mul(4);
        let mut tensors = vec![self.tokens.tensor()];
        for direction in BiLstm::DIRECTIONS {
            for (part, shape) in [
                ("weight_ih", vec![gates, self.tokens.columns]),
                ("weight_hh", vec![gates, self.hidden_size]),
                ("bias_ih", vec![gates]),
                ("bias_hh", vec![gates]),
            ] {
                tensors.push((format!("lstm.{part}_{direction}"), shape));
            }
        }
        tensors
    }
}

/// The BiLSTM with dot-product attention of CBM-NLP (Tan et al., 2023). Hugging Face has no such model, so
/// the configuration is ours: `vocab_size`, `embedding_size`, and `hidden_size` of one direction.
pub(super) fn read(config: &Config) -> Result<Body> {
    let h = config.size("hidden_size")?;
    let (vocabulary, width) = (config.size("vocab_size")?, config.size("embedding_size")?);
    Ok(Body::BiLstm(BiLstm {
        tokens: Table::new("embedding", vocabulary, width),
        hidden_size: h,
        output: LinearLayer::new("classifier.0".into(), h, h.saturating_mul(2)),
    }))
}
