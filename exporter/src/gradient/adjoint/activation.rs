use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use sparsecbm::Result;

use crate::gradient::shapes::attribute;
use crate::gradient::step::Step;

/// y = max(x, 0): dy where x is positive.
pub(super) fn relu(step: &mut Step) -> Result<()> {
    let gradient = step.gradient.clone();
    let zero = step.float(0.0);
    let positive = step.add("Greater", &[step.input(0), &zero]);
    let passed = step.add("Where", &[&positive, &gradient, &zero]);
    step.give(0, passed);
    Ok(())
}

/// y = x Φ(x), exactly or approximated.
pub(super) fn gelu(step: &mut Step) -> Result<()> {
    let kind = attribute(step.node, "approximate").map_or(&b"none"[..], |kind| &kind.s);
    let slope = match kind {
        b"none" => exact(step),
        b"tanh" => approximate(step),
        other => {
            let found = String::from_utf8_lossy(other).into_owned();
            return Err(step.refused(found, "Gelu as none or tanh"));
        }
    };
    let gradient = step.gradient.clone();
    let part = step.add("Mul", &[&gradient, &slope]);
    step.give(0, part);
    Ok(())
}

/// Φ(x) + x φ(x), with Φ(x) = (1 + erf(x / √2)) / 2 and φ(x) = exp(−x² / 2) / √(2π).
fn exact(step: &mut Step) -> String {
    let x = step.input(0);
    let [root, one, half] = [FRAC_1_SQRT_2, 1.0, 0.5].map(|number| step.float(number));
    let scaled = step.add("Mul", &[x, &root]);
    let erf = step.add("Erf", &[&scaled]);
    let sum = step.add("Add", &[&erf, &one]);
    let below = step.add("Mul", &[&sum, &half]);
    // (x / √2)² = x² / 2
    let square = step.add("Mul", &[&scaled, &scaled]);
    let negative = step.add("Neg", &[&square]);
    let bell = step.add("Exp", &[&negative]);
    // 1 / √(2π) = (2 / √π) / (2 √2)
    let height = step.float(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
    let bell = step.add("Mul", &[&bell, &height]);
    let moved = step.add("Mul", &[x, &bell]);
    step.add("Add", &[&below, &moved])
}

/// With t = tanh(u) and u = √(2/π) (x + 0.044715 x³): (1 + t) / 2 + x (1 − t²) u′ / 2.
fn approximate(step: &mut Step) -> String {
    const CUBIC: f32 = 0.044_715;
    let x = step.input(0);
    let root = (2.0 / PI).sqrt();
    let [one, half] = [1.0, 0.5].map(|number| step.float(number));
    let square = step.add("Mul", &[x, x]);
    // u = x (√(2/π) + √(2/π) 0.044715 x²) and u′ = √(2/π) + 3 √(2/π) 0.044715 x²
    let mut even = |factor: f32| {
        let (factor, constant) = (step.float(factor), step.float(root));
        let scaled = step.add("Mul", &[&square, &factor]);
        step.add("Add", &[&scaled, &constant])
    };
    let (inner, inner_slope) = (even(root * CUBIC), even(3.0 * root * CUBIC));
    let inner = step.add("Mul", &[x, &inner]);
    let tanh = step.add("Tanh", &[&inner]);
    let tanh_square = step.add("Mul", &[&tanh, &tanh]);
    let tanh_slope = step.add("Sub", &[&one, &tanh_square]);
    let slope = step.add("Mul", &[&tanh_slope, &inner_slope]);
    let moved = step.add("Mul", &[x, &slope]);
    let level = step.add("Add", &[&tanh, &one]);
    let sum = step.add("Add", &[&level, &moved]);
    step.add("Mul", &[&sum, &half])
}
