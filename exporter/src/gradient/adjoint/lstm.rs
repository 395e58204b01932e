//! The adjoint of the LSTM: a cell run backwards over the sequence, with everything that it needs of the way
//! forwards computed for all positions at once.

use sparsecbm::Result;

use crate::gradient::shapes::attribute;
use crate::gradient::step::Step;
use crate::graph::{Builder, integer, integers};

/// What the cell gave at each position, `[sequence, batch, h]` each.
struct Cell {
    input: String,
    output: String,
    forget: String,
    /// What is offered to the state: tanh(…).
    offer: String,
    /// c before the position.
    before: String,
    /// tanh(c)
    level: String,
}

/// h = o tanh(c), c = f c₋₁ + i g, with i, o, f = σ(W x + R h₋₁ + b) and g = tanh(…): dx = aᵀ W, where a are the
/// gradients by what is inside of σ and tanh. Backwards from the last position, with dh = dy + Rᵀ a₊₁ and
/// dc = dh o (1 − tanh²(c)) + f₊₁ dc₊₁ they are
/// dc g i (1 − i), dh tanh(c) o (1 − o), dc c₋₁ f (1 − f) and dc i (1 − g²).
/// (Hochreiter, Schmidhuber, *Long Short-Term Memory*, 1997; the gates' order is that of ONNX: i, o, f, g.)
pub(super) fn lstm(step: &mut Step) -> Result<()> {
    let plain = step.node.attribute.iter().all(|attribute| attribute.name == "hidden_size");
    let (Some(size), 4, true) = (attribute(step.node, "hidden_size"), step.node.input.len(), plain)
    else {
        let expected = "a forward LSTM of its own activations, with biases and no more inputs";
        return Err(step.refused("another form of LSTM", expected));
    };
    let size = size.i;
    let direction = step.list(&[1]);
    let gradient = step.gradient.clone();
    let dy = step.add("Squeeze", &[&gradient, &direction]);
    let first = step.list(&[0]);
    let [weight, recurrent] = [1, 2].map(|index| step.add("Squeeze", &[step.input(index), &first]));
    let cell = forwards(step, size, &weight, &recurrent);

    let through = {
        let slope = tanh_slope(step, &cell.level);
        step.add("Mul", &[&cell.output, &slope])
    };
    let by_input = sigmoid_slope(step, &cell.input);
    let by_input = step.add("Mul", &[&by_input, &cell.offer]);
    let by_output = sigmoid_slope(step, &cell.output);
    let by_output = step.add("Mul", &[&by_output, &cell.level]);
    let by_forget = sigmoid_slope(step, &cell.forget);
    let by_forget = step.add("Mul", &[&by_forget, &cell.before]);
    let by_offer = tanh_slope(step, &cell.offer);
    let by_offer = step.add("Mul", &[&by_offer, &cell.input]);

    let none = nothing(step, &dy);
    let read = [&dy, &through, &cell.forget, &by_input, &by_output, &by_forget, &by_offer];
    let inside = step.scan(&[&none, &none], &read.map(String::as_str), true, |body, names| {
        let [dh, dc, dy, through, forget, by_input, by_output, by_forget, by_offer] = names else {
            unreachable!("two states and seven values")
        };
        let mut node = |operator: &str, inputs: &[&str]| body.node(&names[0], operator, inputs);
        let dh = node("Add", &[dy, dh]);
        let part = node("Mul", &[&dh, through]);
        let dc = node("Add", &[&part, dc]);
        let parts = [(&dc, by_input), (&dh, by_output), (&dc, by_forget), (&dc, by_offer)]
            .map(|(gradient, factor)| node("Mul", &[gradient, factor]));
        let kept = node("Mul", &[&dc, forget]);
        let parts = parts.each_ref().map(String::as_str);
        let all = body.node_with(&names[0], "Concat", &parts, vec![integer("axis", -1)]);
        let back = body.node(&names[0], "MatMul", &[&all, &recurrent]);
        (vec![back, kept], all)
    });
    let dx = step.add("MatMul", &[&inside, &weight]);
    step.give(0, dx);
    Ok(())
}

/// The cell's values, again: the outputs are known, so all gates follow from them at once, and only the state
/// must be followed over the sequence.
fn forwards(step: &mut Step, size: i64, weight: &str, recurrent: &str) -> Cell {
    let direction = step.list(&[1]);
    let y = step.add("Squeeze", &[step.output(), &direction]);
    let y_before = one_later(step, &y);
    let x = step.input(0);
    let mut product = |value: &str, matrix: &str| {
        let swapped = vec![integers("perm", &[1, 0])];
        let transposed = step.add_with("Transpose", &[matrix], swapped);
        step.add("MatMul", &[value, &transposed])
    };
    let parts = [product(x, weight), product(&y_before, recurrent)];
    let first = step.list(&[0]);
    let biases = step.add("Squeeze", &[step.input(3), &first]);
    let mut inside = step.add("Add", &[&parts[0], &parts[1]]);
    for half in [0, 1] {
        let bias = part(step, &biases, 0, 4 * size * half, 4 * size);
        inside = step.add("Add", &[&inside, &bias]);
    }
    let [input, output, forget, offer] =
        [0, 1, 2, 3].map(|gate| part(step, &inside, 2, size * gate, size));
    let [input, output, forget] = [input, output, forget].map(|gate| step.add("Sigmoid", &[&gate]));
    let offer = step.add("Tanh", &[&offer]);
    let taken = step.add("Mul", &[&input, &offer]);
    let none = nothing(step, &y);
    let states = step.scan(&[&none], &[&forget, &taken], false, |body, names| {
        let [state, forget, taken] = names else { unreachable!("a state and two values") };
        let kept = body.node(state, "Mul", &[state, forget]);
        let state = body.node(state, "Add", &[&kept, taken]);
        (vec![state.clone()], state)
    });
    let before = one_later(step, &states);
    let level = step.add("Tanh", &[&states]);
    Cell { input, output, forget, offer, before, level }
}

/// `[sequence, batch, h]` with each entry one position later, zeros in the first place.
fn one_later(step: &mut Step, value: &str) -> String {
    let (around, zero) = (step.list(&[1, 0, 0, 0, 0, 0]), step.float(0.0));
    let longer = step.add("Pad", &[value, &around, &zero]);
    let [start, end, axis] = [0, -1, 0].map(|number| step.list(&[number]));
    step.add("Slice", &[&longer, &start, &end, &axis])
}

/// `size` entries along an axis.
fn part(step: &mut Step, value: &str, axis: i64, start: i64, size: i64) -> String {
    let [start, end, axis] = [start, start + size, axis].map(|number| step.list(&[number]));
    step.add("Slice", &[value, &start, &end, &axis])
}

/// Zeros of the shape `[batch, h]` of one position of a value.
fn nothing(step: &mut Step, value: &str) -> String {
    let zero = step.float(0.0);
    let shape = vec![integer("start", 1), integer("end", 3)];
    let shape = step.add_with("Shape", &[value], shape);
    step.add("Expand", &[&zero, &shape])
}

/// s (1 − s), the slope of s = σ(…).
fn sigmoid_slope(step: &mut Step, value: &str) -> String {
    let one = step.float(1.0);
    let rest = step.add("Sub", &[&one, value]);
    step.add("Mul", &[value, &rest])
}

/// 1 − t², the slope of t = tanh(…).
fn tanh_slope(step: &mut Step, value: &str) -> String {
    let one = step.float(1.0);
    let square = step.add("Mul", &[value, value]);
    step.add("Sub", &[&one, &square])
}

impl Step<'_> {
    /// Adds a scan over the first axis of `scanned`. `write` writes the body from the names of its states and of
    /// the entries that it reads, and gives the new states and the result.
    fn scan(
        &mut self,
        states: &[&str],
        scanned: &[&str],
        reversed: bool,
        write: impl FnOnce(&mut Builder, &[String]) -> (Vec<String>, String),
    ) -> String {
        let scope = self.scope();
        let kind = if reversed { "back" } else { "forth" };
        let count = states.len() + scanned.len();
        let names: Vec<String> =
            (0..count).map(|index| format!("{scope}/{kind}/{index}")).collect();
        let mut body = Builder::default();
        names.iter().for_each(|name| body.body_input(name));
        let (next, result) = write(&mut body, &names);
        next.iter().for_each(|name| body.body_output(name));
        // A value of its own: tract gives results another shape, which whoever else reads them would meet.
        let result = body.node(&names[0], "Identity", &[&result]);
        body.body_output(&result);
        self.add_scan(body.finish(&format!("{scope}/{kind}")).graph, states, scanned, reversed)
    }
}
