use sparsecbm::Result;

use crate::gradient::shapes::{Dim, attribute, axis};
use crate::gradient::step::Step;
use crate::graph::{integer, integers, string};

/// The gradient goes back through the inverse permutation.
pub(super) fn transpose(step: &mut Step) -> Result<()> {
    let Some(order) = attribute(step.node, "perm") else {
        return Err(step.refused("no perm", "a permutation"));
    };
    let mut inverse = vec![0; order.ints.len()];
    for (place, &axis) in order.ints.iter().enumerate() {
        inverse[axis as usize] = place as i64;
    }
    let gradient = step.gradient.clone();
    let back = step.add_with("Transpose", &[&gradient], vec![integers("perm", &inverse)]);
    step.give(0, back);
    Ok(())
}

/// The gradient takes the shape of the input.
pub(super) fn reshape(step: &mut Step) -> Result<()> {
    let target = step.integers(1)?;
    // A size that only running tells is copied by the reshape, from the same place.
    let back = step.shape(0)?.iter().enumerate().map(|(axis, dim)| match dim {
        Dim::Size(size) => Some(*size as i64),
        Dim::Named(_) if target.get(axis) == Some(&0) => Some(0),
        _ => None,
    });
    let Some(shape) = back.collect::<Option<Vec<i64>>>() else {
        let found = format!("{:?} as {target:?}", step.shape(0)?);
        return Err(step.refused(found, "a reshape that keeps what is not of fixed size"));
    };
    let shape = step.list(&shape);
    let gradient = step.gradient.clone();
    let back = step.add("Reshape", &[&gradient, &shape]);
    step.give(0, back);
    Ok(())
}

/// The gradient loses the axes that were added.
pub(super) fn unsqueeze(step: &mut Step) -> Result<()> {
    along_axes(step, "Squeeze")
}

/// The gradient gets back the axes that were taken.
pub(super) fn squeeze(step: &mut Step) -> Result<()> {
    along_axes(step, "Unsqueeze")
}

fn along_axes(step: &mut Step, inverse: &str) -> Result<()> {
    let gradient = step.gradient.clone();
    let axes = step.list(step.integers(1)?);
    let back = step.add(inverse, &[&gradient, &axes]);
    step.give(0, back);
    Ok(())
}

/// A part along one axis: the gradient is 0 outside of it.
pub(super) fn slice(step: &mut Step) -> Result<()> {
    let (&[start], &[end], &[axis]) = (step.integers(1)?, step.integers(2)?, step.integers(3)?)
    else {
        return Err(step.refused("several axes", "a slice along one axis"));
    };
    let rank = step.shape(0)?.len();
    let size = step.size(0, axis as usize)? as i64;
    if !(0 <= start && start <= end && end <= size) {
        return Err(step.refused(format!("{start} to {end} of {size}"), "a part of the axis"));
    }
    let mut around = vec![0; 2 * rank];
    around[axis as usize] = start;
    around[rank + axis as usize] = size - end;
    let (around, zero) = (step.list(&around), step.float(0.0));
    let gradient = step.gradient.clone();
    let back = step.add("Pad", &[&gradient, &around, &zero]);
    step.give(0, back);
    Ok(())
}

/// Values after each other along an axis: each gets its part of the gradient.
pub(super) fn concatenate(step: &mut Step) -> Result<()> {
    let rank = step.shape(0)?.len();
    let Some(axis) = axis(step.node, 0, rank) else {
        return Err(step.refused("no such axis", "an axis of the value"));
    };
    let mut start = 0;
    for index in 0..step.node.input.len() {
        let end = start + step.size(index, axis)? as i64;
        let [first, last, along] = [start, end, axis as i64].map(|number| step.list(&[number]));
        let gradient = step.gradient.clone();
        let part = step.add("Slice", &[&gradient, &first, &last, &along]);
        step.give(index, part);
        start = end;
    }
    Ok(())
}

/// Entries of x along an axis: each entry gets the sum of the gradients where it was taken.
pub(super) fn gather_elements(step: &mut Step) -> Result<()> {
    let rank = step.shape(0)?.len();
    let Some(axis) = axis(step.node, 0, rank) else {
        return Err(step.refused("no such axis", "an axis of the value"));
    };
    let zero = step.float(0.0);
    let shape = step.add("Shape", &[step.input(0)]);
    let empty = step.add("Expand", &[&zero, &shape]);
    let gradient = step.gradient.clone();
    let attributes = vec![integer("axis", axis as i64), string("reduction", "add")];
    let back = step.add_with("ScatterElements", &[&empty, step.input(1), &gradient], attributes);
    step.give(0, back);
    Ok(())
}
