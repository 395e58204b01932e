//! Finds, in the graph of an encoder, what the sparse kernels can run.
//!
//! Every node, attribute and constant on the way from the outputs to the inputs is checked; a graph that
//! differs anywhere is not recognised, and runs as it is on the engine.

mod attention;
mod embedding;
mod graph;
mod linear;
mod outputs;

pub(crate) use attention::Attention;
pub(crate) use embedding::{Embedding, Rows};
use graph::Graph;
pub(crate) use linear::Linear;
pub(crate) use outputs::{Expansion, Heads};

use super::kernel::Activation;
use crate::onnx::GraphProto;

/// An encoder: shared embedding, one branch a mask, concept heads.
pub(crate) struct Encoder {
    pub(crate) embedding: Embedding,
    /// Where branches project the embedding first: what is added to that.
    pub(crate) place: Option<Embedding>,
    pub(crate) branches: Vec<Branch>,
    pub(crate) heads: Heads,
}

/// The backbone under one mask.
pub(crate) struct Branch {
    /// Of the embedding.
    pub(crate) project_in: Option<Linear>,
    pub(crate) layers: Vec<Layer>,
    /// Of what the last layer gives.
    pub(crate) norm: Option<Norm>,
    /// Of that.
    pub(crate) project_out: Option<Linear>,
}

/// norm(block(x) + x), or block(norm(x)) + x
pub(crate) struct Layer {
    pub(crate) block: Block,
    pub(crate) norm: Norm,
    pub(crate) norm_place: NormPlace,
}

/// Where a layer has its norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormPlace {
    /// Before the block, beside the residual.
    Before,
    /// After the sum of both.
    After,
}

/// What a layer does before its norm.
#[expect(
    clippy::large_enum_variant,
    reason = "a model has a few dozen, and most are the large one"
)]
pub(crate) enum Block {
    Attention(Attention),
    FeedForward { inner: Linear, activation: Activation, outer: Linear },
}

/// The constants of a layer normalization.
pub(crate) struct Norm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// The encoder that `graph` computes, if it is one.
pub(crate) fn encoder(graph: &GraphProto) -> Option<Encoder> {
    let graph = Graph::new(graph);
    let (heads, hidden) = outputs::heads(&graph)?;
    let mut start = None;
    let mut branches = Vec::new();
    for last in hidden {
        let (branch, first) = branch(&graph, last)?;
        // All branches must begin at one value.
        if *start.get_or_insert(first) != first {
            return None;
        }
        branches.push(branch);
    }
    let (start, place) = start?;
    let embedding = embedding::embedding(&graph, start)?;
    let place = match place {
        Some(place) => Some(embedding::embedding(&graph, place)?),
        None => None,
    };
    let encoder = Encoder { embedding, place, branches, heads };
    encoder.sizes_agree().then_some(encoder)
}

/// The branch that ends at the value `last`, the value at which it begins, and where it projects that, the one that
/// it adds then.
fn branch<'a>(graph: &Graph<'a>, last: &'a str) -> Option<(Branch, (&'a str, Option<&'a str>))> {
    let (project_out, projected) = linear::unbiased(graph, last).unzip();
    let mut value = projected.unwrap_or(last);
    let mut norm = None;
    let mut layers = Vec::new();
    loop {
        match layer(graph, value) {
            // A graph has fewer layers than nodes, unless it goes round in circles.
            Some(_) if layers.len() == graph.node_count() => return None,
            Some((layer, input)) => {
                layers.push(layer);
                value = input;
            }
            None if layers.is_empty() && norm.is_none() => {
                let (last, x) = normalization(graph, value)?;
                (norm, value) = (Some(last), x);
            }
            None => break,
        }
    }
    layers.reverse();
    let (project_in, start) = match projection(graph, value) {
        Some((linear, start, place)) => (Some(linear), (start, Some(place))),
        None => (None, (value, None)),
    };
    Some((Branch { project_in, layers, norm, project_out }, start))
}

/// `value` as a product of the embedding, and what is added to that.
fn projection<'a>(graph: &Graph<'a>, value: &str) -> Option<(Linear, &'a str, &'a str)> {
    let [product, place] = graph.apart(value, "Add")?;
    let (linear, start) = linear::unbiased(graph, product)?;
    Some((linear, start, place))
}

/// `value` as what a layer gives, and what that reads.
fn layer<'a>(graph: &Graph<'a>, value: &'a str) -> Option<(Layer, &'a str)> {
    let after = normalization(graph, value);
    let sum = after.as_ref().map_or(value, |(_, sum)| sum);
    let [block, residual] = graph.apart(sum, "Add")?;
    let (block, input) = attention::block(graph, block).or_else(|| feed_forward(graph, block))?;
    let (norm, norm_place) = match after {
        Some((norm, _)) => (input == residual).then_some((norm, NormPlace::After))?,
        None => {
            let (norm, x) = normalization(graph, input)?;
            (x == residual).then_some((norm, NormPlace::Before))?
        }
    };
    Some((Layer { block, norm, norm_place }, residual))
}

/// `value` as outer(activation(inner(x))), and x.
fn feed_forward<'a>(graph: &Graph<'a>, value: &'a str) -> Option<(Block, &'a str)> {
    let (outer, active) = linear::linear(graph, value)?;
    let node = graph.producer(active)?;
    let activation = match node.op_type.as_str() {
        "Gelu" => match graph.text(node, "approximate", "none") {
            "none" => Activation::Gelu,
            "tanh" => Activation::GeluTanh,
            _ => return None,
        },
        "Relu" => Activation::Relu,
        _ => return None,
    };
    let [wide] = graph.inputs(node)?;
    let (inner, input) = linear::linear(graph, wide)?;
    Some((Block::FeedForward { inner, activation, outer }, input))
}

/// `value` as a layer normalization over the last axis, and what it reads.
fn normalization<'a>(graph: &Graph<'a>, value: &'a str) -> Option<(Norm, &'a str)> {
    let node = graph.node(value, "LayerNormalization")?;
    let [x, weight, bias] = graph.inputs(node)?;
    let (weight, bias) = (graph.vector(weight)?, graph.vector(bias)?);
    let epsilon = graph.float(node, "epsilon", 1e-5);
    let last = graph.integer(node, "axis", -1) == -1 && graph.integer(node, "stash_type", 1) == 1;
    (last && weight.len() == bias.len()).then_some((Norm { weight, bias, epsilon }, x))
}

impl Encoder {
    /// d: channels of the layers.
    pub(crate) fn size(&self) -> usize {
        self.place.as_ref().unwrap_or(&self.embedding).size()
    }

    /// Channels that the heads read.
    pub(crate) fn read_by_heads(&self) -> usize {
        let first = self.branches.first().and_then(|branch| branch.project_out.as_ref());
        first.map_or(self.size(), |linear| linear.weight.rows)
    }

    /// Whether every product and norm reads as many channels as there are.
    fn sizes_agree(&self) -> bool {
        let narrow = self.embedding.size();
        let size = self.size();
        let read = self.read_by_heads();
        let projects = |branch: &Branch| match &branch.project_in {
            Some(linear) => self.place.is_some() && linear.is(size, narrow),
            None => self.place.is_none(),
        };
        let gives = |branch: &Branch| match &branch.project_out {
            Some(linear) => linear.is(read, size),
            None => read == size,
        };
        self.embedding.agrees()
            && self.place.as_ref().is_none_or(Embedding::agrees)
            && self.heads.agree(read)
            && self
                .branches
                .iter()
                .all(|branch| projects(branch) && branch.agrees(size) && gives(branch))
    }
}

impl Heads {
    /// Whether they read `size` channels. What a product reads is numbered by 16 bits.
    fn agree(&self, size: usize) -> bool {
        // An empty matrix may claim any number of rows or columns.
        let is = |weight: &[f32], rows: usize, columns: usize| {
            let count =
                rows.checked_mul(columns).and_then(|one| one.checked_mul(self.branch.len()));
            columns > 0 && columns <= usize::from(u16::MAX) && count == Some(weight.len())
        };
        match &self.expansion {
            None => is(&self.weight, self.classes, size),
            Some(expansion) => {
                is(&expansion.weight, expansion.size, size)
                    && is(&self.weight, self.classes, expansion.size)
            }
        }
    }
}

impl Branch {
    fn agrees(&self, size: usize) -> bool {
        self.layers.iter().all(|layer| layer.agrees(size))
            && self.norm.as_ref().is_none_or(|norm| norm.weight.len() == size)
    }
}

impl Layer {
    /// Its products with masked weights.
    pub(crate) fn products(&self) -> Vec<&Linear> {
        match &self.block {
            Block::Attention(Attention { query, key, value, output, .. }) => {
                vec![query, key, value, output]
            }
            Block::FeedForward { inner, outer, .. } => vec![inner, outer],
        }
    }

    fn agrees(&self, size: usize) -> bool {
        let block = match &self.block {
            Block::Attention(attention) => {
                let inner = attention.output.weight.columns;
                let heads = attention.heads.checked_mul(attention.head_size);
                let reading = [&attention.query, &attention.key, &attention.value];
                heads == Some(inner)
                    && reading.iter().all(|linear| linear.is(inner, size))
                    && attention.output.is(size, inner)
            }
            Block::FeedForward { inner, outer, .. } => {
                inner.is(inner.weight.rows, size) && outer.is(size, inner.weight.rows)
            }
        };
        block && self.norm.weight.len() == size
    }
}
