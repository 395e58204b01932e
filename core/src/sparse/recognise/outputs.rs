use super::graph::Graph;
use crate::schema::Pooling;

/// From last hidden states to token evidence and concept logits.
pub(crate) struct Heads {
    /// For each concept, the branch that it reads.
    pub(crate) branch: Vec<usize>,
    pub(crate) classes: usize,
    /// Where the heads have two layers, the first of them.
    pub(crate) expansion: Option<Expansion>,
    /// `[K, C, n]`, where n is d or the expansion's E.
    pub(crate) weight: Vec<f32>,
    /// `[K, C]`
    pub(crate) bias: Vec<f32>,
    pub(crate) pooling: Pooling,
}

/// The first layer of each head, of whose pooled outputs the positive ones count.
pub(crate) struct Expansion {
    /// E
    pub(crate) size: usize,
    /// `[K, E, d]`
    pub(crate) weight: Vec<f32>,
    /// `[K, E]`
    pub(crate) bias: Vec<f32>,
}

/// The concept heads of the graph, and the last hidden state of each branch.
pub(super) fn heads<'a>(graph: &Graph<'a>) -> Option<(Heads, Vec<&'a str>)> {
    let [sum, bias_name] = graph.apart("concept_logits", "Add")?;
    let flat = graph.node(sum, "ReduceSum")?;
    let [summed, axes] = graph.inputs(flat)?;
    let concat = graph.node("token_evidence", "Concat")?;
    let as_written = summed == "token_evidence"
        && graph.integers(axes)? == [3]
        && graph.integer(flat, "keepdims", 1) == 0
        && graph.integer(concat, "axis", 0) == 1;
    as_written.then_some(())?;
    let mut hidden: Vec<&str> = Vec::new();
    let mut branch = Vec::new();
    let (mut weight_name, mut expansion_names, mut pooling) = (None, None, None);
    for (k, share) in concat.input.iter().enumerate() {
        let own = graph.transposed(graph.by_list(share, "Unsqueeze", &[1])?, &[0, 2, 1])?;
        let [scores, pool_weight] = graph.apart(own, "Mul")?;
        let [read, turned] = graph.apart(scores, "MatMul")?;
        let all = graph.entry(graph.transposed(turned, &[1, 0])?, k)?;
        let (own_expansion, state) = expanded(graph, read, k, pool_weight).unzip();
        let state = state.unwrap_or(read);
        let own_pooling = pooled(graph, pool_weight)?;
        let agrees = *weight_name.get_or_insert(all) == all
            && *expansion_names.get_or_insert(own_expansion) == own_expansion
            && *pooling.get_or_insert(own_pooling) == own_pooling;
        agrees.then_some(())?;
        branch.push(hidden.iter().position(|&known| known == state).unwrap_or_else(|| {
            hidden.push(state);
            hidden.len() - 1
        }));
    }
    let (tensor, weight) = graph.floats(weight_name?)?;
    let [concepts, classes, read] = graph.shape(tensor)?;
    let (tensor, bias) = graph.floats(bias_name)?;
    let expansion = match expansion_names? {
        None => None,
        Some([weight, bias]) => {
            let (of_weight, weight) = graph.floats(weight)?;
            let (of_bias, bias) = graph.floats(bias)?;
            let [of_concepts, size, _] = graph.shape(of_weight)?;
            let fits = (of_concepts, size) == (concepts, read)
                && graph.shape(of_bias)? == [concepts, size];
            fits.then_some(())?;
            Some(Expansion { size, weight, bias })
        }
    };
    let fits = concepts == branch.len() && graph.shape(tensor)? == [concepts, classes];
    let heads = Heads { branch, classes, expansion, weight, bias, pooling: pooling? };
    fits.then_some((heads, hidden))
}

/// `value` as what the first layer of head `k` gives, where its pooled value is positive, else 0: the names of
/// that layer's weight and bias, and the last hidden state.
fn expanded<'a>(
    graph: &Graph<'a>,
    value: &str,
    k: usize,
    pool_weight: &str,
) -> Option<([&'a str; 2], &'a str)> {
    let [positive, each, none] = graph.apart(value, "Where")?;
    let [pooled, zero] = graph.apart(positive, "Greater")?;
    let sum = graph.node(pooled, "ReduceSum")?;
    let [share, axes] = graph.inputs(sum)?;
    let as_written = graph.apart(share, "Mul")? == [each, pool_weight]
        && graph.integers(axes)? == [1]
        && graph.integer(sum, "keepdims", 1) == 1
        && graph.scalar(zero)? == 0.0
        && graph.scalar(none)? == 0.0;
    let [product, bias] = graph.apart(each, "Add")?;
    let [state, turned] = graph.apart(product, "MatMul")?;
    let weight = graph.entry(graph.transposed(turned, &[1, 0])?, k)?;
    as_written.then_some(([weight, graph.entry(bias, k)?], state))
}

/// `value` as the weights of a mean over positions.
fn pooled(graph: &Graph, value: &str) -> Option<Pooling> {
    let share = graph.by_list(value, "Unsqueeze", &[2])?;
    let [pooled, count] = graph.apart(share, "Div")?;
    let [count, one] = graph.apart(count, "Max")?;
    let sum = graph.node(count, "ReduceSum")?;
    let [summed, axes] = graph.inputs(sum)?;
    let as_written = graph.scalar(one)? == 1.0
        && summed == pooled
        && graph.integers(axes)? == [1]
        && graph.integer(sum, "keepdims", 1) == 1;
    as_written.then_some(())?;
    if graph.cast(pooled) == Some("attention_mask") {
        return Some(Pooling::MaskedMean);
    }
    let [none, one] = graph.apart(pooled, "Add")?;
    let [mask, zero] = graph.apart(none, "Mul")?;
    let padded = graph.scalar(one)? == 1.0
        && graph.scalar(zero)? == 0.0
        && graph.cast(mask)? == "attention_mask";
    padded.then_some(Pooling::PaddedMean)
}
