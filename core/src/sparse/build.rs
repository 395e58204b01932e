//! From what was found in a graph to what runs: rows and columns that a mask kills are left out, exactly.

use std::sync::Arc;

use super::kernel::{Activation, Angles, InstructionSet, Product, Reach};
use super::lower::{
    AttentionSpec, BlockSpec, ExpansionSpec, FeedForwardSpec, HeadsSpec, LayerSpec, Linear, Norm,
    NormOrder,
};
use super::masked::{Masked, Weights};
use super::pack::{Part, pack};
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
pub(super) struct Builder {
    pub(super) set: InstructionSet,
    pub(super) plan: Vec<PlannedProduct>,
}

impl Builder {
    pub(super) fn layer(&mut self, layer: LayerSpec) -> PackedLayer {
        let LayerSpec { block, norm, norm_order } = layer;
        let block = match block {
            BlockSpec::Attention(attention) => PackedBlock::Attention(self.attention(&attention)),
            BlockSpec::FeedForward(block) => PackedBlock::FeedForward(self.feed_forward(&block)),
        };
        PackedLayer { block, norm, norm_order, plan: std::mem::take(&mut self.plan) }
    }

    /// Parts of one input, one below the other; the plan names them after the first.
    pub(super) fn product(&mut self, name: &str, parts: &[Part], channels: usize) -> Product {
        let (product, planned) = pack(name, parts, channels, self.set);
        self.plan.push(planned);
        product
    }

    /// All of a product that belongs to no layer.
    pub(super) fn dense(&mut self, linear: &Linear) -> Product {
        let rows: Vec<usize> = (0..linear.weight.rows).collect();
        let all = every_channel(linear);
        self.product(&linear.name, &[part(linear, &rows, &all)], all.len())
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
    /// Where channels are turned by positions, a key channel without weights has to be 0 to change nothing, and its pair
    /// stays or goes as a whole.
    fn attention(&mut self, attention: &AttentionSpec) -> PackedAttention {
        let AttentionSpec { query, key, value, output, heads, head_size, scale, reach, angles } =
            attention;
        let bounds = |channels: &[usize]| -> Vec<usize> {
            (0..=*heads).map(|h| channels.partition_point(|&c| c < h * head_size)).collect()
        };
        let query_lives = |row| query.bias[row] != 0.0 || !query.weight.is_killed(row);
        let key_lives =
            |row| !key.weight.is_killed(row) || angles.is_some() && key.bias[row] != 0.0;
        let read = used_columns(&output.weight);
        let height = value.weight.block_rows();
        let mixed = units(value, height, |row| read[row] && !value.weight.is_killed(row));
        let mixes: Vec<bool> = bounds(&mixed).windows(2).map(|pair| pair[0] < pair[1]).collect();
        let half = head_size / 2;
        let partner = |row| if row % head_size < half { row + half } else { row - half };
        let height = key.weight.block_rows();
        let compared = match angles {
            None => units(key, height, |row| {
                mixes[row / head_size] && key_lives(row) && query_lives(row)
            }),
            Some(_) => {
                // Whole blocks have whole blocks of partners, or are broken up.
                let height = if half.is_multiple_of(height) { height } else { 1 };
                units(key, height, |row| {
                    let either = |lives: &dyn Fn(usize) -> bool| lives(row) || lives(partner(row));
                    mixes[row / head_size] && either(&key_lives) && either(&query_lives)
                })
            }
        };
        let turned = angles.as_ref().map(|angles| {
            let places = compared.iter().map(|row| row % head_size);
            let pairs = places.filter(|&place| place < half).collect();
            PackedTurn { pairs, angles: angles.clone() }
        });
        let all = every_channel(query);
        let part = |linear, rows| part(linear, rows, &all);
        let parts = [part(query, &compared), part(key, &compared), part(value, &mixed)];
        let name = match key.name == query.name {
            // They are parts of one.
            true => query.name.clone(),
            false => format!("{}, key, value", query.name),
        };
        let qkv_proj = self.product(&name, &parts, all.len());
        let output = self.without(output, &mixed, |row| value.bias[row]);
        PackedAttention {
            qkv_proj,
            heads: bounds(&compared),
            value_heads: bounds(&mixed),
            scale: *scale,
            reach: *reach,
            output,
            turned,
        }
    }

    /// A channel between the two that nobody reads is left out; one without weights is a constant, and so is one with
    /// a gate if either factor is 0 or neither has weights.
    fn feed_forward(&mut self, block: &FeedForwardSpec) -> PackedFeedForward {
        let FeedForwardSpec { up_proj, gate, activation, down_proj } = block;
        let read = used_columns(&down_proj.weight);
        let lives = |row: usize| {
            let constant = up_proj.weight.is_killed(row).then(|| activation.of(up_proj.bias[row]));
            let Some(gate) = gate else { return constant.is_none() };
            let gate = gate.weight.is_killed(row).then(|| gate.bias[row]);
            match (constant, gate) {
                (Some(_), Some(_)) => false,
                (constant, gate) => constant != Some(0.0) && gate != Some(0.0),
            }
        };
        let rows = units(up_proj, up_proj.weight.block_rows(), |row| read[row] && lives(row));
        let all = every_channel(up_proj);
        let parts = std::iter::once(up_proj).chain(gate).map(|linear| part(linear, &rows, &all));
        let wide = self.product(&up_proj.name, &parts.collect::<Vec<_>>(), all.len());
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
        linear: &Linear,
        present: &[usize],
        constant: impl Fn(usize) -> f32,
    ) -> Product {
        let mut channels = vec![None; linear.weight.columns];
        for (channel, &column) in present.iter().enumerate() {
            channels[column] = Some(channel);
        }
        let rows: Vec<usize> = (0..linear.weight.rows).collect();
        let absent = |row: usize| -> f32 {
            let added = linear.weight.kept(row).filter(|&(column, _)| channels[column].is_none());
            added
                .map(|(column, weight)| f64::from(weight) * f64::from(constant(column)))
                .sum::<f64>() as f32
        };
        let bias: Vec<f32> = rows.iter().map(|&row| linear.bias[row] + absent(row)).collect();
        let part = Part { weight: &linear.weight, rows: &rows, channels: &channels, bias: &bias };
        self.product(&linear.name, &[part], present.len())
    }
}

/// The channels that its columns read, where its input has all.
fn every_channel(linear: &Linear) -> Vec<Option<usize>> {
    (0..linear.weight.columns).map(Some).collect()
}

fn part<'a>(linear: &'a Linear, rows: &'a [usize], channels: &'a [Option<usize>]) -> Part<'a> {
    Part { weight: &linear.weight, rows, channels, bias: &linear.bias }
}

/// The rows that live, in whole blocks of the mask: to break one up would cost more than it saves.
fn units(linear: &Linear, height: usize, lives: impl Fn(usize) -> bool) -> Vec<usize> {
    let count = linear.weight.rows;
    let lives: Vec<bool> = (0..count).map(lives).collect();
    (0..count)
        .filter(|row| lives[row / height * height..].iter().take(height).any(|&lives| lives))
        .collect()
}

/// For each column, whether any row keeps it.
fn used_columns(weight: &Masked) -> Vec<bool> {
    let mut used = vec![false; weight.columns];
    for (column, _) in (0..weight.rows).flat_map(|row| weight.kept(row)) {
        used[column] = true;
    }
    used
}
