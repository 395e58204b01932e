//! The backbone under one mask, and what runs it.

use std::sync::Arc;

use super::build::{PackedBlock, PackedFeedForward, PackedHead, PackedLayer, PackedTurn};
use super::kernel::{
    Activation, AddNorm, Attention, Buffer, Gate, InstructionSet, Product, TokenPanels, Turn,
};
use super::lower::{Norm, NormOrder};

/// The backbone under one mask, and the heads of the concepts that read it.
pub(super) struct PackedBranch {
    /// Of the embedding.
    pub(super) project_in: Option<Product>,
    /// Shared with the encoders that differ only elsewhere.
    pub(super) layers: Vec<Arc<PackedLayer>>,
    /// Of what the last layer gives.
    pub(super) norm: Option<Norm>,
    /// Of that.
    pub(super) project_out: Option<Product>,
    /// One per concept.
    pub(super) heads: Vec<PackedHead>,
}

/// The tokens of a text, and which of them count.
#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) tokens: TokenPanels,
    /// How many there are, padding included.
    pub(super) length: usize,
    /// How many, from the first on, are attended to.
    pub(super) attended: usize,
    /// How many, from the first on, the mean goes over.
    pub(super) pooled: usize,
}

/// Panels of what all branches begin with.
#[derive(Clone, Copy)]
pub(super) struct Embedded<'a> {
    pub(super) words: &'a [f32],
    /// What is added to them once they are projected; else nothing.
    pub(super) position_embedding: &'a [f32],
}

/// Memory of one thread. Every buffer is panels of some channels.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) hidden: Buffer,
    normed: Buffer,
    pub(super) next: Buffer,
    wide: Buffer,
    mixed: Buffer,
    scratch: Buffer,
}

impl PackedBranch {
    /// Panels of each head's scores.
    pub(super) fn run(
        &self,
        set: InstructionSet,
        embedded: Embedded,
        text: Text,
        buffers: &mut Buffers,
    ) -> Vec<Vec<f32>> {
        let tokens = text.tokens;
        let size = self.begin(set, embedded, tokens, buffers);
        for layer in &self.layers {
            buffers.next.room(size);
            if let (NormOrder::Before, Some(norm)) = (layer.norm_order, &layer.norm) {
                buffers.normed.room(size);
                buffers.normed[..size].copy_from_slice(&buffers.hidden[..size]);
                norm.run(set, &mut buffers.normed, None, tokens);
            }
            layer.run_block(set, text, buffers);
            let Buffers { hidden, next, .. } = buffers;
            match (layer.norm_order, &layer.norm) {
                (NormOrder::After, Some(norm)) => {
                    norm.run(set, next, Some(hidden), tokens);
                    std::mem::swap(hidden, next);
                }
                _ => add(&mut hidden[..size], &next[..size]),
            }
        }
        let Buffers { hidden, next, wide, scratch, .. } = buffers;
        if let Some(norm) = &self.norm {
            norm.run(set, hidden, None, tokens);
        }
        if let Some(product) = &self.project_out {
            next.room(product.rows() * tokens.count());
            product.run(set, Activation::Identity, tokens, hidden, next, scratch);
            std::mem::swap(hidden, next);
        }
        let run = |head: &PackedHead| head.run(set, hidden, text, wide, scratch);
        self.heads.iter().map(run).collect()
    }

    /// What the first layer reads, as the hidden state; gives its size.
    fn begin(
        &self,
        set: InstructionSet,
        embedded: Embedded,
        tokens: TokenPanels,
        buffers: &mut Buffers,
    ) -> usize {
        let Buffers { hidden, scratch, .. } = buffers;
        match &self.project_in {
            None => {
                let size = embedded.words.len();
                hidden.room(size);
                hidden[..size].copy_from_slice(embedded.words);
                size
            }
            Some(product) => {
                let size = product.rows() * tokens.count();
                hidden.room(size);
                product.run(set, Activation::Identity, tokens, embedded.words, hidden, scratch);
                add(&mut hidden[..size], embedded.position_embedding);
                size
            }
        }
    }
}

/// Adds to each number.
fn add(sums: &mut [f32], added: &[f32]) {
    for (sum, added) in sums.iter_mut().zip(added) {
        *sum += added;
    }
}

impl PackedLayer {
    /// Its block, from the hidden state, or from that under the norm where this comes before, into `next`.
    fn run_block(&self, set: InstructionSet, text: Text, buffers: &mut Buffers) {
        let Text { tokens, length, attended, .. } = text;
        let Buffers { hidden, normed, next, wide, mixed, scratch } = buffers;
        let room = |buffer: &mut Buffer, rows: usize| buffer.room(rows * tokens.count());
        let input = match (self.norm_order, &self.norm) {
            (NormOrder::Before, Some(_)) => normed,
            _ => hidden,
        };
        match &self.block {
            PackedBlock::Attention(attention) => {
                let values = attention.value_heads[attention.value_heads.len() - 1];
                room(wide, attention.qkv_proj.rows());
                room(mixed, values);
                attention.qkv_proj.run(set, Activation::Identity, tokens, input, wide, scratch);
                if let Some(PackedTurn { pairs, angles }) = &attention.turned {
                    let (rows, heads) = (attention.qkv_proj.rows(), &attention.heads);
                    Turn { x: wide, rows, heads, pairs, angles, tokens }.run(set);
                }
                Attention {
                    read: wide,
                    heads: &attention.heads,
                    value_heads: &attention.value_heads,
                    tokens,
                    length,
                    attended,
                    reach: attention.reach,
                    scale: attention.scale,
                    output: mixed,
                    scratch,
                }
                .run(set);
                attention.output.run(set, Activation::Identity, tokens, mixed, next, scratch);
            }
            PackedBlock::FeedForward(PackedFeedForward {
                up_proj,
                gated: false,
                activation,
                down_proj,
            }) => {
                room(wide, up_proj.rows());
                up_proj.run(set, *activation, tokens, input, wide, scratch);
                down_proj.run(set, Activation::Identity, tokens, wide, next, scratch);
            }
            PackedBlock::FeedForward(PackedFeedForward {
                up_proj,
                gated: true,
                activation,
                down_proj,
            }) => {
                let rows = up_proj.rows() / 2;
                room(wide, up_proj.rows());
                room(mixed, rows);
                up_proj.run(set, Activation::Identity, tokens, input, wide, scratch);
                Gate { activation: *activation, rows, read: wide, output: mixed, tokens }.run(set);
                down_proj.run(set, Activation::Identity, tokens, mixed, next, scratch);
            }
        }
    }
}

impl Norm {
    /// Of `x`, in place, after `residual` is added.
    pub(super) fn run(
        &self,
        set: InstructionSet,
        x: &mut [f32],
        residual: Option<&[f32]>,
        tokens: TokenPanels,
    ) {
        let Norm { weight, bias, epsilon, .. } = self;
        AddNorm { x, residual, weight, bias, epsilon: *epsilon, tokens }.run(set);
    }
}

impl PackedHead {
    /// Panels of its scores, from those of the last hidden state; `expanded` and `scratch` are any buffers.
    fn run(
        &self,
        set: InstructionSet,
        hidden: &[f32],
        text: Text,
        expanded: &mut Buffer,
        scratch: &mut Buffer,
    ) -> Vec<f32> {
        let tokens = text.tokens;
        let mut scores = vec![0.0; self.classes.rows() * tokens.count()];
        let read = match &self.expansion {
            None => hidden,
            Some(expansion) => {
                expanded.room(expansion.rows() * tokens.count());
                expansion.run(set, Activation::Identity, tokens, hidden, expanded, scratch);
                keep_positive(expanded, expansion.rows(), text);
                expanded
            }
        };
        self.classes.run(set, Activation::Identity, tokens, read, &mut scores, scratch);
        scores
    }
}

/// Of the panels of this many `rows`, leaves those whose pooled value is positive; the others become 0 where they
/// are pooled.
fn keep_positive(panels: &mut [f32], rows: usize, Text { tokens, pooled, .. }: Text) {
    let mut sums = vec![0.0; rows];
    for token in 0..pooled {
        let (first, step) = tokens.place(token, rows);
        for (sum, value) in sums.iter_mut().zip(panels[first..].iter().step_by(step)) {
            *sum += value;
        }
    }
    for token in 0..pooled {
        let (first, step) = tokens.place(token, rows);
        for (sum, value) in sums.iter().zip(panels[first..].iter_mut().step_by(step)) {
            if *sum <= 0.0 {
                *value = 0.0;
            }
        }
    }
}
