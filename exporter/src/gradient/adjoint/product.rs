use sparsecbm::Result;

use crate::gradient::shapes::Dim;
use crate::gradient::step::Step;
use crate::graph::integers;

/// y = a b: a gets dy bᵀ, b gets aᵀ dy.
pub(super) fn product(step: &mut Step) -> Result<()> {
    let (a, b) = (step.shape(0)?, step.shape(1)?);
    if b.len() == 2 && a.len() >= 2 {
        return by_matrix(step, a);
    }
    let batches = |dims: &[Dim]| dims[..dims.len().saturating_sub(2)].to_vec();
    let known = |dims: &[Dim]| !dims.contains(&Dim::Unknown);
    if a.len() != b.len() || a.len() < 2 || batches(a) != batches(b) || !known(&batches(a)) {
        let found = format!("a product of {a:?} and {b:?}");
        return Err(step.refused(found, "a matrix on the right, or as many matrices on both sides"));
    }
    let gradient = step.gradient.clone();
    if step.wants(0) {
        let transposed = transposed(step, step.input(1), b.len());
        let part = step.add("MatMul", &[&gradient, &transposed]);
        step.give(0, part);
    }
    if step.wants(1) {
        let transposed = transposed(step, step.input(0), a.len());
        let part = step.add("MatMul", &[&transposed, &gradient]);
        step.give(1, part);
    }
    Ok(())
}

/// The same of rows `a` times one matrix, which gets the sum over all rows: they are laid one under the other.
fn by_matrix(step: &mut Step, a: &[Dim]) -> Result<()> {
    let gradient = step.gradient.clone();
    if step.wants(0) {
        let transposed = transposed(step, step.input(1), 2);
        let part = step.add("MatMul", &[&gradient, &transposed]);
        step.give(0, part);
    }
    if step.wants(1) {
        let (inner, columns) = (step.size(1, 0)?, step.size(1, 1)?);
        let (mut rows, mut gradient) = (step.input(0).to_string(), gradient);
        if a.len() > 2 {
            let shape = step.list(&[-1, inner as i64]);
            rows = step.add("Reshape", &[&rows, &shape]);
            let shape = step.list(&[-1, columns as i64]);
            gradient = step.add("Reshape", &[&gradient, &shape]);
        }
        let transposed = transposed(step, &rows, 2);
        let part = step.add("MatMul", &[&transposed, &gradient]);
        step.give(1, part);
    }
    Ok(())
}

/// A value with its last two axes exchanged.
fn transposed(step: &mut Step, value: &str, rank: usize) -> String {
    let mut order: Vec<i64> = (0..rank as i64).collect();
    order.swap(rank - 2, rank - 1);
    step.add_with("Transpose", &[value], vec![integers("perm", &order)])
}
