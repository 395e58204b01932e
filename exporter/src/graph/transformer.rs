//! The graph of a transformer, in terms of the shared blocks.

use std::collections::BTreeMap;

use sparsecbm::Result;
use sparsecbm::format::{nodes, tensors};
use sparsecbm::schema::Pooling;

use super::builder::integer;
use super::writer::{Branch, Writer};
use crate::backbone::{Norm, NormPlace, Positions, Reach, Transformer};

/// What all branches read.
pub(super) struct Shared {
    /// `[batch, sequence, d]`: what goes into the first layer, or into the projection before it.
    embedded: String,
    /// What is added to token embeddings, where they are projected first.
    position_embedding: Option<String>,
    /// Of each kind of attention, what is added to its scores.
    attention_biases: BTreeMap<Reach, String>,
}

/// Writes the part of the graph that no mask reaches.
pub(super) fn write_shared(transformer: &Transformer, writer: &mut Writer) -> Result<Shared> {
    let words = writer.words(&transformer.tokens.name, tensors::INPUT_IDS)?;
    let position_embedding = position_embedding(transformer, writer)?;
    let (embedded, position_embedding) = match transformer.project_in {
        None => {
            let added = position_embedding.as_deref();
            (join(transformer, writer, "", words, added)?, None)
        }
        // The projection has masks, so each branch goes on from here.
        Some(_) => (words, position_embedding),
    };
    let mut attention_biases = BTreeMap::new();
    for layer in &transformer.layers {
        let reach = layer.attention.reach;
        attention_biases.entry(reach).or_insert_with(|| writer.attention_bias(reach));
    }
    Ok(Shared { embedded, position_embedding, attention_biases })
}

/// Writes the graph under one mask, and gives the last hidden state.
pub(super) fn write_branch(
    transformer: &Transformer,
    branch: &mut Branch,
    shared: &Shared,
) -> Result<String> {
    let mut hidden = shared.embedded.clone();
    if let Some(project_in) = &transformer.project_in {
        let words = branch.masked_linear(project_in, &hidden)?;
        let prefix = branch.prefix();
        let added = shared.position_embedding.as_deref();
        hidden = join(transformer, branch.writer, &prefix, words, added)?;
    }
    for layer in &transformer.layers {
        let bias = &shared.attention_biases[&layer.attention.reach];
        let norm = layer.attention_norm.as_ref();
        hidden =
            branch.residual(transformer.norm_place, &layer.name, norm, &hidden, |branch, x| {
                branch.attention(&layer.attention, x, bias)
            })?;
        let norm = layer.feed_forward_norm.as_ref();
        hidden =
            branch.residual(transformer.norm_place, &layer.name, norm, &hidden, |branch, x| {
                branch.feed_forward(&layer.feed_forward, x)
            })?;
    }
    if let Some(norm) = &transformer.final_norm {
        let prefix = branch.prefix();
        hidden = branch.writer.layer_norm(norm, &prefix, &hidden)?;
    }
    match &transformer.project_out {
        Some(project_out) => branch.masked_linear(project_out, &hidden),
        None => Ok(hidden),
    }
}

impl Shared {
    /// The same for one branch under all masks: `[1, batch · sequence, n]`, and attention biases for
    /// `[K · batch, heads, sequence, sequence]`.
    pub(super) fn batched(self, writer: &mut Writer) -> Shared {
        let concepts = writer.checkpoint.schema.concept_count() as i64;
        let repeats = writer.builder.integers(&[concepts, 1, 1, 1]);
        let repeated = |(reach, bias): (Reach, String)| {
            let bias = writer.builder.node(nodes::ATTENTION_MASK, "Tile", &[&bias, &repeats]);
            (reach, bias)
        };
        let attention_biases = self.attention_biases.into_iter().map(repeated).collect();
        Shared {
            embedded: writer.by_row(nodes::EMBEDDINGS, &self.embedded),
            position_embedding: self.position_embedding.map(|added| writer.added_by_row(&added)),
            attention_biases,
        }
    }
}

impl Writer<'_> {
    /// `[batch, sequence, n]` as `[1, batch · sequence, n]`.
    fn by_row(&mut self, scope: &str, value: &str) -> String {
        let rows = self.builder.integers(&[1, -1, 0]);
        self.builder.node(scope, "Reshape", &[value, &rows])
    }

    /// What is added to embeddings, the same for every text or not, for each row of its own.
    fn added_by_row(&mut self, added: &str) -> String {
        let scope = nodes::EMBEDDINGS;
        let one = self.builder.integers(&[1]);
        let texts = self.builder.node(scope, "Shape", &[tensors::INPUT_IDS]);
        let axis = vec![integer("axis", 0)];
        let shape = self.builder.node_with(scope, "Concat", &[&texts, &one], axis);
        let every = self.builder.node(scope, "Expand", &[added, &shape]);
        self.by_row(scope, &every)
    }
}

impl Branch<'_, '_> {
    /// A block with its residual connection and its norm, if any.
    fn residual(
        &mut self,
        place: NormPlace,
        layer: &str,
        norm: Option<&Norm>,
        x: &str,
        block: impl FnOnce(&mut Self, &str) -> Result<String>,
    ) -> Result<String> {
        let prefix = self.prefix();
        let scope = self.scope(layer);
        let normed = |branch: &mut Self, x: String| match norm {
            Some(norm) => branch.writer.layer_norm(norm, &prefix, &x),
            None => Ok(x),
        };
        match place {
            NormPlace::Before => {
                let input = normed(self, x.into())?;
                let output = block(self, &input)?;
                Ok(self.writer.add(&scope, &output, x))
            }
            NormPlace::After => {
                let output = block(self, x)?;
                let sum = self.writer.add(&scope, &output, x);
                normed(self, sum)
            }
        }
    }
}

/// What is added to token embeddings: positions, and the segment, which is 0 everywhere.
fn position_embedding(transformer: &Transformer, writer: &mut Writer) -> Result<Option<String>> {
    let positions = match &transformer.positions {
        Some(positions) => Some(write_positions(positions, writer)?),
        None => None,
    };
    let segment = match &transformer.segments {
        Some(segments) => Some(writer.embedding_row(&segments.name, 0)?),
        None => None,
    };
    Ok(match (positions, segment) {
        (Some(positions), Some(segment)) => {
            Some(writer.add(nodes::EMBEDDINGS, &positions, &segment))
        }
        (one, other) => one.or(other),
    })
}

fn write_positions(positions: &Positions, writer: &mut Writer) -> Result<String> {
    let table = &positions.table.name;
    match (positions.padding, writer.checkpoint.schema.pooling) {
        (Some(padding), Pooling::PaddedMean) => {
            let rows = writer.position_rows(table, positions.first, padding);
            writer.token_embedding(table, &rows)
        }
        // No output depends on what padding reads.
        _ => writer.position_embedding(table, positions.first),
    }
}

/// Token embeddings with what is added to them, under the embeddings' norm.
fn join(
    transformer: &Transformer,
    writer: &mut Writer,
    prefix: &str,
    words: String,
    added: Option<&str>,
) -> Result<String> {
    let sum = match added {
        Some(added) => writer.add(&format!("{prefix}{}", nodes::EMBEDDINGS), &words, added),
        None => words,
    };
    match &transformer.embedding_norm {
        Some(norm) => writer.layer_norm(norm, prefix, &sum),
        None => Ok(sum),
    }
}
