//! The backbone under one mask, and what runs it.

use std::sync::Arc;

use super::build::{PackedBlock, PackedFeedForward, PackedHead, PackedLayer, PackedTurn};
use super::kernel::{
    Activation, AddNorm, Attention, Buffer, Gate, InstructionSet, Product, TokenPanels, Turn,
};
use super::lower::{Norm, NormOrder};
use super::team::{Member, Shared};

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
    /// Channels of the words.
    pub(super) channels: usize,
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
    wide: Shared,
    mixed: Buffer,
    scratch: Buffer,
}

impl PackedBranch {
    /// The panels of a `member` of the team; gives those of each head's scores.
    pub(super) fn run(
        &self,
        set: InstructionSet,
        embedded: Embedded,
        member: &Member,
        buffers: &mut Buffers,
    ) -> Vec<Vec<f32>> {
        let tokens = member.tokens;
        let size = self.begin(set, embedded, member, buffers);
        for layer in &self.layers {
            buffers.next.room(size);
            if let (NormOrder::Before, Some(norm)) = (layer.norm_order, &layer.norm) {
                buffers.normed.room(size);
                buffers.normed[..size].copy_from_slice(&buffers.hidden[..size]);
                norm.run(set, &mut buffers.normed, None, tokens);
            }
            layer.run_block(set, member, buffers);
            let Buffers { hidden, next, .. } = buffers;
            match (layer.norm_order, &layer.norm) {
                (NormOrder::After, Some(norm)) => {
                    norm.run(set, next, Some(hidden), tokens);
                    std::mem::swap(hidden, next);
                }
                _ => add(&mut hidden[..size], &next[..size]),
            }
        }
        let Buffers { hidden, next, scratch, .. } = buffers;
        if let Some(norm) = &self.norm {
            norm.run(set, hidden, None, tokens);
        }
        if let Some(product) = &self.project_out {
            next.room(product.rows() * tokens.count());
            product.run(set, Activation::Identity, tokens, hidden, next, scratch);
            std::mem::swap(hidden, next);
        }
        let run = |head: &PackedHead| head.run(set, member, buffers);
        self.heads.iter().map(run).collect()
    }

    /// What the first layer reads, as the hidden state; gives its size.
    fn begin(
        &self,
        set: InstructionSet,
        embedded: Embedded,
        member: &Member,
        buffers: &mut Buffers,
    ) -> usize {
        let Buffers { hidden, scratch, .. } = buffers;
        let words = &embedded.words[member.of(embedded.channels)];
        match &self.project_in {
            None => {
                hidden.room(words.len());
                hidden[..words.len()].copy_from_slice(words);
                words.len()
            }
            Some(product) => {
                let own = member.of(product.rows());
                hidden.room(own.len());
                product.run(set, Activation::Identity, member.tokens, words, hidden, scratch);
                if !embedded.position_embedding.is_empty() {
                    add(&mut hidden[..own.len()], &embedded.position_embedding[own.clone()]);
                }
                own.len()
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
    fn run_block(&self, set: InstructionSet, member: &Member, buffers: &mut Buffers) {
        let Text { tokens: all, length, attended, .. } = member.text;
        let tokens = member.tokens;
        let Buffers { hidden, normed, next, wide, mixed, scratch } = buffers;
        let room = |buffer: &mut Buffer, rows: usize| buffer.room(rows * tokens.count());
        let input = match (self.norm_order, &self.norm) {
            (NormOrder::Before, Some(_)) => normed,
            _ => hidden,
        };
        match &self.block {
            PackedBlock::Attention(attention) => {
                let (rows, heads) = (attention.qkv_proj.rows(), &attention.heads);
                room(mixed, attention.value_heads[attention.value_heads.len() - 1]);
                let own = wide.room(rows * tokens.count());
                attention.qkv_proj.run(set, Activation::Identity, tokens, input, own, scratch);
                if let Some(PackedTurn { pairs, angles }) = &attention.turned {
                    let first = member.first();
                    Turn { x: own, rows, heads, pairs, angles, tokens, first }.run(set);
                }
                let parts = member.exchange(wide);
                Attention {
                    read: &parts.panels(member, rows),
                    heads,
                    value_heads: &attention.value_heads,
                    tokens: all,
                    queries: member.numbers.clone(),
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
                let wide = wide.room(up_proj.rows() * tokens.count());
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
                let wide = wide.room(up_proj.rows() * tokens.count());
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
    /// Panels of its scores, from those of the last hidden state.
    fn run(&self, set: InstructionSet, member: &Member, buffers: &mut Buffers) -> Vec<f32> {
        let Buffers { hidden, wide, mixed, scratch, .. } = buffers;
        let tokens = member.tokens;
        let mut scores = vec![0.0; self.classes.rows() * tokens.count()];
        let read = match &self.expansion {
            None => hidden,
            Some(expansion) => {
                let own = wide.room(expansion.rows() * tokens.count());
                expansion.run(set, Activation::Identity, tokens, hidden, own, scratch);
                let parts = member.exchange(wide);
                keep_positive(&parts.panels(member, expansion.rows()), member, mixed);
                mixed
            }
        };
        self.classes.run(set, Activation::Identity, tokens, read, &mut scores, scratch);
        scores
    }
}

/// Copies the member's panels of all these: the rows whose pooled value is positive as they are; the others are 0 where
/// they are pooled.
fn keep_positive(panels: &[&[f32]], member: &Member, kept: &mut Buffer) {
    let Text { tokens, pooled, .. } = member.text;
    let rows = panels[0].len() / tokens.start_of(1);
    let mut sums = vec![0.0; rows];
    for (number, panel) in panels.iter().enumerate() {
        let (first, end) = (tokens.start_of(number), tokens.start_of(number + 1));
        for token in 0..pooled.clamp(first, end) - first {
            for (sum, value) in sums.iter_mut().zip(panel[token..].iter().step_by(end - first)) {
                *sum += value;
            }
        }
    }
    kept.room(rows * member.tokens.count());
    let before = member.first();
    for number in member.numbers.clone() {
        let (first, end) = (tokens.start_of(number), tokens.start_of(number + 1));
        let own = &mut kept[(first - before) * rows..(end - before) * rows];
        own.copy_from_slice(panels[number]);
        let pooled = pooled.clamp(first, end) - first;
        for (sum, row) in sums.iter().zip(own.chunks_exact_mut(end - first)) {
            if *sum <= 0.0 {
                row[..pooled].fill(0.0);
            }
        }
    }
}
