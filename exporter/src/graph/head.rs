use sparsecbm::Result;
use sparsecbm::format::{blocks, nodes, tensors};
use sparsecbm::schema::{InterventionKind, Pooling};

use super::builder::{Builder, float, integer, integers};
use super::dense::cast;
use super::writer::Writer;

impl Writer<'_> {
    /// Token evidence and concept logits from the last hidden states: one per concept, or one for all.
    ///
    /// evidence[k][c][s] = pool_weight[s] · (concept_head.weight[k][c] · hidden[k][s]), and its sum over
    /// the positions plus the bias is the logit: pooling and head are linear, so this order is exact too.
    pub(super) fn concept_heads(&mut self, hidden: &[String]) -> Result<()> {
        let concept_axis = self.builder.integers(&[blocks::CONCEPT_AXIS]);
        let mut evidence = Vec::new();
        for (k, concept) in self.checkpoint.schema.concepts.iter().enumerate() {
            let hidden = hidden.get(k).unwrap_or(&hidden[0]);
            let scope = nodes::of_concept(&concept.name, nodes::CONCEPT_HEAD);
            let index = self.builder.integer(k as i64);
            let own = self.concept_evidence(&concept.name, &index, hidden)?;
            let builder = &mut self.builder;
            let by_class = vec![integers("perm", &blocks::BY_CLASS)];
            let own = builder.node_with(&scope, "Transpose", &[&own], by_class);
            evidence.push(builder.node(&scope, "Unsqueeze", &[&own, &concept_axis]));
        }
        let builder = &mut self.builder;
        let evidence: Vec<&str> = evidence.iter().map(String::as_str).collect();
        builder.node_with_to(
            tensors::TOKEN_EVIDENCE,
            "Concat",
            &evidence,
            vec![integer("axis", blocks::CONCEPT_AXIS)],
        );
        self.summed_evidence()
    }

    /// The logits of all concepts.
    pub(super) fn summed_evidence(&mut self) -> Result<()> {
        let bias = self.own_floats(tensors::CONCEPT_HEAD_BIAS)?;
        let builder = &mut self.builder;
        let last = builder.integers(&[blocks::EVIDENCE_POSITIONS]);
        let flat = vec![integer("keepdims", 0)];
        let sum = builder.node_with(
            nodes::CONCEPT_HEAD,
            "ReduceSum",
            &[tensors::TOKEN_EVIDENCE, &last],
            flat,
        );
        builder.node_to(tensors::CONCEPT_LOGITS, "Add", &[&sum, &bias]);
        Ok(())
    }

    /// The logits of one concept, `[batch, C]`; `index` is its number as a value of the graph.
    pub(super) fn concept_logits(
        &mut self,
        concept: &str,
        index: &str,
        hidden: &str,
    ) -> Result<()> {
        let evidence = self.concept_evidence(concept, index, hidden)?;
        let bias = self.own_floats(tensors::CONCEPT_HEAD_BIAS)?;
        let scope = nodes::of_concept(concept, nodes::CONCEPT_HEAD);
        let builder = &mut self.builder;
        let own = builder.node_with(&scope, "Gather", &[&bias, index], vec![integer("axis", 0)]);
        let positions = builder.integers(&[blocks::POSITIONS]);
        let flat = vec![integer("keepdims", 0)];
        let sum = builder.node_with(&scope, "ReduceSum", &[&evidence, &positions], flat);
        builder.node_to(tensors::CONCEPT_LOGITS, "Add", &[&sum, &own]);
        Ok(())
    }

    /// `[batch, sequence, C]`: each position's share of a concept's logits.
    fn concept_evidence(&mut self, concept: &str, index: &str, hidden: &str) -> Result<String> {
        let pool_weight = self.pool_weight();
        let weight = self.own_floats(tensors::CONCEPT_HEAD_WEIGHT)?;
        let hidden = &self.expanded(concept, index, hidden)?;
        let scope = nodes::of_concept(concept, nodes::CONCEPT_HEAD);
        let builder = &mut self.builder;
        let own = builder.node_with(&scope, "Gather", &[&weight, index], vec![integer("axis", 0)]);
        let swapped = vec![integers("perm", &blocks::TRANSPOSED)];
        let own = builder.node_with(&scope, "Transpose", &[&own], swapped);
        let scores = builder.node(&scope, "MatMul", &[hidden, &own]);
        Ok(builder.node(&scope, "Mul", &[&scores, &pool_weight]))
    }

    /// What a concept's head reads: the last hidden state, or where the heads have two layers, each position's
    /// share of what the first of them gives.
    fn expanded(&mut self, concept: &str, index: &str, hidden: &str) -> Result<String> {
        if self.checkpoint.heads.expansion.is_none() {
            return Ok(hidden.into());
        }
        let weight = self.own_floats(tensors::CONCEPT_EXPANSION_WEIGHT)?;
        let bias = self.own_floats(tensors::CONCEPT_EXPANSION_BIAS)?;
        let scope = nodes::of_concept(concept, nodes::CONCEPT_EXPANSION);
        let builder = &mut self.builder;
        let [weight, bias] = [weight, bias].map(|all| {
            builder.node_with(&scope, "Gather", &[&all, index], vec![integer("axis", 0)])
        });
        let swapped = vec![integers("perm", &blocks::TRANSPOSED)];
        let weight = builder.node_with(&scope, "Transpose", &[&weight], swapped);
        let each = builder.node(&scope, "MatMul", &[hidden, &weight]);
        let each = builder.node(&scope, "Add", &[&each, &bias]);
        Ok(self.positive_evidence(&scope, &each, 1))
    }

    /// `[…, batch, sequence, n]`: `each` where its pooled value is positive, else 0. Pooled again, that is the
    /// positive part of the pooled value: max(mean(each), 0), with each position's share still apart.
    /// `axis` is that of the positions.
    pub(super) fn positive_evidence(&mut self, scope: &str, each: &str, axis: i64) -> String {
        let pool_weight = self.pool_weight();
        let builder = &mut self.builder;
        let evidence = builder.node(scope, "Mul", &[each, &pool_weight]);
        let positions = builder.integers(&[axis]);
        let pooled = builder.node(scope, "ReduceSum", &[&evidence, &positions]);
        let zero = builder.float(0.0);
        let positive = builder.node(scope, "Greater", &[&pooled, &zero]);
        builder.node(scope, "Where", &[&positive, each, &zero])
    }

    /// `[batch, sequence, 1]`: 1/n for each of the n pooled positions, 0 elsewhere.
    pub(super) fn pool_weight(&mut self) -> String {
        if let Some(written) = &self.pool_weight {
            return written.clone();
        }
        let scope = nodes::POOLING;
        let pooled = self.read_positions(scope);
        let builder = &mut self.builder;
        let positions = builder.integers(&[blocks::POSITIONS]);
        let count = builder.node(scope, "ReduceSum", &[&pooled, &positions]);
        // A row without any token gives 0, not 0 / 0.
        let one = builder.float(1.0);
        let count = builder.node(scope, "Max", &[&count, &one]);
        let mean = builder.node(scope, "Div", &[&pooled, &count]);
        let last = builder.integers(&[blocks::CHANNELS]);
        let weight = builder.node(scope, "Unsqueeze", &[&mean, &last]);
        self.pool_weight = Some(weight.clone());
        weight
    }

    /// `[batch, sequence]`: 1.0 for positions that are read: tokens, and padding where the mean goes over it.
    pub(super) fn read_positions(&mut self, scope: &str) -> String {
        let builder = &mut self.builder;
        let mask = cast(builder, scope, tensors::ATTENTION_MASK);
        match self.checkpoint.schema.pooling {
            Pooling::MaskedMean => mask,
            // Every position, padding too: the mask's shape filled with ones.
            Pooling::PaddedMean => {
                let zero = builder.float(0.0);
                let none = builder.node(scope, "Mul", &[&mask, &zero]);
                let one = builder.float(1.0);
                builder.node(scope, "Add", &[&none, &one])
            }
        }
    }

    /// The concept layer: overrides and the label. It reads `concept_logits` and the override inputs alone.
    pub(super) fn label_head(&mut self) -> Result<()> {
        let schema = &self.checkpoint.schema;
        let weight = self.own_floats(tensors::LABEL_HEAD_WEIGHT)?;
        let bias = self.own_floats(tensors::LABEL_HEAD_BIAS)?;
        // 1/T goes into the product: label logits = (W·c + b) / T.
        let by_temperature = 1.0 / schema.calibration.temperature;
        let scaled = vec![
            float(tensors::ALPHA, by_temperature),
            float("beta", by_temperature),
            integer("transB", 1),
        ];
        let builder = &mut self.builder;
        let probabilities = builder.node_with(
            tensors::CONCEPT_VALUES,
            "Softmax",
            &[tensors::CONCEPT_LOGITS],
            vec![integer("axis", -1)],
        );
        let half = builder.float(0.5);
        let overridden =
            builder.node("override", "Greater", &[tensors::CONCEPT_OVERRIDE_MASK, &half]);
        let last = builder.integers(&[2]);
        let overridden = builder.node("override", "Unsqueeze", &[&overridden, &last]);
        let given = [overridden.as_str(), tensors::CONCEPT_OVERRIDE, &probabilities];
        builder.node_to(tensors::CONCEPT_VALUES, "Where", &given);
        match schema.intervention {
            InterventionKind::Effect => {
                let logits = flat(builder, "label", tensors::CONCEPT_LOGITS);
                let inputs = [logits.as_str(), &weight, &bias];
                let label = builder.node_with("label", "Gemm", &inputs, scaled);
                // Without an override this is 0 to the last bit.
                let change =
                    builder.node("effect", "Sub", &[tensors::CONCEPT_VALUES, &probabilities]);
                let change = flat(builder, "effect", &change);
                let effect = self.own_floats(tensors::EFFECT_HEAD_WEIGHT)?;
                let inputs = [change.as_str(), &effect, &label];
                let transposed = vec![integer("transB", 1)];
                self.builder.node_with_to(tensors::LABEL_LOGITS, "Gemm", &inputs, transposed);
            }
            InterventionKind::SupposeCorrect => {
                let logits = flat(builder, "label", tensors::CONCEPT_LOGITS);
                let inputs = [logits.as_str(), &weight, &bias];
                let label = builder.node_with("label", "Gemm", &inputs, scaled);
                self.two_answers(&label, &probabilities)?;
            }
            _ => {
                let asserted = self.asserted_logits();
                let builder = &mut self.builder;
                let given = [overridden.as_str(), &asserted, tensors::CONCEPT_LOGITS];
                let logits = builder.node("label", "Where", &given);
                let logits = flat(builder, "label", &logits);
                let inputs = [logits.as_str(), &weight, &bias];
                builder.node_with_to(tensors::LABEL_LOGITS, "Gemm", &inputs, scaled);
            }
        }
        Ok(())
    }

    /// Adds what supposed and corrected concepts change to the label. The override mask says which is which: 1 where
    /// a concept is supposed, 2 where it is corrected. Without an override the sums are 0 to the last bit.
    fn two_answers(&mut self, label: &str, probabilities: &str) -> Result<()> {
        let builder = &mut self.builder;
        let change = builder.node("answer", "Sub", &[tensors::CONCEPT_VALUES, probabilities]);
        let one_and_a_half = builder.float(1.5);
        let corrected =
            builder.node("answer", "Greater", &[tensors::CONCEPT_OVERRIDE_MASK, &one_and_a_half]);
        let last = builder.integers(&[2]);
        let corrected = builder.node("answer", "Unsqueeze", &[&corrected, &last]);
        let zero = builder.float(0.0);
        let supposed = builder.node("suppose", "Where", &[&corrected, &zero, &change]);
        let corrected = builder.node("correct", "Where", &[&corrected, &change, &zero]);
        let mut label = label.to_string();
        for (scope, change, head) in [
            ("suppose", &supposed, tensors::SUPPOSE_HEAD_WEIGHT),
            ("correct", &corrected, tensors::CORRECT_HEAD_WEIGHT),
        ] {
            let head = self.own_floats(head)?;
            let builder = &mut self.builder;
            let change = flat(builder, scope, change);
            let transposed = vec![integer("transB", 1)];
            label = builder.node_with(scope, "Gemm", &[&change, &head, &label], transposed);
        }
        if self.checkpoint.heads.suppose_hidden.is_some() {
            let hidden = self.suppose_hidden(&supposed, probabilities)?;
            label = self.builder.node("suppose", "Add", &[&label, &hidden]);
        }
        self.builder.node_to(tensors::LABEL_LOGITS, "Identity", &[&label]);
        Ok(())
    }

    /// `[batch, L]`: the hidden layer's part of what supposing changes, the sum over concepts k of
    /// V·(relu(A·c + u + Uₖ·(pₖ + δₖ)) − relu(A·c + u + Uₖ·pₖ)); δ is 0 where nothing is supposed.
    fn suppose_hidden(&mut self, supposed: &str, probabilities: &str) -> Result<String> {
        let scope = "suppose_hidden";
        let units = self.checkpoint.heads.suppose_hidden.unwrap_or_default() as i64;
        let schema = &self.checkpoint.schema;
        let (k, c) = (schema.concept_count() as i64, schema.class_count() as i64);
        let read = self.own_floats(tensors::SUPPOSE_HIDDEN_READ)?;
        let asserted = self.own_floats(tensors::SUPPOSE_HIDDEN_ASSERTED)?;
        let bias = self.own_floats(tensors::SUPPOSE_HIDDEN_BIAS)?;
        let output = self.own_floats(tensors::SUPPOSE_HIDDEN_OUTPUT)?;
        let builder = &mut self.builder;
        let logits = flat(builder, scope, tensors::CONCEPT_LOGITS);
        let transposed = vec![integer("transB", 1)];
        let context = builder.node_with(scope, "Gemm", &[&logits, &read, &bias], transposed);
        // [batch, 1, 1, H], for every concept.
        let axes = builder.integers(&[1, 2]);
        let context = builder.node(scope, "Unsqueeze", &[&context, &axes]);
        // [H, K * C] as [K, C, H].
        let shape = builder.integers(&[units, k, c]);
        let asserted = builder.node(scope, "Reshape", &[&asserted, &shape]);
        let order = vec![integers("perm", &[1, 2, 0])];
        let asserted = builder.node_with(scope, "Transpose", &[&asserted], order);
        let row = builder.integers(&[2]);
        let after = builder.node(scope, "Add", &[probabilities, supposed]);
        let mut unit = |values: &str| {
            let values = builder.node(scope, "Unsqueeze", &[values, &row]);
            let product = builder.node(scope, "MatMul", &[&values, &asserted]);
            let sum = builder.node(scope, "Add", &[&product, &context]);
            builder.node(scope, "Relu", &[&sum])
        };
        let (before, after) = (unit(probabilities), unit(&after));
        let moved = builder.node(scope, "Sub", &[&after, &before]);
        let axes = builder.integers(&[1, 2]);
        let moved =
            builder.node_with(scope, "ReduceSum", &[&moved, &axes], vec![integer("keepdims", 0)]);
        let swapped = vec![integers("perm", &blocks::TRANSPOSED)];
        let output = builder.node_with(scope, "Transpose", &[&output], swapped);
        Ok(builder.node(scope, "MatMul", &[&moved, &output]))
    }

    /// Σⱼ override[k][j] · class_logits[k][j]: the logits of an asserted concept.
    fn asserted_logits(&mut self) -> String {
        let schema = &self.checkpoint.schema;
        let (k, c) = (schema.concept_count(), schema.class_count());
        let values: Vec<f32> =
            schema.calibration.class_logits.iter().flatten().flatten().copied().collect();
        let builder = &mut self.builder;
        let class_logits = builder.floats("calibration.class_logits", &[k, c, c], &values);
        let row = builder.integers(&[2]);
        let given = builder.node("override", "Unsqueeze", &[tensors::CONCEPT_OVERRIDE, &row]);
        let logits = builder.node("override", "MatMul", &[&given, &class_logits]);
        builder.node("override", "Squeeze", &[&logits, &row])
    }
}

/// `[batch, K, C]` as `[batch, K·C]`, concept-major.
fn flat(builder: &mut Builder, scope: &str, values: &str) -> String {
    builder.node_with(scope, "Flatten", &[values], vec![integer("axis", 1)])
}
