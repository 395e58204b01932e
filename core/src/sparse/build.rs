//! From what was found in a graph to what runs: rows and columns that a mask kills are left out, exactly.

use std::sync::Arc;

use super::cost::PackCount;
use super::kept::{Kept, Looks, bits};
use super::kernel::{Activation, Angles, InstructionSet, Product, Reach};
use super::lower::{
    AttentionSpec, BlockSpec, ExpansionSpec, FeedForwardSpec, HeadsSpec, LayerSpec, Linear, Norm,
    NormOrder,
};
use super::masked::{Masked, Weights};
use super::pack::{Channels, Part, counted, pack};
use super::plan::PlannedProduct;

/// One layer, packed: norm(block(x) + x), or block(norm(x)) + x.
pub(super) struct PackedLayer {
    pub(super) block: PackedBlock,
    pub(super) norm: Option<Norm>,
    pub(super) norm_order: NormOrder,
    /// How its products are run.
    pub(super) plan: Vec<PlannedProduct>,
}

/// What a layer does before its norm.
pub(super) enum PackedBlock {
    Attention(PackedAttention),
    FeedForward(PackedFeedForward),
}

/// A feed-forward block without the channels that change nothing.
pub(super) struct PackedFeedForward {
    /// Where there is a gate, that is below it.
    pub(super) up_proj: Product,
    pub(super) gated: bool,
    pub(super) activation: Activation,
    pub(super) down_proj: Product,
}

/// Self-attention without the channels that change nothing.
pub(super) struct PackedAttention {
    /// Queries, keys and values, one below the other.
    pub(super) qkv_proj: Product,
    /// Where each head's channels of query and key begin, and at last their number.
    pub(super) heads: Vec<usize>,
    /// The same of the value.
    pub(super) value_heads: Vec<usize>,
    pub(super) scale: f32,
    pub(super) reach: Reach,
    pub(super) output: Product,
    pub(super) turned: Option<PackedTurn>,
}

/// How the channels of query and key are turned.
pub(super) struct PackedTurn {
    /// Which pair of the angles each head's pairs are, head by head.
    pub(super) pairs: Vec<usize>,
    pub(super) angles: Arc<Angles>,
}

/// The head of a concept.
pub(super) struct PackedHead {
    /// Where it has two layers, the first of them.
    pub(super) expansion: Option<Product>,
    /// Without its bias.
    pub(super) classes: Product,
}

/// Packs products for one instruction set and notes what it chose since the last layer.
pub(super) struct Builder<'a> {
    pub(super) set: InstructionSet,
    /// What is known of the weights.
    pub(super) looks: &'a Looks,
    pub(super) plan: Vec<PlannedProduct>,
}

impl<'a> Builder<'a> {
    /// Packs the block of a layer, and how its products are run.
    pub(super) fn block(&mut self, layer: &'a LayerSpec) -> (PackedBlock, Vec<PlannedProduct>) {
        let block = match &layer.block {
            BlockSpec::Attention(attention) => PackedBlock::Attention(self.attention(attention)),
            BlockSpec::FeedForward(block) => PackedBlock::FeedForward(self.feed_forward(block)),
        };
        (block, std::mem::take(&mut self.plan))
    }

    /// What the products of a layer would hold: known long before they are packed.
    pub(super) fn counts(&self, layer: &'a LayerSpec) -> [PackCount; 2] {
        match &layer.block {
            BlockSpec::Attention(attention) => {
                let living = self.living(attention);
                let parts = self.qkv_parts(attention, &living);
                self.counts_of(&parts, &attention.query, &attention.output, &living.mixed)
            }
            BlockSpec::FeedForward(block) => {
                let rows = self.between(block);
                let parts = self.wide_parts(block, &rows);
                self.counts_of(&parts, &block.up_proj, &block.down_proj, &rows)
            }
        }
    }

    /// Those of a block's `parts`, which read what `first` reads, and of `last`, which reads the channels `present`.
    fn counts_of(
        &self,
        parts: &[Part],
        first: &Linear,
        last: &Linear,
        present: &[usize],
    ) -> [PackCount; 2] {
        let rows: Vec<usize> = (0..last.weight.rows).collect();
        let channels = Channels::of(last.weight.columns, present.iter().copied());
        let all = Channels::all(first.weight.columns);
        [counted(parts, &all), counted(&[self.part(last, &rows)], &channels)]
    }

    /// Parts of one input, one below the other; the plan names them after the first.
    fn product(&mut self, name: &str, parts: &[Part], channels: &Channels) -> Product {
        let (product, planned) = pack(name, parts, channels, self.set);
        self.plan.push(planned);
        product
    }

    fn part<'p>(&self, linear: &'p Linear, rows: &'p [usize]) -> Part<'p>
    where
        'a: 'p,
    {
        Part { kept: self.kept(linear), rows, bias: &linear.bias }
    }

    fn kept<'p>(&self, linear: &'p Linear) -> Kept<'p>
    where
        'a: 'p,
    {
        self.looks.kept(&linear.weight)
    }

    /// All of a product that belongs to no layer.
    pub(super) fn dense(&mut self, linear: &Linear) -> Product {
        let rows: Vec<usize> = (0..linear.weight.rows).collect();
        let all = Channels::all(linear.weight.columns);
        let part = self.part(linear, &rows);
        self.product(&linear.name, &[part], &all)
    }

    /// That of concept `k`, which reads `size` channels.
    pub(super) fn head(&mut self, heads: &HeadsSpec, k: usize, size: usize) -> PackedHead {
        let mut layer = |name: &str, all: &[f32], columns: usize, bias: Vec<f32>| {
            let rows = bias.len();
            let own = &all[k * rows * columns..][..rows * columns];
            let bytes: Vec<u8> = own.iter().flat_map(|weight| weight.to_le_bytes()).collect();
            let weights = Weights::Single(bytes.into());
            let weight = Masked { rows, columns, weights, mask: None };
            self.dense(&Linear { name: name.into(), weight, bias })
        };
        let expansion =
            heads.expansion.as_ref().map(|ExpansionSpec { size: own, weight, bias }| {
                layer("concept_expansion", weight, size, bias[k * own..][..*own].to_vec())
            });
        let read = heads.expansion.as_ref().map_or(size, |expansion| expansion.size);
        let classes = layer("concept_head", &heads.weight, read, vec![0.0; heads.classes]);
        PackedHead { expansion, classes }
    }

    /// Two facts make channels superfluous. A key channel without weights is a constant over all keys,
    /// which a softmax over keys does not see. A value channel without weights is its bias wherever it is
    /// attended to, so what it adds to the output is a constant too; a head without others need not compare.
    ///
    /// Where channels are turned by positions, a key channel without weights has to be 0 to change nothing, and its
    /// pair stays or goes as a whole.
    fn living(&self, attention: &AttentionSpec) -> Living {
        let AttentionSpec { query, key, value, output, heads, head_size, angles, .. } = attention;
        let [query_kept, key_kept, value_kept] =
            [query, key, value].map(|linear| self.kept(linear));
        let query_lives = |row| query.bias[row] != 0.0 || !query_kept.is_killed(row);
        let key_lives = |row| !key_kept.is_killed(row) || angles.is_some() && key.bias[row] != 0.0;
        let read = read_columns(self.kept(output));
        let height = value_kept.block_rows();
        let mixed = units(value.weight.rows, height, |row| read[row] && !value_kept.is_killed(row));
        let mixes: Vec<bool> =
            bounds(&mixed, *heads, *head_size).windows(2).map(|pair| pair[0] < pair[1]).collect();
        let half = head_size / 2;
        let partner = |row| if row % head_size < half { row + half } else { row - half };
        let height = key_kept.block_rows();
        let compared = match angles {
            None => units(key.weight.rows, height, |row| {
                mixes[row / head_size] && key_lives(row) && query_lives(row)
            }),
            Some(_) => {
                // Whole blocks have whole blocks of partners, or are broken up.
                let height = if half.is_multiple_of(height) { height } else { 1 };
                units(key.weight.rows, height, |row| {
                    let either = |lives: &dyn Fn(usize) -> bool| lives(row) || lives(partner(row));
                    mixes[row / head_size] && either(&key_lives) && either(&query_lives)
                })
            }
        };
        Living { compared, mixed }
    }

    /// The channels of queries, keys and values that live.
    fn qkv_parts<'p>(&self, attention: &'p AttentionSpec, living: &'p Living) -> [Part<'p>; 3]
    where
        'a: 'p,
    {
        let AttentionSpec { query, key, value, .. } = attention;
        let Living { compared, mixed } = living;
        [self.part(query, compared), self.part(key, compared), self.part(value, mixed)]
    }

    fn attention(&mut self, attention: &'a AttentionSpec) -> PackedAttention {
        let AttentionSpec { query, key, value, output, heads, head_size, scale, reach, angles } =
            attention;
        let living = self.living(attention);
        let parts = self.qkv_parts(attention, &living);
        let Living { compared, mixed } = &living;
        let turned = angles.as_ref().map(|angles| {
            let places = compared.iter().map(|row| row % head_size);
            let pairs = places.filter(|&place| place < head_size / 2).collect();
            PackedTurn { pairs, angles: angles.clone() }
        });
        let name = match key.name == query.name {
            // They are parts of one.
            true => query.name.clone(),
            false => format!("{}, key, value", query.name),
        };
        let qkv_proj = self.product(&name, &parts, &Channels::all(query.weight.columns));
        let output = self.without(output, mixed, |row| value.bias[row]);
        PackedAttention {
            qkv_proj,
            heads: bounds(compared, *heads, *head_size),
            value_heads: bounds(mixed, *heads, *head_size),
            scale: *scale,
            reach: *reach,
            output,
            turned,
        }
    }

    /// The channels between the products of a feed-forward block. One that nobody reads is left out; one without
    /// weights is a constant, and so is one with a gate if either factor is 0 or neither has weights.
    fn between(&self, block: &FeedForwardSpec) -> Vec<usize> {
        let FeedForwardSpec { up_proj, gate, activation, down_proj } = block;
        let read = read_columns(self.kept(down_proj));
        let up_kept = self.kept(up_proj);
        let gate = gate.as_ref().map(|gate| (self.kept(gate), &gate.bias));
        let lives = |row: usize| {
            let constant = up_kept.is_killed(row).then(|| activation.of(up_proj.bias[row]));
            let Some((gate_kept, gate_bias)) = gate else { return constant.is_none() };
            let gate = gate_kept.is_killed(row).then(|| gate_bias[row]);
            match (constant, gate) {
                (Some(_), Some(_)) => false,
                (constant, gate) => constant != Some(0.0) && gate != Some(0.0),
            }
        };
        units(up_proj.weight.rows, up_kept.block_rows(), |row| read[row] && lives(row))
    }

    /// These rows of the first product, and of the gate where there is one.
    fn wide_parts<'p>(&self, block: &'p FeedForwardSpec, rows: &'p [usize]) -> Vec<Part<'p>>
    where
        'a: 'p,
    {
        let linears = std::iter::once(&block.up_proj).chain(&block.gate);
        linears.map(|linear| self.part(linear, rows)).collect()
    }

    fn feed_forward(&mut self, block: &'a FeedForwardSpec) -> PackedFeedForward {
        let FeedForwardSpec { up_proj, gate, activation, down_proj } = block;
        let rows = self.between(block);
        let parts = self.wide_parts(block, &rows);
        let wide = self.product(&up_proj.name, &parts, &Channels::all(up_proj.weight.columns));
        let constant = |row: usize| {
            activation.of(up_proj.bias[row]) * gate.as_ref().map_or(1.0, |gate| gate.bias[row])
        };
        let narrow = self.without(down_proj, &rows, constant);
        PackedFeedForward {
            up_proj: wide,
            gated: gate.is_some(),
            activation: *activation,
            down_proj: narrow,
        }
    }

    /// A product of the input channels `present`; what the others would add, which are constants, goes
    /// into the bias.
    fn without(
        &mut self,
        linear: &'a Linear,
        present: &[usize],
        constant: impl Fn(usize) -> f32,
    ) -> Product {
        let channels = Channels::of(linear.weight.columns, present.iter().copied());
        let rows: Vec<usize> = (0..linear.weight.rows).collect();
        let kept = self.kept(linear);
        let absent = |row: usize| -> f32 {
            let added = channels.absent(&kept.union([row]));
            let added = bits(&added).map(|column| {
                f64::from(linear.weight.weight(row, column)) * f64::from(constant(column))
            });
            added.sum::<f64>() as f32
        };
        let bias: Vec<f32> = rows.iter().map(|&row| linear.bias[row] + absent(row)).collect();
        self.product(&linear.name, &[Part { kept, rows: &rows, bias: &bias }], &channels)
    }
}

/// The channels of attention that are worth computing.
struct Living {
    /// Of queries and keys.
    compared: Vec<usize>,
    /// Of values.
    mixed: Vec<usize>,
}

/// Where each head's channels begin, and at last their number.
fn bounds(channels: &[usize], heads: usize, head_size: usize) -> Vec<usize> {
    (0..=heads).map(|h| channels.partition_point(|&c| c < h * head_size)).collect()
}

/// The rows, of this many, that live, in whole blocks of this height: to break one up would cost more than it saves.
fn units(rows: usize, height: usize, lives: impl Fn(usize) -> bool) -> Vec<usize> {
    let lives: Vec<bool> = (0..rows).map(lives).collect();
    (0..rows)
        .filter(|row| lives[row / height * height..].iter().take(height).any(|&lives| lives))
        .collect()
}

/// For each column, whether any row keeps it.
fn read_columns(weight: Kept) -> Vec<bool> {
    let union = weight.union(0..weight.weight.rows);
    (0..weight.weight.columns).map(|column| union[column / 64] >> (column % 64) & 1 == 1).collect()
}
