use sparsecbm::Result;
use sparsecbm::format::blocks;

use super::builder::string;
use super::writer::Branch;
use crate::backbone::{Activation, FeedForward};

impl Branch<'_, '_> {
    /// outer(activation(inner(x))), or with a gate outer(activation(a) · b), where a and b are the halves of
    /// inner(x) (Shazeer, *GLU Variants Improve Transformer*, 2020).
    pub(super) fn feed_forward(&mut self, about: &FeedForward, x: &str) -> Result<String> {
        let wide = self.masked_linear(&about.inner, x)?;
        let scope = self.scope(&about.inner.name);
        let mut halves = None;
        if about.gated {
            let size = about.inner.rows / 2;
            let builder = &mut self.writer.builder;
            halves = Some([0, size].map(|start| {
                builder.slice(&scope, &wide, blocks::PROJECTION_AXIS, start..start + size)
            }));
        }
        let active = match halves {
            None => self.activation(&scope, about.activation, &wide),
            Some([activated, gate]) => {
                let active = self.activation(&scope, about.activation, &activated);
                self.writer.builder.node(&scope, "Mul", &[&active, &gate])
            }
        };
        self.masked_linear(&about.outer, &active)
    }

    fn activation(&mut self, scope: &str, activation: Activation, x: &str) -> String {
        let builder = &mut self.writer.builder;
        let mut gelu = |approximate: &'static str| {
            builder.node_with(scope, "Gelu", &[x], vec![string(blocks::APPROXIMATE, approximate)])
        };
        match activation {
            Activation::Gelu => gelu(blocks::GELU_EXACT),
            Activation::GeluNew => gelu(blocks::GELU_TANH),
            Activation::Relu => builder.node(scope, "Relu", &[x]),
        }
    }
}
