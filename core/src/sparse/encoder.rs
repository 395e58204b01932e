use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use super::branch::{Buffers, Embedded, PackedBranch, Text};
use super::build::{Builder, PackedBlock, PackedLayer};
use super::cost::{PackCount, PackLayout};
use super::kept::Looks;
use super::kernel::{InstructionSet, TokenPanels};
use super::lower::{self, BranchSpec, Embedding, EncoderSpec, LayerSpec, Linear, Matched};
use super::plan::PlannedProduct;
use super::team::{Member, Teams};
use crate::error::{Error, ErrorKind, Result};
use crate::onnx::GraphProto;
use crate::schema::Pooling;
use crate::spread::{or_all_cores, side_by_side, spread};

/// The encoder of a model on the sparse kernels: the embedding once, then each branch on its own.
pub(crate) struct Encoder {
    set: InstructionSet,
    threads: Option<NonZeroUsize>,
    embedding: Embedding,
    /// Where branches project the embedding first: what is added to that.
    position_embedding: Option<Embedding>,
    branches: Vec<PackedBranch>,
    classes: usize,
    /// For each concept, its branch and its index among the heads of that branch.
    heads: Vec<(usize, usize)>,
    /// `[K, C]`
    bias: Vec<f32>,
    pooling: Pooling,
    plan: Vec<PlannedProduct>,
    /// Buffers that no call uses now.
    idle: Mutex<Vec<Buffers>>,
}

/// What an encoder says of one sequence; row-major.
pub(crate) struct Evidence {
    /// `[K, C]`
    pub(crate) concept_logits: Vec<f32>,
    /// `[K, C, S]`
    pub(crate) token_evidence: Vec<f32>,
}

/// A layer that was packed before, or its block and how its products are run.
#[expect(
    clippy::large_enum_variant,
    reason = "a model has a few dozen, and most are the large one"
)]
enum Ready {
    Before(Arc<PackedLayer>),
    Packed((PackedBlock, Vec<PlannedProduct>)),
}

/// An encoder that was found in a graph and is not packed yet.
pub(crate) struct Unpacked {
    spec: EncoderSpec,
    looks: Looks,
    set: InstructionSet,
    threads: Option<NonZeroUsize>,
}

impl Unpacked {
    /// The encoder that `graph` computes. A text will run on as many `threads` as are said, else one; the encoder is
    /// looked at and packed on as many, else one per core.
    ///
    /// # Errors
    /// Where the graph is not one that these kernels know.
    pub(crate) fn read(
        graph: &GraphProto,
        threads: Option<NonZeroUsize>,
        set: InstructionSet,
    ) -> Matched<Unpacked> {
        let spec = lower::encoder(graph)?;
        let layers = spec.branches.iter().flat_map(|branch| &branch.layers);
        let looks = looks(&spec, layers, threads)?;
        Ok(Unpacked { spec, looks, set, threads })
    }

    /// What the products of all layers are estimated to take, as a share of what they would if every weight were
    /// multiplied.
    pub(crate) fn estimated_share(&self) -> f64 {
        let layers: Vec<&LayerSpec> =
            self.spec.branches.iter().flat_map(|branch| &branch.layers).collect();
        let builder = || Builder { set: self.set, looks: &self.looks, plan: Vec::new() };
        let times = |layer: &&LayerSpec| {
            let counts = builder().counts(layer);
            let time = |layout: Option<PackLayout>| -> f64 {
                let of = |count: &PackCount| {
                    count.microseconds(layout.unwrap_or_else(|| count.cheapest(self.set)), self.set)
                };
                counts.iter().map(of).sum()
            };
            Ok((time(None), time(Some(PackLayout::Dense))))
        };
        let times = spread(&layers, or_all_cores(self.threads), |_| 1, times);
        let times = times.expect("counting does not fail");
        let sum = |one: fn(&(f64, f64)) -> f64| times.iter().map(one).sum::<f64>();
        sum(|time| time.0) / sum(|time| time.1)
    }

    pub(crate) fn pack(self) -> Encoder {
        let Unpacked { spec, looks, set, threads } = self;
        Encoder::pack(spec, &looks, threads, set, |_, _, _| None)
    }
}

/// A look at the weights of these layers and of what belongs to none.
fn looks<'a>(
    spec: &'a EncoderSpec,
    layers: impl Iterator<Item = &'a LayerSpec>,
    threads: Option<NonZeroUsize>,
) -> Matched<Looks> {
    let others = |branch: &'a BranchSpec| branch.project_in.iter().chain(&branch.project_out);
    let others: Vec<&Linear> = spec.branches.iter().flat_map(others).collect();
    Looks::at(layers.flat_map(LayerSpec::products).chain(others), or_all_cores(threads))
}

impl Encoder {
    /// The encoder that `graph` computes, which differs from this one only in the masks of the products
    /// `changed` (`CONCEPT/LAYER`): only the layers that these are in are packed again.
    pub(crate) fn with_masks(
        &self,
        graph: &GraphProto,
        changed: &BTreeSet<String>,
    ) -> Matched<Encoder> {
        let spec = lower::encoder(graph)?;
        let is_same = |layer: &LayerSpec| {
            layer.products().iter().all(|product| !changed.contains(&product.name))
        };
        let layers = spec.branches.iter().flat_map(|branch| &branch.layers);
        let looks = looks(&spec, layers.filter(|layer| !is_same(layer)), self.threads)?;
        Ok(Encoder::pack(spec, &looks, self.threads, self.set, |branch, index, layer| {
            is_same(layer).then(|| self.branches.get(branch)?.layers.get(index).cloned()).flatten()
        }))
    }

    /// `packed_before` gives the layer of a branch and index where it is packed already.
    fn pack(
        spec: EncoderSpec,
        looks: &Looks,
        threads: Option<NonZeroUsize>,
        set: InstructionSet,
        packed_before: impl Fn(usize, usize, &LayerSpec) -> Option<Arc<PackedLayer>>,
    ) -> Encoder {
        let size = spec.read_by_heads();
        let EncoderSpec { embedding, position_embedding, branches, heads } = spec;
        // The same layer of all branches, one after the other: they are made of the same tensors.
        let depth = branches.iter().map(|branch| branch.layers.len()).max().unwrap_or(0);
        let places: Vec<(usize, usize)> = (0..depth)
            .flat_map(|nth| (0..branches.len()).map(move |index| (index, nth)))
            .filter(|&(index, nth)| nth < branches[index].layers.len())
            .collect();
        let before: Vec<Option<Arc<PackedLayer>>> = places
            .iter()
            .map(|&(index, nth)| packed_before(index, nth, &branches[index].layers[nth]))
            .collect();
        let fresh = |(&(index, nth), before): (&(usize, usize), &Option<_>)| {
            before.is_none().then(|| &branches[index].layers[nth])
        };
        let fresh: Vec<&LayerSpec> = places.iter().zip(&before).filter_map(fresh).collect();
        let pack = |layer: &&LayerSpec| Ok(Builder { set, looks, plan: Vec::new() }.block(layer));
        let packed = spread(&fresh, or_all_cores(threads), |_| 1, pack);
        let mut packed = packed.expect("packing does not fail").into_iter();
        let mut blocks: HashMap<(usize, usize), Ready> = places
            .into_iter()
            .zip(before)
            .map(|(place, before)| {
                let fresh = || Ready::Packed(packed.next().expect("all of them were packed"));
                (place, before.map_or_else(fresh, Ready::Before))
            })
            .collect();

        let mut builder = Builder { set, looks, plan: Vec::new() };
        let mut plan = Vec::new();
        let mut packed = Vec::new();
        let mut head_indices = vec![(0, 0); heads.branch.len()];
        for (index, branch) in branches.into_iter().enumerate() {
            let project_in = branch.project_in.map(|linear| builder.dense(&linear));
            plan.append(&mut builder.plan);
            let layer = |(nth, layer): (usize, LayerSpec)| match blocks
                .remove(&(index, nth))
                .expect("every layer has its place")
            {
                Ready::Before(layer) => layer,
                Ready::Packed((block, plan)) => {
                    let LayerSpec { norm, norm_order, .. } = layer;
                    Arc::new(PackedLayer { block, norm, norm_order, plan })
                }
            };
            let layers: Vec<Arc<PackedLayer>> =
                branch.layers.into_iter().enumerate().map(layer).collect();
            plan.extend(layers.iter().flat_map(|layer| layer.plan.clone()));
            let project_out = branch.project_out.map(|linear| builder.dense(&linear));
            let mut own = Vec::new();
            for (k, head) in head_indices.iter_mut().enumerate() {
                if heads.branch[k] == index {
                    *head = (index, own.len());
                    own.push(builder.head(&heads, k, size));
                }
            }
            packed.push(PackedBranch {
                project_in,
                layers,
                norm: branch.norm,
                project_out,
                heads: own,
            });
            plan.append(&mut builder.plan);
        }
        Encoder {
            set,
            threads,
            embedding,
            position_embedding,
            branches: packed,
            classes: heads.classes,
            heads: head_indices,
            bias: heads.bias,
            pooling: heads.pooling,
            plan,
            idle: Mutex::default(),
        }
    }

    /// Concepts and classes of each.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.heads.len(), self.classes)
    }

    /// How each product is run.
    pub(crate) fn plan(&self) -> &[PlannedProduct] {
        &self.plan
    }

    /// How many pairs of a query's and a key's, or an attention weight and a value's channel attention multiplies for
    /// this many tokens. Heads without keys to compare multiply none.
    pub(crate) fn attention_multiply_adds(&self, tokens: usize) -> usize {
        let layers = self.branches.iter().flat_map(|branch| &branch.layers);
        let channels = layers.map(|layer| match &layer.block {
            PackedBlock::Attention(attention) => {
                let size = |pair: &[usize]| pair[1] - pair[0];
                let values = attention.value_heads.windows(2).map(size);
                let heads = attention.heads.windows(2).map(size).zip(values);
                let comparing = heads.filter(|&(channels, _)| channels > 0);
                attention.reach.pairs(tokens)
                    * comparing.map(|(channels, values)| channels + values).sum::<usize>()
            }
            PackedBlock::FeedForward(_) => 0,
        });
        channels.sum()
    }

    /// The instructions that it uses.
    pub(crate) fn instructions(&self) -> &'static str {
        self.set.name()
    }

    /// Over how many threads one text is spread where nothing else is said.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            Some(threads) if !cfg!(target_family = "wasm") => threads.get(),
            _ => 1,
        }
    }

    /// Runs a sequence of which the first `attended` ids are tokens and the rest is padding, on this many `threads` at
    /// most.
    ///
    /// # Errors
    /// `Engine` where the embedding has no row for an id or a position, where positions have no angle, and where there
    /// is nothing to attend to.
    pub(crate) fn run(&self, ids: &[i64], attended: usize, threads: usize) -> Result<Evidence> {
        if attended == 0 {
            let found = format!("{} positions, all of them padding", ids.len());
            return Err(Error::new(ErrorKind::Engine, "sequence", found, "a token at least"));
        }
        if let Some(most) = self.longest().filter(|&most| ids.len() > most) {
            let (found, expected) = (format!("{} positions", ids.len()), format!("at most {most}"));
            return Err(Error::new(ErrorKind::Engine, "sequence", found, expected));
        }
        let tokens = TokenPanels::new(ids.len(), self.set);
        let pooled = match self.pooling {
            Pooling::MaskedMean => attended,
            Pooling::PaddedMean => ids.len(),
        };
        let text = Text { tokens, length: ids.len(), attended, pooled };
        let mut buffers = self.buffers();
        let Buffers { hidden, next, .. } = &mut buffers;
        let words = self.embedding.run(self.set, ids, text, hidden)?;
        let position_embedding = match &self.position_embedding {
            Some(embedding) => embedding.run(self.set, ids, text, next)?,
            None => &[],
        };
        let embedded = Embedded { channels: self.embedding.size(), words, position_embedding };
        let scores = self.run_branches(embedded, text, threads);
        self.idle().push(buffers);
        let share = 1.0 / pooled as f32;
        let mut token_evidence = Vec::with_capacity(self.bias.len() * ids.len());
        for &(branch, head) in &self.heads {
            let own = &scores[branch][head];
            for class in 0..self.classes {
                let score = |token| {
                    let (first, step) = tokens.place(token, self.classes);
                    own[first + class * step]
                };
                token_evidence.extend((0..pooled).map(|token| score(token) * share));
                token_evidence.extend((pooled..ids.len()).map(|_| 0.0));
            }
        }
        let rows = token_evidence.chunks(ids.len());
        let concept_logits = rows.zip(&self.bias).map(|(row, bias)| row.iter().sum::<f32>() + bias);
        Ok(Evidence { concept_logits: concept_logits.collect(), token_evidence })
    }

    /// How many positions there are angles for, where queries and keys are turned by them.
    fn longest(&self) -> Option<usize> {
        let layers = self.branches.iter().flat_map(|branch| &branch.layers);
        let turned = layers.filter_map(|layer| match &layer.block {
            PackedBlock::Attention(attention) => attention.turned.as_ref(),
            PackedBlock::FeedForward(_) => None,
        });
        turned.map(|turned| turned.angles.positions()).min()
    }

    /// Panels of each head's scores, for each branch.
    fn run_branches(&self, embedded: Embedded, text: Text, threads: usize) -> Vec<Vec<Vec<f32>>> {
        let panels = text.tokens.panel_count();
        let teams = Teams::new(self.branches.len(), panels, threads);
        let run = |(member, branches): (Member, &[PackedBranch])| -> Vec<Vec<Vec<f32>>> {
            let mut buffers = self.buffers();
            let run = |branch: &PackedBranch| branch.run(self.set, embedded, &member, &mut buffers);
            let scores = branches.iter().map(run).collect();
            self.idle().push(buffers);
            scores
        };
        let team = |branches| {
            Member::team(text, teams.panels).into_iter().map(move |member| (member, branches))
        };
        let members = self.branches.chunks(teams.branches).flat_map(team).collect();
        let mut scores = side_by_side(members, run).into_iter();
        let mut all = Vec::with_capacity(self.branches.len());
        while let Some(mut branches) = scores.next() {
            for _ in 1..panels.div_ceil(teams.panels) {
                let part = scores.next().expect("every member has scores");
                for (own, part) in branches.iter_mut().flatten().zip(part.into_iter().flatten()) {
                    own.extend(part);
                }
            }
            all.append(&mut branches);
        }
        all
    }

    fn buffers(&self) -> Buffers {
        self.idle().pop().unwrap_or_default()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Buffers>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
