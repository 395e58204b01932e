use sparsecbm::Result;

use super::config::Config;
use super::{Body, bert};

/// RoBERTa, and XLM-RoBERTa of many languages: BERT whose positions are counted from the row after padding's.
///
/// Liu et al., *RoBERTa: A Robustly Optimized BERT Pretraining Approach*, 2019, and Conneau et al., *Unsupervised
/// Cross-lingual Representation Learning at Scale*, 2020; names as in Hugging Face's `RobertaModel` and
/// `XLMRobertaModel`.
pub(super) fn read(config: &Config) -> Result<Body> {
    let mut encoder = bert::encoder(config)?;
    let padding: usize = config.field("pad_token_id")?;
    let rows = encoder.longest;
    if padding + 1 >= rows {
        let expected = format!("fewer than max_position_embeddings − 1, {}", rows - 1);
        return Err(config.wrong("pad_token_id", padding.to_string(), &expected));
    }
    encoder.longest = rows - padding - 1;
    if let Some(positions) = &mut encoder.positions {
        positions.first = padding + 1;
        positions.padding = Some(padding);
    }
    Ok(encoder.into())
}
