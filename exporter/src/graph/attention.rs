use sparsecbm::Result;
use sparsecbm::format::{blocks, nodes, tensors};

use super::builder::{Builder, integer, integers};
use super::dense::cast;
use super::writer::{Branch, MaskScope, Writer};
use crate::backbone::{AttentionBlock, Projections, Reach};

impl Writer<'_> {
    /// 0 where a position is seen, a large negative number where it is not: `[batch, 1, 1, sequence]` where
    /// all see the same, else `[batch, 1, sequence, sequence]`. Where gradients are taken: whether it is seen.
    pub(super) fn attention_bias(&mut self, reach: Reach) -> String {
        let scope = nodes::ATTENTION_MASK;
        let builder = &mut self.builder;
        let mask = cast(builder, scope, tensors::ATTENTION_MASK);
        let half = builder.float(blocks::ATTENDED);
        let mut seen = builder.node(scope, "Greater", &[&mask, &half]);
        let axes = builder.integers(&blocks::HEAD_AND_QUERY_AXES);
        if reach != Reach::All {
            let near = self.within_reach(scope, reach);
            let builder = &mut self.builder;
            seen = builder.node(scope, "Unsqueeze", &[&seen, &axes]);
            seen = builder.node(scope, "And", &[&seen, &near]);
        }
        let builder = &mut self.builder;
        let bias = match &self.variables {
            Some(_) => seen,
            None => {
                let (zero, fill) = (builder.float(0.0), builder.float(blocks::MASK_FILL));
                builder.node(scope, "Where", &[&seen, &zero, &fill])
            }
        };
        match reach {
            Reach::All => builder.node(scope, "Unsqueeze", &[&bias, &axes]),
            Reach::Causal | Reach::Near(_) => bias,
        }
    }

    /// Scores under what [`Writer::attention_bias`] gives.
    pub(super) fn apply_mask(&mut self, scope: &str, scores: &str, bias: &str) -> String {
        let builder = &mut self.builder;
        match &self.variables {
            None => builder.node(scope, "Add", &[scores, bias]),
            // The same, but that what is not seen has no gradient, even where a position sees nothing.
            Some(_) => {
                let fill = builder.float(blocks::MASK_FILL);
                builder.node(scope, "Where", &[bias, scores, &fill])
            }
        }
    }

    /// `[sequence, sequence]`: whether the position of a row may see that of a column.
    fn within_reach(&mut self, scope: &str, reach: Reach) -> String {
        let numbers = self.position_numbers();
        let builder = &mut self.builder;
        let last = builder.integers(&[blocks::POSITIONS]);
        let rows = builder.node(scope, "Unsqueeze", &[&numbers, &last]);
        let ahead = builder.node(scope, "Sub", &[&numbers, &rows]);
        match reach {
            Reach::All => unreachable!("everything is within reach"),
            Reach::Causal => {
                let zero = builder.float(0.0);
                builder.node(scope, "LessOrEqual", &[&ahead, &zero])
            }
            Reach::Near(distance) => {
                let away = builder.node(scope, "Abs", &[&ahead]);
                let farthest = builder.float(distance as f32);
                builder.node(scope, "LessOrEqual", &[&away, &farthest])
            }
        }
    }

    /// Cosines and sines of the rotary embeddings with base `theta`: `[sequence, head_size / 2]` each.
    ///
    /// Pair i of position s turns by s · theta^(−2i / head_size)
    /// (Su et al., *RoFormer: Enhanced Transformer with Rotary Position Embedding*, 2021).
    fn rotary(&mut self, theta: f32, head_size: usize) -> [String; 2] {
        let longest = self.checkpoint.schema.max_length;
        let speed = |pair: usize| 1.0 / theta.powf((2 * pair) as f32 / head_size as f32);
        let angle = |position: usize, pair: usize| position as f32 * speed(pair);
        let table = |function: fn(f32) -> f32| -> Vec<f32> {
            (0..longest)
                .flat_map(|position| (0..head_size / 2).map(move |pair| (position, pair)))
                .map(|(position, pair)| function(angle(position, pair)))
                .collect()
        };
        [("cos", f32::cos as fn(f32) -> f32), ("sin", f32::sin)].map(|(name, function)| {
            let name = format!("rotary {theta}/{name}");
            let sliced = format!("{name}/Slice");
            if !self.builder.has_constant(&name) {
                self.builder.floats(&name, &[longest, head_size / 2], &table(function));
                let value = self.first_positions(&name, 0);
                debug_assert_eq!(value, sliced);
            }
            sliced
        })
    }
}

impl Branch<'_, '_> {
    /// Multi-head self-attention: softmax(q kᵀ / √head_size + bias) v
    /// (Vaswani et al., *Attention Is All You Need*, 2017).
    pub(super) fn attention(
        &mut self,
        about: &AttentionBlock,
        x: &str,
        bias: &str,
    ) -> Result<String> {
        let scope = self.scope(&about.name);
        let [query, key, value] = self.projected(about, &scope, x)?;
        let angles = about.rotary.map(|theta| self.writer.rotary(theta, about.head_size));
        let (split, joined) = self.head_shapes(about);
        let builder = &mut self.writer.builder;
        // The query is smaller than the scores, so it is scaled in their place.
        let scale = builder.float(1.0 / (about.head_size as f32).sqrt());
        let query = builder.node(&scope, "Mul", &[&query, &scale]);
        let by_head = blocks::BY_HEAD;
        let mut heads = |value: &str, order: &[i64]| {
            let split = builder.node(&scope, "Reshape", &[value, &split]);
            builder.node_with(&scope, "Transpose", &[&split], vec![integers("perm", order)])
        };
        let (query, key, value) = match &angles {
            None => (
                heads(&query, &by_head),
                heads(&key, &blocks::KEYS_BY_HEAD),
                heads(&value, &by_head),
            ),
            Some(angles) => {
                let [query, key, value] = [query, key, value].map(|value| heads(&value, &by_head));
                let query = rotated(builder, &scope, about.head_size, &query, angles);
                let key = rotated(builder, &scope, about.head_size, &key, angles);
                let order = vec![integers("perm", &blocks::TURNED_KEYS)];
                (query, builder.node_with(&scope, "Transpose", &[&key], order), value)
            }
        };
        let scores = builder.node(&scope, "MatMul", &[&query, &key]);
        let scores = self.writer.apply_mask(&scope, &scores, bias);
        let builder = &mut self.writer.builder;
        let weights = builder.node_with(&scope, "Softmax", &[&scores], vec![integer("axis", -1)]);
        let mixed = builder.node(&scope, "MatMul", &[&weights, &value]);
        let order = vec![integers("perm", &by_head)];
        let mixed = builder.node_with(&scope, "Transpose", &[&mixed], order);
        let mixed = builder.node(&scope, "Reshape", &[&mixed, &joined]);
        self.masked_linear(&about.output, &mixed)
    }

    /// What shapes divide a branch's values by heads, `[texts, sequence, heads, head_size]`, and put them
    /// together again. Under all masks the texts are there K times.
    fn head_shapes(&mut self, about: &AttentionBlock) -> (String, String) {
        let split = blocks::split_heads(about.heads, about.head_size);
        let joined = blocks::joined_heads(about.heads, about.head_size);
        let joined = joined.expect("a backbone's heads can be counted");
        let [heads, size] = [about.heads as i64, about.head_size as i64];
        let writer = &mut *self.writer;
        let concepts = writer.checkpoint.schema.concept_count() as i64;
        let builder = &mut writer.builder;
        match self.scope {
            MaskScope::One { .. } => (builder.integers(&split), builder.integers(&joined)),
            MaskScope::All => {
                let joined = builder.integers(&[concepts, -1, heads * size]);
                let key = [about.heads, about.head_size];
                let split = writer.head_shapes.entry(key).or_insert_with(|| {
                    let scope = "heads";
                    let part = |start, end| vec![integer("start", start), integer("end", end)];
                    let length =
                        builder.node_with(scope, "Shape", &[tensors::INPUT_IDS], part(1, 2));
                    let [every, own] =
                        [&[-1][..], &[heads, size]].map(|sizes| builder.integers(sizes));
                    let sizes = [every.as_str(), &length, &own];
                    builder.node_with(scope, "Concat", &sizes, vec![integer("axis", 0)])
                });
                (split.clone(), joined)
            }
        }
    }

    /// Query, key and value: each position's `heads · head_size` numbers.
    fn projected(&mut self, about: &AttentionBlock, scope: &str, x: &str) -> Result<[String; 3]> {
        match &about.projections {
            Projections::Separate { query, key, value } => Ok([
                self.masked_linear(query, x)?,
                self.masked_linear(key, x)?,
                self.masked_linear(value, x)?,
            ]),
            Projections::Joined(layer) => {
                let all = self.masked_linear(layer, x)?;
                let size = about.heads * about.head_size;
                let builder = &mut self.writer.builder;
                Ok([0, 1, 2].map(|i| {
                    builder.slice(scope, &all, blocks::PROJECTION_AXIS, i * size..(i + 1) * size)
                }))
            }
        }
    }
}

/// `[batch, heads, sequence, head_size]` rotated by its position: the two halves of a head are the two
/// coordinates of its pairs.
fn rotated(
    builder: &mut Builder,
    scope: &str,
    head_size: usize,
    x: &str,
    [cos, sin]: &[String; 2],
) -> String {
    let half = head_size / 2;
    let a = builder.slice(scope, x, blocks::HEAD_CHANNELS, 0..half);
    let b = builder.slice(scope, x, blocks::HEAD_CHANNELS, half..head_size);
    let mut product = |x: &str, angles: &str| builder.node(scope, "Mul", &[x, angles]);
    let products = [product(&a, cos), product(&b, sin), product(&b, cos), product(&a, sin)];
    let [a_cos, b_sin, b_cos, a_sin] = products;
    let a = builder.node(scope, "Sub", &[&a_cos, &b_sin]);
    let b = builder.node(scope, "Add", &[&b_cos, &a_sin]);
    builder.node_with(scope, "Concat", &[&a, &b], vec![integer("axis", -1)])
}
