use sparsecbm::Result;
use sparsecbm::format::{nodes, tensors};

use super::builder::{integer, integers};
use super::writer::Writer;

impl Writer<'_> {
    /// As [`Writer::concept_heads`], from `[K, batch · sequence, d]` and in one product.
    pub(super) fn batched_concept_heads(&mut self, hidden: &str) -> Result<()> {
        let scope = nodes::CONCEPT_HEAD;
        let hidden = self.batched_expanded(hidden)?;
        let weight = self.own_floats(tensors::CONCEPT_HEAD_WEIGHT)?;
        let scores = self.batched_product(scope, &hidden, &weight);
        let scores = self.by_text(scope, &scores, self.checkpoint.schema.class_count());
        let pool_weight = self.pool_weight();
        let evidence = self.builder.node(scope, "Mul", &[&scores, &pool_weight]);
        let order = vec![integers("perm", &[1, 0, 3, 2])];
        self.builder.node_with_to(tensors::TOKEN_EVIDENCE, "Transpose", &[&evidence], order);
        self.summed_evidence()
    }

    /// `[K, rows, n]` by the transposed of `[K, m, n]`.
    fn batched_product(&mut self, scope: &str, x: &str, weight: &str) -> String {
        let swapped = vec![integers("perm", &[0, 2, 1])];
        let weight = self.builder.node_with(scope, "Transpose", &[weight], swapped);
        self.builder.node(scope, "MatMul", &[x, &weight])
    }

    /// `[K, batch · sequence, n]` as `[K, batch, sequence, n]`.
    fn by_text(&mut self, scope: &str, value: &str, n: usize) -> String {
        let concepts = self.checkpoint.schema.concept_count();
        let [k, n] = [concepts, n].map(|size| self.builder.integers(&[size as i64]));
        let builder = &mut self.builder;
        let texts = builder.node(scope, "Shape", &[tensors::INPUT_IDS]);
        let axis = vec![integer("axis", 0)];
        let shape = builder.node_with(scope, "Concat", &[&k, &texts, &n], axis);
        builder.node(scope, "Reshape", &[value, &shape])
    }

    /// What the batched concept heads read, `[K, batch · sequence, …]`: see [`Writer::expanded`].
    fn batched_expanded(&mut self, hidden: &str) -> Result<String> {
        let Some(size) = self.checkpoint.heads.expansion else { return Ok(hidden.into()) };
        let scope = nodes::CONCEPT_EXPANSION;
        let weight = self.own_floats(tensors::CONCEPT_EXPANSION_WEIGHT)?;
        let bias = self.own_floats(tensors::CONCEPT_EXPANSION_BIAS)?;
        let each = self.batched_product(scope, hidden, &weight);
        let row = self.builder.integers(&[1]);
        let bias = self.builder.node(scope, "Unsqueeze", &[&bias, &row]);
        let each = self.builder.node(scope, "Add", &[&each, &bias]);
        let each = self.by_text(scope, &each, size);
        let evidence = self.positive_evidence(scope, &each, 2);
        let concepts = self.checkpoint.schema.concept_count();
        let rows = self.builder.integers(&[concepts as i64, -1, size as i64]);
        Ok(self.builder.node(scope, "Reshape", &[&evidence, &rows]))
    }
}
