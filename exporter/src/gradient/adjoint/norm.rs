use sparsecbm::Result;

use crate::gradient::shapes::{attribute, axis};
use crate::gradient::step::Step;

/// y = softmax(x) over the last axis: dx = (dy − Σ dy · y) · y.
pub(super) fn softmax(step: &mut Step) -> Result<()> {
    last_axis(step)?;
    let gradient = step.gradient.clone();
    let y = step.output();
    let product = step.add("Mul", &[&gradient, y]);
    let mean = step.sum_over(&product, -1);
    let apart = step.add("Sub", &[&gradient, &mean]);
    let dx = step.add("Mul", &[&apart, y]);
    step.give(0, dx);
    Ok(())
}

/// y = n · weight + bias with n = (x − mean) / s and s = √(variance + ε), over the last axis of size d. With
/// g = dy · weight: dx = (g − Σ g / d − n · Σ (g · n) / d) / s.
pub(super) fn layer_norm(step: &mut Step) -> Result<()> {
    let rank = last_axis(step)?;
    let size = step.size(0, rank - 1)?;
    let epsilon = attribute(step.node, "epsilon").map_or(1e-5, |epsilon| epsilon.f);
    let gradient = step.gradient.clone();
    let (share, epsilon) = (step.float(1.0 / size as f32), step.float(epsilon));
    fn mean(step: &mut Step, value: &str, share: &str) -> String {
        let sum = step.sum_over(value, -1);
        step.add("Mul", &[&sum, share])
    }
    let x = step.input(0);
    let middle = mean(step, x, &share);
    let apart = step.add("Sub", &[x, &middle]);
    let square = step.add("Mul", &[&apart, &apart]);
    let variance = mean(step, &square, &share);
    let variance = step.add("Add", &[&variance, &epsilon]);
    let deviation = step.add("Sqrt", &[&variance]);
    let normed = step.add("Div", &[&apart, &deviation]);
    let scaled = step.add("Mul", &[&gradient, step.input(1)]);
    let level = mean(step, &scaled, &share);
    let along = step.add("Mul", &[&scaled, &normed]);
    let along = mean(step, &along, &share);
    let along = step.add("Mul", &[&normed, &along]);
    let rest = step.add("Sub", &[&scaled, &level]);
    let rest = step.add("Sub", &[&rest, &along]);
    let dx = step.add("Div", &[&rest, &deviation]);
    step.give(0, dx);
    Ok(())
}

/// Checks that the node works along the last axis, and gives the number of axes.
fn last_axis(step: &Step) -> Result<usize> {
    let rank = step.shape(0)?.len();
    match axis(step.node, -1, rank) {
        Some(axis) if axis + 1 == rank => Ok(rank),
        other => Err(step.refused(format!("axis {other:?}"), "the last axis")),
    }
}
