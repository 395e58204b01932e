use sparsecbm::Result;

use crate::gradient::shapes::attribute;
use crate::gradient::step::Step;

/// y = a + b: both get dy.
pub(super) fn add(step: &mut Step) -> Result<()> {
    let gradient = step.gradient.clone();
    step.give_summed(0, gradient.clone())?;
    step.give_summed(1, gradient)
}

/// y = a − b: a gets dy, b gets −dy.
pub(super) fn subtract(step: &mut Step) -> Result<()> {
    let gradient = step.gradient.clone();
    step.give_summed(0, gradient.clone())?;
    if step.wants(1) {
        let negative = step.add("Neg", &[&gradient]);
        step.give_summed(1, negative)?;
    }
    Ok(())
}

/// y = a · b: each gets dy times the other.
pub(super) fn multiply(step: &mut Step) -> Result<()> {
    for (index, other) in [(0, 1), (1, 0)] {
        if step.wants(index) {
            let gradient = step.gradient.clone();
            let part = step.add("Mul", &[&gradient, step.input(other)]);
            step.give_summed(index, part)?;
        }
    }
    Ok(())
}

/// y = a where c, else b: each gets dy where it was chosen, else 0.
pub(super) fn choose(step: &mut Step) -> Result<()> {
    let zero = step.float(0.0);
    for index in [1, 2] {
        if step.wants(index) {
            let gradient = step.gradient.clone();
            let condition = step.input(0);
            let chosen = match index {
                1 => step.add("Where", &[condition, &gradient, &zero]),
                _ => step.add("Where", &[condition, &zero, &gradient]),
            };
            step.give_summed(index, chosen)?;
        }
    }
    Ok(())
}

/// y = Σ x over some axes: every x in a sum gets its dy.
pub(super) fn sum(step: &mut Step) -> Result<()> {
    let mut gradient = step.gradient.clone();
    if attribute(step.node, "keepdims").is_some_and(|keep| keep.i == 0) {
        let axes = step.list(step.integers(1)?);
        gradient = step.add("Unsqueeze", &[&gradient, &axes]);
    }
    let shape = step.add("Shape", &[step.input(0)]);
    let stretched = step.add("Expand", &[&gradient, &shape]);
    step.give(0, stretched);
    Ok(())
}
