use sparsecbm::Result;

use super::builder::{integer, integers};
use super::dense::cast;
use super::writer::{Branch, Writer};

/// Added to the scores of padding: after the softmax nothing is left of them, and no sum overflows.
const HIDDEN: f32 = -1e9;

/// The layers of one attention block.
pub(crate) struct Attention {
    /// What its own nodes are called.
    pub(crate) scope: String,
    pub(crate) query: String,
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) output: String,
    pub(crate) heads: usize,
    pub(crate) head_size: usize,
}

impl Writer<'_> {
    /// `[batch, 1, 1, sequence]`: 0 for tokens, a large negative number for padding.
    pub(crate) fn attention_bias(&mut self) -> String {
        let scope = "attention_mask";
        let builder = &mut self.builder;
        let mask = cast(builder, scope, "attention_mask");
        let half = builder.float(0.5);
        let attended = builder.node(scope, "Greater", &[&mask, &half]);
        let (zero, hidden) = (builder.float(0.0), builder.float(HIDDEN));
        let bias = builder.node(scope, "Where", &[&attended, &zero, &hidden]);
        let axes = builder.integers(&[1, 2]);
        builder.node(scope, "Unsqueeze", &[&bias, &axes])
    }
}

impl Branch<'_, '_> {
    /// Multi-head self-attention: softmax(q kᵀ / √head_size + bias) v
    /// (Vaswani et al., *Attention Is All You Need*, 2017).
    pub(crate) fn attention(&mut self, names: &Attention, x: &str, bias: &str) -> Result<String> {
        let query = self.masked_linear(&names.query, x)?;
        let key = self.masked_linear(&names.key, x)?;
        let value = self.masked_linear(&names.value, x)?;
        let scope = self.scope(&names.scope);
        let builder = &mut self.writer.builder;
        // The query is smaller than the scores, so it is scaled in their place.
        let scale = builder.float(1.0 / (names.head_size as f32).sqrt());
        let query = builder.node(&scope, "Mul", &[&query, &scale]);
        let split = builder.integers(&[0, 0, names.heads as i64, names.head_size as i64]);
        let mut heads = |value: &str, order: &[i64]| {
            let split = builder.node(&scope, "Reshape", &[value, &split]);
            builder.node_with(&scope, "Transpose", &[&split], vec![integers("perm", order)])
        };
        let query = heads(&query, &[0, 2, 1, 3]);
        let key = heads(&key, &[0, 2, 3, 1]);
        let value = heads(&value, &[0, 2, 1, 3]);
        let scores = builder.node(&scope, "MatMul", &[&query, &key]);
        let scores = builder.node(&scope, "Add", &[&scores, bias]);
        let shares = builder.node_with(&scope, "Softmax", &[&scores], vec![integer("axis", -1)]);
        let mixed = builder.node(&scope, "MatMul", &[&shares, &value]);
        let order = vec![integers("perm", &[0, 2, 1, 3])];
        let mixed = builder.node_with(&scope, "Transpose", &[&mixed], order);
        let joined = builder.integers(&[0, 0, (names.heads * names.head_size) as i64]);
        let mixed = builder.node(&scope, "Reshape", &[&mixed, &joined]);
        self.masked_linear(&names.output, &mixed)
    }
}
