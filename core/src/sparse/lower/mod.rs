//! Finds, in the graph of an encoder, what the sparse kernels can run.
//!
//! Every node, attribute and constant on the way from the outputs to the inputs is checked against what
//! [`format`](crate::format) says; a graph that differs anywhere is a [`Mismatch`], which names the node, and runs as it
//! is on another engine.

mod attention;
mod embedding;
mod graph;
mod linear;
mod mismatch;
mod outputs;

pub(crate) use attention::AttentionSpec;
pub(crate) use embedding::{Embedding, Rows};
use graph::Graph;
pub(crate) use linear::Linear;
use mismatch::require;
pub(crate) use mismatch::{Matched, Mismatch};
pub(crate) use outputs::{ExpansionSpec, HeadsSpec};

use super::kernel::Activation;
use crate::format::{blocks, nodes, tensors};
use crate::onnx::GraphProto;

/// An encoder: shared embedding, one branch a mask, concept heads.
pub(crate) struct EncoderSpec {
    pub(crate) embedding: Embedding,
    /// Where branches project the embedding first: what is added to that.
    pub(crate) position_embedding: Option<Embedding>,
    pub(crate) branches: Vec<BranchSpec>,
    pub(crate) heads: HeadsSpec,
}

/// The backbone under one mask.
pub(crate) struct BranchSpec {
    /// Of the embedding.
    pub(crate) project_in: Option<Linear>,
    pub(crate) layers: Vec<LayerSpec>,
    /// Of what the last layer gives.
    pub(crate) norm: Option<Norm>,
    /// Of that.
    pub(crate) project_out: Option<Linear>,
}

/// norm(block(x) + x), or block(norm(x)) + x, where there is a norm.
pub(crate) struct LayerSpec {
    pub(crate) block: BlockSpec,
    pub(crate) norm: Option<Norm>,
    pub(crate) norm_order: NormOrder,
}

/// When a layer has its norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormOrder {
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
pub(crate) enum BlockSpec {
    Attention(AttentionSpec),
    FeedForward(FeedForwardSpec),
}

/// down_proj(activation(up_proj(x))), with a gate down_proj(activation(up_proj(x)) · gate(x)).
pub(crate) struct FeedForwardSpec {
    pub(crate) up_proj: Linear,
    pub(crate) gate: Option<Linear>,
    pub(crate) activation: Activation,
    pub(crate) down_proj: Linear,
}

/// The constants of a layer normalization.
pub(crate) struct Norm {
    /// The node.
    name: String,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// Where a branch begins: at the embedding, and where it projects that, at what it adds then.
type Start<'a> = (&'a str, Option<&'a str>);

/// The encoder that `graph` computes.
///
/// # Errors
/// Where it is not one that the kernels run.
pub(crate) fn encoder(graph: &GraphProto) -> Matched<EncoderSpec> {
    let graph = Graph::new(graph);
    let (heads, hidden) = outputs::heads(&graph)?;
    let mut start: Option<Start> = None;
    let mut branches = Vec::new();
    for last in hidden {
        let (branch, own) = branch(&graph, last)?;
        let first = *start.get_or_insert(own);
        if first != own {
            // One of them may be where a node is another one than it should be.
            embedding::embedding(&graph, first.0)?;
            embedding::embedding(&graph, own.0)?;
            return Err(graph.other(own.0, &format!("'{}', where all branches begin", first.0)));
        }
        branches.push(branch);
    }
    let Some((start, position_embedding)) = start else {
        return Err(graph.other(tensors::TOKEN_EVIDENCE, "a branch"));
    };
    let embedding = embedding::embedding(&graph, start)?;
    let position_embedding = match position_embedding {
        Some(value) => Some(embedding::embedding(&graph, value)?),
        None => None,
    };
    let encoder = EncoderSpec { embedding, position_embedding, branches, heads };
    encoder.require_sizes()?;
    Ok(encoder)
}

/// The branch that ends at the value `last`, and where it begins.
fn branch<'a>(graph: &Graph<'a>, last: &'a str) -> Matched<(BranchSpec, Start<'a>)> {
    let (project_out, mut value) = match graph.is(last, "MatMul") {
        true => {
            let (linear, input) = linear::unbiased(graph, last)?;
            (Some(linear), input)
        }
        false => (None, last),
    };
    let mut norm = None;
    let mut layers = Vec::new();
    loop {
        let (own_norm, sum) = match graph.is(value, "LayerNormalization") {
            true => {
                let (norm, sum) = normalization(graph, value)?;
                (Some(norm), sum)
            }
            false => (None, value),
        };
        if !is_residual_sum(graph, sum) {
            break;
        }
        // A graph has fewer layers than nodes, unless it goes round in circles.
        if layers.len() == graph.node_count() {
            return Err(graph.other(value, "a first layer"));
        }
        let [block_output, residual] = graph.apart(sum, "Add")?;
        let (block, input) = block(graph, block_output)?;
        let (norm_order, layer_norm) = match own_norm {
            Some(own) if input == residual => (NormOrder::After, Some(own)),
            own => {
                // What is not a layer's own norm can be that of what the last layer gives.
                if let Some(own) = own {
                    if !layers.is_empty() || norm.is_some() {
                        let expected = format!("a block that reads the residual '{residual}'");
                        let found = format!("one that reads '{input}'");
                        return Err(Mismatch::at_node(&own.name, expected, found));
                    }
                    norm = Some(own);
                }
                let before = match input == residual {
                    true => None,
                    false => {
                        let (before, x) = normalization(graph, input)?;
                        let node = graph.node(input, "LayerNormalization")?;
                        let expected = format!("the residual '{residual}'");
                        require(node, x == residual, expected, format!("'{x}'"))?;
                        Some(before)
                    }
                };
                (NormOrder::Before, before)
            }
        };
        layers.push(LayerSpec { block, norm: layer_norm, norm_order });
        value = residual;
    }
    layers.reverse();
    let (project_in, start) = match projection(graph, value)? {
        Some((linear, start, added)) => (Some(linear), (start, Some(added))),
        None => (None, (value, None)),
    };
    Ok((BranchSpec { project_in, layers, norm, project_out }, start))
}

/// Whether `value` is what a block gives, plus what it reads. Embeddings are sums too, but of products without a bias
/// those of words alone.
fn is_residual_sum(graph: &Graph, value: &str) -> bool {
    let Ok([block, _]) = graph.apart::<2>(value, "Add") else { return false };
    let of_a_layer = |[input, _]: [&str; 2]| !embedding::is_rows(graph, input);
    linear::is_biased(graph, block) || graph.apart(block, "MatMul").is_ok_and(of_a_layer)
}

/// `value` as a product of the embedding, the embedding, and what is added to the product; `None` where it is the
/// embedding itself.
fn projection<'a>(graph: &Graph<'a>, value: &str) -> Matched<Option<(Linear, &'a str, &'a str)>> {
    let Ok([product, added]) = graph.apart::<2>(value, "Add") else { return Ok(None) };
    if !graph.is(product, "MatMul") {
        return Ok(None);
    }
    let (linear, start) = linear::unbiased(graph, product)?;
    Ok(Some((linear, start, added)))
}

/// `value` as what a block gives, and what that reads.
fn block<'a>(graph: &Graph<'a>, value: &str) -> Matched<(BlockSpec, &'a str)> {
    let (last, read) = linear::linear(graph, value)?;
    let expected = "Reshape after attention, Gelu, Relu or Mul";
    match graph.producer(read, expected)?.op_type.as_str() {
        "Reshape" => attention::block(graph, last, read),
        "Mul" => {
            let [active, gate] = graph.apart(read, "Mul")?;
            let (mut block, input) = activated(graph, active, last, "Gelu or Relu")?;
            let (gate, gate_input) = linear::projection(graph, gate)?;
            let node = graph.node(read, "Mul")?;
            let expected = format!("a gate of '{input}'");
            require(node, gate_input == input, expected, format!("one of '{gate_input}'"))?;
            block.gate = Some(gate);
            Ok((BlockSpec::FeedForward(block), input))
        }
        _ => {
            let (block, input) = activated(graph, read, last, expected)?;
            Ok((BlockSpec::FeedForward(block), input))
        }
    }
}

/// `value` as a product's results through an activation, which `down_proj` reads; and what the product reads.
fn activated<'a>(
    graph: &Graph<'a>,
    value: &str,
    down_proj: Linear,
    expected: &str,
) -> Matched<(FeedForwardSpec, &'a str)> {
    let node = graph.producer(value, expected)?;
    let activation = match node.op_type.as_str() {
        "Gelu" => match graph.text(node, blocks::APPROXIMATE, blocks::GELU_EXACT) {
            blocks::GELU_EXACT => Activation::Gelu,
            blocks::GELU_TANH => Activation::GeluTanh,
            other => {
                let name = |value: &str| format!("{} {value}", blocks::APPROXIMATE);
                let expected = format!("{} or {}", name(blocks::GELU_EXACT), blocks::GELU_TANH);
                return Err(Mismatch::at_node(&node.name, expected, name(other)));
            }
        },
        "Relu" => Activation::Relu,
        _ => return Err(graph.other(value, expected)),
    };
    let [wide] = graph.inputs(node)?;
    let (up_proj, input) = linear::projection(graph, wide)?;
    Ok((FeedForwardSpec { up_proj, gate: None, activation, down_proj }, input))
}

/// `value` as a layer normalization over the last axis, and what it reads.
fn normalization<'a>(graph: &Graph<'a>, value: &str) -> Matched<(Norm, &'a str)> {
    let node = graph.node(value, "LayerNormalization")?;
    let (x, weight, bias) = match node.input.len() {
        2 => {
            let [x, weight] = graph.inputs(node)?;
            let weight = graph.vector(weight)?;
            let none = vec![0.0; weight.len()];
            (x, weight, none)
        }
        _ => {
            let [x, weight, bias] = graph.inputs(node)?;
            (x, graph.vector(weight)?, graph.vector(bias)?)
        }
    };
    graph.require_integer(node, "axis", -1, -1)?;
    graph.require_integer(node, "stash_type", 1, 1)?;
    let expected = format!("a bias of {}", weight.len());
    require(node, weight.len() == bias.len(), expected, bias.len().to_string())?;
    let epsilon = graph.float(node, "epsilon", 1e-5);
    Ok((Norm { name: node.name.clone(), weight, bias, epsilon }, x))
}

impl Norm {
    /// Goes on where it is over this many channels.
    fn require(&self, size: usize) -> Matched<()> {
        match self.weight.len() == size {
            true => Ok(()),
            false => {
                let found = format!("{} channels", self.weight.len());
                Err(Mismatch::at_node(&self.name, format!("{size} channels"), found))
            }
        }
    }
}

impl EncoderSpec {
    /// d: channels of the layers.
    pub(crate) fn size(&self) -> usize {
        self.position_embedding.as_ref().unwrap_or(&self.embedding).size()
    }

    /// Channels that the heads read.
    pub(crate) fn read_by_heads(&self) -> usize {
        let first = self.branches.first().and_then(|branch| branch.project_out.as_ref());
        first.map_or(self.size(), |linear| linear.weight.rows)
    }

    /// Goes on where every product and norm reads as many channels as there are.
    fn require_sizes(&self) -> Matched<()> {
        let narrow = self.embedding.size();
        let size = self.size();
        let read = self.read_by_heads();
        self.embedding.require_sizes()?;
        if let Some(positions) = &self.position_embedding {
            positions.require_sizes()?;
        }
        self.heads.require(read)?;
        for branch in &self.branches {
            if let Some(linear) = &branch.project_in {
                linear.require(size, narrow)?;
            }
            branch.layers.iter().try_for_each(|layer| layer.require(size))?;
            if let Some(norm) = &branch.norm {
                norm.require(size)?;
            }
            match &branch.project_out {
                Some(linear) => linear.require(read, size)?,
                None if read == size => {}
                None => {
                    let node = nodes::name(nodes::CONCEPT_HEAD, "MatMul");
                    let (expected, found) = (format!("{size} channels"), read.to_string());
                    return Err(Mismatch::at_node(&node, expected, found));
                }
            }
        }
        Ok(())
    }
}

impl HeadsSpec {
    /// Goes on where they read `size` channels. What a product reads is numbered by 16 bits.
    fn require(&self, size: usize) -> Matched<()> {
        // An empty matrix may claim any number of rows or columns.
        let is = |name: &str, weight: &[f32], rows: usize, columns: usize| {
            let count =
                rows.checked_mul(columns).and_then(|one| one.checked_mul(self.branch.len()));
            let narrow = columns > 0 && columns <= usize::from(u16::MAX);
            if narrow && count == Some(weight.len()) {
                return Ok(());
            }
            let expected = format!("{} matrices of {rows} by {columns}", self.branch.len());
            Err(Mismatch::at_constant(name, expected, format!("{} numbers", weight.len())))
        };
        let read = match &self.expansion {
            None => size,
            Some(expansion) => {
                let name = tensors::CONCEPT_EXPANSION_WEIGHT;
                is(name, &expansion.weight, expansion.size, size)?;
                expansion.size
            }
        };
        is(tensors::CONCEPT_HEAD_WEIGHT, &self.weight, self.classes, read)
    }
}

impl LayerSpec {
    /// Its products with masked weights.
    pub(crate) fn products(&self) -> Vec<&Linear> {
        match &self.block {
            BlockSpec::Attention(AttentionSpec { query, key, value, output, .. }) => {
                vec![query, key, value, output]
            }
            BlockSpec::FeedForward(FeedForwardSpec { up_proj, gate, down_proj, .. }) => {
                [up_proj, down_proj].into_iter().chain(gate).collect()
            }
        }
    }

    /// Goes on where it is over `size` channels.
    fn require(&self, size: usize) -> Matched<()> {
        match &self.block {
            BlockSpec::Attention(attention) => {
                // That this does not overflow was checked where the heads are joined.
                let inner = attention.heads * attention.head_size;
                for linear in [&attention.query, &attention.key, &attention.value] {
                    linear.require(inner, size)?;
                }
                attention.output.require(size, inner)?;
            }
            BlockSpec::FeedForward(FeedForwardSpec { up_proj, gate, down_proj, .. }) => {
                let inner = up_proj.weight.rows;
                for linear in std::iter::once(up_proj).chain(gate) {
                    linear.require(inner, size)?;
                }
                down_proj.require(size, inner)?;
            }
        }
        self.norm.as_ref().map_or(Ok(()), |norm| norm.require(size))
    }
}
