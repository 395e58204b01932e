use super::graph::Graph;
use super::mismatch::{Matched, Mismatch, require};
use crate::format::{blocks, tensors};
use crate::schema::Pooling;

/// From last hidden states to token evidence and concept logits.
pub(crate) struct HeadsSpec {
    /// For each concept, the branch that it reads.
    pub(crate) branch: Vec<usize>,
    pub(crate) classes: usize,
    /// Where the heads have two layers, the first of them.
    pub(crate) expansion: Option<ExpansionSpec>,
    /// `[K, C, n]`, where n is d or the expansion's E.
    pub(crate) weight: Vec<f32>,
    /// `[K, C]`
    pub(crate) bias: Vec<f32>,
    pub(crate) pooling: Pooling,
}

/// The first layer of each head, of whose pooled outputs the positive ones count.
pub(crate) struct ExpansionSpec {
    /// E
    pub(crate) size: usize,
    /// `[K, E, d]`
    pub(crate) weight: Vec<f32>,
    /// `[K, E]`
    pub(crate) bias: Vec<f32>,
}

/// What the heads of all concepts must share.
#[derive(PartialEq, Debug)]
struct Shared<'a> {
    weight: &'a str,
    /// Weight and bias of the first layer of heads that have two.
    expansion: Option<[&'a str; 2]>,
    pooling: Pooling,
}

/// The concept heads of the graph, and the last hidden state of each branch.
pub(super) fn heads<'a>(graph: &Graph<'a>) -> Matched<(HeadsSpec, Vec<&'a str>)> {
    let [sum, bias_name] = graph.apart(tensors::CONCEPT_LOGITS, "Add")?;
    let flat = graph.node(sum, "ReduceSum")?;
    let [summed, axes] = graph.inputs(flat)?;
    require(flat, summed == tensors::TOKEN_EVIDENCE, tensors::TOKEN_EVIDENCE, summed)?;
    graph.require_list(flat, axes, &[blocks::EVIDENCE_POSITIONS])?;
    graph.require_integer(flat, "keepdims", 1, 0)?;
    let concat = graph.node(tensors::TOKEN_EVIDENCE, "Concat")?;
    graph.require_integer(concat, "axis", 0, blocks::CONCEPT_AXIS)?;
    let mut hidden: Vec<&str> = Vec::new();
    let mut branch = Vec::new();
    let mut shared: Option<Shared> = None;
    for (k, evidence) in concat.input.iter().enumerate() {
        let (own, state) = head(graph, evidence, k)?;
        let first = shared.get_or_insert(Shared { ..own });
        let as_first = *first == own;
        require(concat, as_first, format!("heads as the first, {first:?}"), format!("{own:?}"))?;
        branch.push(hidden.iter().position(|&known| known == state).unwrap_or_else(|| {
            hidden.push(state);
            hidden.len() - 1
        }));
    }
    let Some(shared) = shared else {
        return Err(Mismatch::at_node(&concat.name, "a head for each concept", "none"));
    };
    let (weights, weight) = graph.floats(shared.weight)?;
    let [_, classes, read] = graph.shape(weights)?;
    graph.require_shape(weights, [branch.len(), classes, read])?;
    let (biases, bias) = graph.floats(bias_name)?;
    graph.require_shape(biases, [branch.len(), classes])?;
    let expansion = match shared.expansion {
        None => None,
        Some([weight, bias]) => {
            let (weights, weight) = graph.floats(weight)?;
            let (biases, bias) = graph.floats(bias)?;
            let [_, _, size] = graph.shape(weights)?;
            graph.require_shape(weights, [branch.len(), read, size])?;
            graph.require_shape(biases, [branch.len(), read])?;
            Some(ExpansionSpec { size: read, weight, bias })
        }
    };
    let pooling = shared.pooling;
    Ok((HeadsSpec { branch, classes, expansion, weight, bias, pooling }, hidden))
}

/// `evidence` as what head `k` gives, and the last hidden state that it reads.
fn head<'a>(graph: &Graph<'a>, evidence: &str, k: usize) -> Matched<(Shared<'a>, &'a str)> {
    let by_class = graph.by_list(evidence, "Unsqueeze", &[blocks::CONCEPT_AXIS])?;
    let own = graph.transposed(by_class, &blocks::BY_CLASS)?;
    let [scores, pool_weight] = graph.apart(own, "Mul")?;
    let [read, transposed] = graph.apart(scores, "MatMul")?;
    let weight = graph.entry(graph.transposed(transposed, &blocks::TRANSPOSED)?, k)?;
    let expected = "LayerNormalization, Add or MatMul of a last layer, or Where";
    let (expansion, state) = match graph.producer(read, expected)?.op_type.as_str() {
        "Where" => {
            let (names, state) = expanded(graph, read, k, pool_weight)?;
            (Some(names), state)
        }
        "LayerNormalization" | "Add" | "MatMul" => (None, read),
        _ => return Err(graph.other(read, expected)),
    };
    Ok((Shared { weight, expansion, pooling: pooled(graph, pool_weight)? }, state))
}

/// `value` as what the first layer of head `k` gives, where its pooled value is positive, else 0: the names of
/// that layer's weight and bias, and the last hidden state.
fn expanded<'a>(
    graph: &Graph<'a>,
    value: &str,
    k: usize,
    pool_weight: &str,
) -> Matched<([&'a str; 2], &'a str)> {
    let choice = graph.node(value, "Where")?;
    let [positive, each, none] = graph.inputs(choice)?;
    graph.require_scalar(choice, none, 0.0)?;
    let greater = graph.node(positive, "Greater")?;
    let [pooled, zero] = graph.inputs(greater)?;
    graph.require_scalar(greater, zero, 0.0)?;
    let sum = graph.node(pooled, "ReduceSum")?;
    let [evidence, axes] = graph.inputs(sum)?;
    graph.require_list(sum, axes, &[blocks::POSITIONS])?;
    graph.require_integer(sum, "keepdims", 1, 1)?;
    let weighting = graph.node(evidence, "Mul")?;
    let found = graph.inputs(weighting)?;
    let expected = [each, pool_weight];
    require(weighting, found == expected, format!("{expected:?}"), format!("{found:?}"))?;
    let [product, bias] = graph.apart(each, "Add")?;
    let [state, transposed] = graph.apart(product, "MatMul")?;
    let weight = graph.entry(graph.transposed(transposed, &blocks::TRANSPOSED)?, k)?;
    Ok(([weight, graph.entry(bias, k)?], state))
}

/// `value` as the weights of a mean over positions.
fn pooled(graph: &Graph, value: &str) -> Matched<Pooling> {
    let mean = graph.by_list(value, "Unsqueeze", &[blocks::CHANNELS])?;
    let [pooled, count] = graph.apart(mean, "Div")?;
    let at_least = graph.node(count, "Max")?;
    let [count, one] = graph.inputs(at_least)?;
    graph.require_scalar(at_least, one, 1.0)?;
    let sum = graph.node(count, "ReduceSum")?;
    let [summed, axes] = graph.inputs(sum)?;
    require(sum, summed == pooled, format!("'{pooled}'"), format!("'{summed}'"))?;
    graph.require_list(sum, axes, &[blocks::POSITIONS])?;
    graph.require_integer(sum, "keepdims", 1, 1)?;
    if graph.is(pooled, "Cast") {
        graph.require_attention_mask(pooled)?;
        return Ok(Pooling::MaskedMean);
    }
    let ones = graph.node(pooled, "Add")?;
    let [none, one] = graph.inputs(ones)?;
    graph.require_scalar(ones, one, 1.0)?;
    let zeros = graph.node(none, "Mul")?;
    let [mask, zero] = graph.inputs(zeros)?;
    graph.require_scalar(zeros, zero, 0.0)?;
    graph.require_attention_mask(mask)?;
    Ok(Pooling::PaddedMean)
}
