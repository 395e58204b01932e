use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::branch::{Buffers, Embedded, PackedBranch, Text};
use super::build::{Builder, PackedBlock, PackedLayer};
use super::kernel::{InstructionSet, TokenPanels};
use super::lower::{self, Embedding, EncoderSpec, LayerSpec, Matched};
use super::plan::PlannedProduct;
use crate::error::{Error, ErrorKind, Result};
use crate::onnx::GraphProto;
use crate::schema::Pooling;

/// The encoder of a model on the sparse kernels: the embedding once, then each branch on its own.
pub(crate) struct Encoder {
    set: InstructionSet,
    threads: usize,
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

impl Encoder {
    /// The encoder that `graph` computes, packed for `set`. Branches are run on as many `threads`, where the platform
    /// has them.
    ///
    /// # Errors
    /// Where the graph is not one that these kernels know.
    pub(crate) fn load(
        graph: &GraphProto,
        threads: usize,
        set: InstructionSet,
    ) -> Matched<Encoder> {
        Encoder::pack(graph, threads, set, |_, _, _| None)
    }

    /// The encoder that `graph` computes, which differs from this one only in the masks of the products
    /// `changed` (`CONCEPT/LAYER`): only the layers that these are in are packed again.
    pub(crate) fn with_masks(
        &self,
        graph: &GraphProto,
        changed: &BTreeSet<String>,
    ) -> Matched<Encoder> {
        Encoder::pack(graph, self.threads, self.set, |branch, index, layer| {
            let same = layer.products().iter().all(|product| !changed.contains(&product.name));
            same.then(|| self.branches.get(branch)?.layers.get(index).cloned()).flatten()
        })
    }

    /// `packed_before` gives the layer of a branch and index where it is packed already.
    fn pack(
        graph: &GraphProto,
        threads: usize,
        set: InstructionSet,
        packed_before: impl Fn(usize, usize, &LayerSpec) -> Option<Arc<PackedLayer>>,
    ) -> Matched<Encoder> {
        let spec = lower::encoder(graph)?;
        let size = spec.read_by_heads();
        let EncoderSpec { embedding, position_embedding, branches, heads } = spec;
        let mut builder = Builder { set, plan: Vec::new() };
        let mut plan = Vec::new();
        let mut packed = Vec::new();
        let mut head_indices = vec![(0, 0); heads.branch.len()];
        for (index, branch) in branches.into_iter().enumerate() {
            let project_in = branch.project_in.map(|linear| builder.dense(&linear));
            plan.append(&mut builder.plan);
            let layer = |(nth, layer): (usize, LayerSpec)| {
                packed_before(index, nth, &layer).unwrap_or_else(|| Arc::new(builder.layer(layer)))
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
        Ok(Encoder {
            set,
            threads: if cfg!(target_family = "wasm") { 1 } else { threads.max(1) },
            embedding,
            position_embedding,
            branches: packed,
            classes: heads.classes,
            heads: head_indices,
            bias: heads.bias,
            pooling: heads.pooling,
            plan,
            idle: Mutex::default(),
        })
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

    /// Over how many threads the branches of one text are spread where nothing else is said.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs a sequence of which the first `attended` ids are tokens and the rest is padding, its branches on this many
    /// `threads`.
    ///
    /// # Errors
    /// `Engine` where the embedding has no row for an id or a position, where positions have no angle, and where there
    /// is
    /// nothing to attend to.
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
        let scores = self.run_branches(Embedded { words, position_embedding }, text, threads);
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
        let run_all = |branches: &[PackedBranch]| -> Vec<Vec<Vec<f32>>> {
            let mut buffers = self.buffers();
            let run = |branch: &PackedBranch| branch.run(self.set, embedded, text, &mut buffers);
            let scores = branches.iter().map(run).collect();
            self.idle().push(buffers);
            scores
        };
        let share = self.branches.len().div_ceil(threads);
        if share >= self.branches.len() {
            return run_all(&self.branches);
        }
        std::thread::scope(|scope| {
            let (own, others) = self.branches.split_at(share);
            let run_all = &run_all;
            let threads: Vec<_> =
                others.chunks(share).map(|part| scope.spawn(move || run_all(part))).collect();
            let mut scores = run_all(own);
            for thread in threads {
                scores
                    .extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            scores
        })
    }

    fn buffers(&self) -> Buffers {
        self.idle().pop().unwrap_or_default()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Buffers>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
