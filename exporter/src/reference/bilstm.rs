use ndarray::{Array1, Array2, Axis, concatenate, s};

use super::parameters::Parameters;
use super::{Read, positive_shares, row_softmax};
use crate::backbone::BiLstm;

/// `[S, h]`: what the layer after the attention gives, where its mean is positive, else 0.
pub(super) fn last_hidden_state(
    body: &BiLstm,
    parameters: &Parameters,
    read: &Read,
) -> Array2<f32> {
    // Padding is read where it is pooled.
    let count = read.pool_weight.iter().filter(|&&weight| weight > 0.0).count();
    let [forward, backward] = BiLstm::DIRECTIONS;
    let order: Vec<usize> = (0..count).collect();
    let reversed: Vec<usize> = (0..count).rev().collect();
    let forward = one_way(parameters, forward, read.words, &order);
    let backward = one_way(parameters, backward, read.words, &reversed);
    let both = concatenate(Axis(1), &[forward.view(), backward.view()])
        .expect("both have a row for each position");
    let own = both.slice(s![..count, ..]);
    // What is not read attends too, to what is; it is not pooled.
    let mixed = row_softmax(&both.dot(&own.t())).dot(&own);
    let each = parameters.linear(&body.output, &mixed);
    positive_shares(&each, &read.pool_weight)
}

/// `[S, h]`: the outputs of a cell that reads the rows of `words` in `order`; 0 for rows that it does not read.
///
/// i, f, o = σ(W x + R h + b) and g = tanh(…) for each gate; c = f c + i g; h = o tanh(c)
/// (Hochreiter, Schmidhuber, *Long Short-Term Memory*, 1997; the gates' order is PyTorch's: i, f, g, o).
fn one_way(
    parameters: &Parameters,
    direction: &str,
    words: &Array2<f32>,
    order: &[usize],
) -> Array2<f32> {
    let name = |part: &str| format!("lstm.{part}_{direction}");
    let input = parameters.matrix(&name("weight_ih"));
    let recurrent = parameters.matrix(&name("weight_hh"));
    let bias = parameters.vector(&name("bias_ih")) + parameters.vector(&name("bias_hh"));
    let size = recurrent.ncols();
    let mut outputs = Array2::zeros((words.nrows(), size));
    let mut state = Array1::<f32>::zeros(size);
    let mut cell = Array1::<f32>::zeros(size);
    for &position in order {
        let gates = input.dot(&words.row(position)) + recurrent.dot(&state) + &bias;
        let gate = |index: usize| gates.slice(s![index * size..(index + 1) * size]);
        let kept = gate(1).mapv(sigmoid) * &cell;
        cell = kept + gate(0).mapv(sigmoid) * gate(2).mapv(f32::tanh);
        state = gate(3).mapv(sigmoid) * cell.mapv(f32::tanh);
        outputs.row_mut(position).assign(&state);
    }
    outputs
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
