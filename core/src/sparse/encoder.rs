use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::branch::{Branch, Buffers, Embedded, Text};
use super::build::{Block, Builder, Layer};
use super::kernel::{InstructionSet, Tokens};
use super::plan::PlannedProduct;
use super::recognise::{self, Embedding};
use crate::onnx::GraphProto;
use crate::schema::Pooling;
use crate::{Error, ErrorKind, Result};

/// The encoder of a model on the sparse kernels: the embedding once, then each branch on its own.
pub(crate) struct Encoder {
    set: InstructionSet,
    threads: usize,
    embedding: Embedding,
    /// Where branches project the embedding first: what is added to that.
    place: Option<Embedding>,
    branches: Vec<Branch>,
    classes: usize,
    /// For each concept, its branch and its place among the heads of that branch.
    places: Vec<(usize, usize)>,
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
    /// The encoder that `graph` computes, packed for `set`; `None` where the graph is not one
    /// that these kernels know. Branches are run on as many `threads`, where the platform has them.
    pub(crate) fn load(graph: &GraphProto, threads: usize, set: InstructionSet) -> Option<Encoder> {
        Encoder::pack(graph, threads, set, |_, _, _| None)
    }

    /// The encoder that `graph` computes, which differs from this one only in the masks of the products
    /// `changed` (`CONCEPT/LAYER`): only the layers that these are in are packed anew.
    pub(crate) fn with_masks(
        &self,
        graph: &GraphProto,
        changed: &BTreeSet<String>,
    ) -> Option<Encoder> {
        Encoder::pack(graph, self.threads, self.set, |branch, place, layer| {
            let same = layer.products().iter().all(|product| !changed.contains(&product.name));
            same.then(|| self.branches.get(branch)?.layers.get(place).cloned()).flatten()
        })
    }

    /// `packed_before` gives the layer of a branch and place where it is packed already.
    fn pack(
        graph: &GraphProto,
        threads: usize,
        set: InstructionSet,
        packed_before: impl Fn(usize, usize, &recognise::Layer) -> Option<Arc<Layer>>,
    ) -> Option<Encoder> {
        let recognised = recognise::encoder(graph)?;
        let size = recognised.read_by_heads();
        let recognise::Encoder { embedding, place, branches, heads } = recognised;
        let mut builder = Builder { set, plan: Vec::new() };
        let mut plan = Vec::new();
        let mut packed = Vec::new();
        let mut places = vec![(0, 0); heads.branch.len()];
        for (index, branch) in branches.into_iter().enumerate() {
            let project_in = branch.project_in.map(|linear| builder.whole(&linear));
            plan.append(&mut builder.plan);
            let layer = |(place, layer): (usize, recognise::Layer)| {
                packed_before(index, place, &layer)
                    .unwrap_or_else(|| Arc::new(builder.layer(layer)))
            };
            let layers: Vec<Arc<Layer>> =
                branch.layers.into_iter().enumerate().map(layer).collect();
            plan.extend(layers.iter().flat_map(|layer| layer.plan.clone()));
            let project_out = branch.project_out.map(|linear| builder.whole(&linear));
            let mut own = Vec::new();
            for (k, place) in places.iter_mut().enumerate() {
                if heads.branch[k] == index {
                    *place = (index, own.len());
                    own.push(builder.head(&heads, k, size));
                }
            }
            packed.push(Branch { project_in, layers, norm: branch.norm, project_out, heads: own });
            plan.append(&mut builder.plan);
        }
        Some(Encoder {
            set,
            threads: if cfg!(target_family = "wasm") { 1 } else { threads.max(1) },
            embedding,
            place,
            branches: packed,
            classes: heads.classes,
            places,
            bias: heads.bias,
            pooling: heads.pooling,
            plan,
            idle: Mutex::default(),
        })
    }

    /// Concepts and classes of each.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.places.len(), self.classes)
    }

    /// How each product is run.
    pub(crate) fn plan(&self) -> &[PlannedProduct] {
        &self.plan
    }

    /// How many pairs of a query's and a key's, or a share's and a value's channel attention multiplies for so many
    /// tokens. Heads without keys to compare multiply none.
    pub(crate) fn attention_multiply_adds(&self, tokens: usize) -> usize {
        let layers = self.branches.iter().flat_map(|branch| &branch.layers);
        let channels = layers.map(|layer| match &layer.block {
            Block::Attention(attention) => {
                let size = |pair: &[usize]| pair[1] - pair[0];
                let values = attention.value_heads.windows(2).map(size);
                let heads = attention.heads.windows(2).map(size).zip(values);
                let comparing = heads.filter(|&(channels, _)| channels > 0);
                let pairs = match attention.causal {
                    false => tokens * tokens,
                    true => tokens * (tokens + 1) / 2,
                };
                pairs * comparing.map(|(channels, values)| channels + values).sum::<usize>()
            }
            Block::FeedForward { .. } => 0,
        });
        channels.sum()
    }

    /// The instructions that it uses.
    pub(crate) fn instructions(&self) -> &'static str {
        self.set.name()
    }

    /// Runs a sequence of which the first `attended` ids are tokens and the rest is padding.
    ///
    /// # Errors
    /// `Engine` where the embedding has no row for an id or a position, and where there is nothing to attend to.
    pub(crate) fn run(&self, ids: &[i64], attended: usize) -> Result<Evidence> {
        if attended == 0 {
            let found = format!("{} positions, all of them padding", ids.len());
            return Err(Error::new(ErrorKind::Engine, "sequence", found, "a token at least"));
        }
        let tokens = Tokens::new(ids.len(), self.set);
        let pooled = match self.pooling {
            Pooling::MaskedMean => attended,
            Pooling::PaddedMean => ids.len(),
        };
        let text = Text { tokens, attended, pooled };
        let mut buffers = self.buffers();
        let Buffers { hidden, next, .. } = &mut buffers;
        let words = self.embedding.run(self.set, ids, text, hidden)?;
        let place = match &self.place {
            Some(place) => place.run(self.set, ids, text, next)?,
            None => &[],
        };
        let scores = self.run_branches(Embedded { words, place }, text);
        self.idle().push(buffers);
        let share = 1.0 / pooled as f32;
        let mut token_evidence = Vec::with_capacity(self.bias.len() * ids.len());
        for &(branch, place) in &self.places {
            let own = &scores[branch][place];
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

    /// Panels of each head's scores, for each branch.
    fn run_branches(&self, embedded: Embedded, text: Text) -> Vec<Vec<Vec<f32>>> {
        let run_all = |branches: &[Branch]| -> Vec<Vec<Vec<f32>>> {
            let mut buffers = self.buffers();
            let run = |branch: &Branch| branch.run(self.set, embedded, text, &mut buffers);
            let scores = branches.iter().map(run).collect();
            self.idle().push(buffers);
            scores
        };
        let share = self.branches.len().div_ceil(self.threads);
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
