//! The adjoint of each operator that graphs are written in: how the gradient by its inputs follows from the
//! gradient by its output. Each stands in one place; an operator that has none is refused.

mod activation;
mod arithmetic;
mod layout;
mod lstm;
mod norm;
mod product;

use sparsecbm::Result;

use super::step::Step;

/// Gives the gradients by a node's inputs.
pub(super) type Adjoint = fn(&mut Step) -> Result<()>;

/// The adjoint of an operator.
pub(super) fn of(operator: &str) -> Option<Adjoint> {
    Some(match operator {
        "Add" => arithmetic::add,
        "Sub" => arithmetic::subtract,
        "Mul" => arithmetic::multiply,
        "Where" => arithmetic::choose,
        "ReduceSum" => arithmetic::sum,
        "Relu" => activation::relu,
        "Gelu" => activation::gelu,
        "Softmax" => norm::softmax,
        "LayerNormalization" => norm::layer_norm,
        "MatMul" => product::product,
        "Transpose" => layout::transpose,
        "Reshape" => layout::reshape,
        "Unsqueeze" => layout::unsqueeze,
        "Squeeze" => layout::squeeze,
        "Slice" => layout::slice,
        "Concat" => layout::concatenate,
        "GatherElements" => layout::gather_elements,
        "LSTM" => lstm::lstm,
        _ => return None,
    })
}
