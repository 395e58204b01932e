use serde::Deserialize;
use sparsecbm::Result;

use super::builder::string;
use super::writer::Branch;

/// What stands between the two layers of a feed-forward block, by Hugging Face's name in `hidden_act`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Activation {
    /// x · Φ(x), exactly, by the error function (Hendrycks, Gimpel: *Gaussian Error Linear Units*, 2016).
    Gelu,
    /// max(x, 0)
    Relu,
}

impl Branch<'_, '_> {
    /// outer(activation(inner(x)))
    pub(crate) fn feed_forward(
        &mut self,
        inner: &str,
        activation: Activation,
        outer: &str,
        x: &str,
    ) -> Result<String> {
        let wide = self.masked_linear(inner, x)?;
        let scope = self.scope(inner);
        let builder = &mut self.writer.builder;
        let active = match activation {
            Activation::Gelu => {
                let exact = vec![string("approximate", "none")];
                builder.node_with(&scope, "Gelu", &[&wide], exact)
            }
            Activation::Relu => builder.node(&scope, "Relu", &[&wide]),
        };
        self.masked_linear(outer, &active)
    }

    /// LayerNorm(x + residual), with the tensors of `part.LayerNorm`.
    pub(crate) fn add_and_norm(
        &mut self,
        part: &str,
        x: &str,
        residual: &str,
        epsilon: f32,
    ) -> Result<String> {
        let scope = self.scope(part);
        let sum = self.writer.add(&scope, x, residual);
        let prefix = format!("{}/", self.concept);
        self.writer.layer_norm(&format!("{part}.LayerNorm"), &prefix, &sum, epsilon)
    }
}
