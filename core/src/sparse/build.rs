//! From what was recognised to what runs: rows and columns that a mask kills are left out, exactly.

use super::kernel::{Activation, InstructionSet, Product};
use super::masked::{Masked, Weights};
use super::pack::{Part, pack};
use super::plan::PlannedProduct;
use super::recognise::{self, Expansion, Heads, Linear, Norm, NormPlace};

/// One layer, packed: norm(block(x) + x), or block(norm(x)) + x.
pub(super) struct Layer {
    pub(super) block: Block,
    pub(super) norm: Norm,
    pub(super) norm_place: NormPlace,
    /// How its products are run.
    pub(super) plan: Vec<PlannedProduct>,
}

/// What a layer does before its norm.
pub(super) enum Block {
    Attention(Attention),
    FeedForward { inner: Product, activation: Activation, outer: Product },
}

/// Self-attention without the channels that change nothing.
pub(super) struct Attention {
    /// Queries, keys and values, one below the other.
    pub(super) reading: Product,
    /// Where each head's channels of query and key begin, and at last their number.
    pub(super) heads: Vec<usize>,
    /// The same of the value.
    pub(super) value_heads: Vec<usize>,
    pub(super) scale: f32,
    pub(super) causal: bool,
    pub(super) output: Product,
}

/// The head of a concept.
pub(super) struct Head {
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
    pub(super) fn layer(&mut self, layer: recognise::Layer) -> Layer {
        let block = match layer.block {
            recognise::Block::Attention(attention) => Block::Attention(self.attention(&attention)),
            recognise::Block::FeedForward { inner, activation, outer } => {
                self.feed_forward(&inner, activation, &outer)
            }
        };
        let recognise::Layer { norm, norm_place, .. } = layer;
        Layer { block, norm, norm_place, plan: std::mem::take(&mut self.plan) }
    }

    /// Parts of one input, one below the other; the plan names them after the first.
    pub(super) fn product(&mut self, name: &str, parts: &[Part], channels: usize) -> Product {
        let (product, planned) = pack(name, parts, channels, self.set);
        self.plan.push(planned);
        product
    }

    /// All of a product that belongs to no layer.
    pub(super) fn whole(&mut self, linear: &Linear) -> Product {
        let rows: Vec<usize> = (0..linear.weight.rows).collect();
        let all = every_channel(linear);
        self.product(&linear.name, &[part(linear, &rows, &all)], all.len())
    }

    /// That of concept `k`, which reads `size` channels.
    pub(super) fn head(&mut self, heads: &Heads, k: usize, size: usize) -> Head {
        let mut layer = |name: &str, all: &[f32], columns: usize, bias: Vec<f32>| {
            let rows = bias.len();
            let own = &all[k * rows * columns..][..rows * columns];
            let bytes: Vec<u8> = own.iter().flat_map(|weight| weight.to_le_bytes()).collect();
            let weights = Weights::Single(bytes.into());
            let weight = Masked { rows, columns, weights, mask: None };
            self.whole(&Linear { name: name.into(), weight, bias })
        };
        let expansion = heads.expansion.as_ref().map(|Expansion { size: own, weight, bias }| {
            layer("concept_expansion", weight, size, bias[k * own..][..*own].to_vec())
        });
        let read = heads.expansion.as_ref().map_or(size, |expansion| expansion.size);
        let classes = layer("concept_head", &heads.weight, read, vec![0.0; heads.classes]);
        Head { expansion, classes }
    }

    /// Two facts make channels superfluous. A key channel without weights is a constant over all keys,
    /// which a softmax over keys does not see. A value channel without weights is its bias wherever it is
    /// attended to, so what it adds to the output is a constant too; a head without others need not compare.
    fn attention(&mut self, attention: &recognise::Attention) -> Attention {
        let recognise::Attention { query, key, value, output, heads, head_size, scale, causal } =
            attention;
        let bounds = |channels: &[usize]| -> Vec<usize> {
            (0..=*heads).map(|h| channels.partition_point(|&c| c < h * head_size)).collect()
        };
        let query_lives = |row| query.bias[row] != 0.0 || !query.weight.is_killed(row);
        let key_lives = |row| !key.weight.is_killed(row);
        let read = used_columns(&output.weight);
        let mixed = units(&value.weight, |row| read[row] && !value.weight.is_killed(row));
        let mixes: Vec<bool> = bounds(&mixed).windows(2).map(|pair| pair[0] < pair[1]).collect();
        let compared =
            units(&key.weight, |row| mixes[row / head_size] && key_lives(row) && query_lives(row));
        let all = every_channel(query);
        let part = |linear, rows| part(linear, rows, &all);
        let parts = [part(query, &compared), part(key, &compared), part(value, &mixed)];
        let name = match key.name == query.name {
            // They are parts of one.
            true => query.name.clone(),
            false => format!("{}, key, value", query.name),
        };
        let reading = self.product(&name, &parts, all.len());
        let output = self.without(output, &mixed, |row| value.bias[row]);
        Attention {
            reading,
            heads: bounds(&compared),
            value_heads: bounds(&mixed),
            scale: *scale,
            causal: *causal,
            output,
        }
    }

    /// An inner channel that nobody reads is left out; one without weights is a constant.
    fn feed_forward(&mut self, inner: &Linear, activation: Activation, outer: &Linear) -> Block {
        let read = used_columns(&outer.weight);
        let rows = units(&inner.weight, |row| read[row] && !inner.weight.is_killed(row));
        let all = every_channel(inner);
        let wide = self.product(&inner.name, &[part(inner, &rows, &all)], all.len());
        let outer = self.without(outer, &rows, |row| activation.of(inner.bias[row]));
        Block::FeedForward { inner: wide, activation, outer }
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
fn units(weight: &Masked, lives: impl Fn(usize) -> bool) -> Vec<usize> {
    let height = weight.block_rows();
    let lives: Vec<bool> = (0..weight.rows).map(lives).collect();
    (0..weight.rows)
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
