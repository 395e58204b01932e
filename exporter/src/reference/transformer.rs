use std::f64::consts::{PI, SQRT_2};

use ndarray::{Array1, Array2, Axis, Slice, s};

use super::parameters::Parameters;
use super::{Read, row_softmax};
use crate::backbone::{
    Activation, AttentionBlock, FeedForward, Norm, NormPlace, Projections, Reach, Transformer,
};

/// `[S, d]`: what the last layer gives.
pub(super) fn last_hidden_state(
    body: &Transformer,
    parameters: &Parameters,
    read: &Read,
) -> Array2<f32> {
    let mut x = embedded(body, parameters, read);
    for layer in &body.layers {
        let seen = seen(layer.attention.reach, read);
        let attend = |x: &Array2<f32>| attention(&layer.attention, parameters, &seen, x);
        x = residual(body, parameters, layer.attention_norm.as_ref(), x, attend);
        let feed = |x: &Array2<f32>| feed_forward(&layer.feed_forward, parameters, x);
        x = residual(body, parameters, layer.feed_forward_norm.as_ref(), x, feed);
    }
    let x = normed(body.final_norm.as_ref(), parameters, x);
    match &body.project_out {
        Some(layer) => parameters.linear(layer, &x),
        None => x,
    }
}

fn embedded(body: &Transformer, parameters: &Parameters, read: &Read) -> Array2<f32> {
    let mut x = read.words.clone();
    if let Some(layer) = &body.project_in {
        x = parameters.linear(layer, &x);
    }
    if let Some(positions) = &body.positions {
        let table = parameters.matrix(&positions.table.weight_name());
        for (s, mut row) in x.rows_mut().into_iter().enumerate() {
            let index = match positions.padding {
                Some(padding) if s >= read.attended => padding,
                _ => positions.first + s,
            };
            row += &table.row(index);
        }
    }
    if let Some(segments) = &body.segments {
        x += &parameters.matrix(&segments.weight_name()).row(0);
    }
    normed(body.embedding_norm.as_ref(), parameters, x)
}

fn residual(
    body: &Transformer,
    parameters: &Parameters,
    norm: Option<&Norm>,
    x: Array2<f32>,
    block: impl Fn(&Array2<f32>) -> Array2<f32>,
) -> Array2<f32> {
    match body.norm_place {
        NormPlace::Before => block(&normed(norm, parameters, x.clone())) + x,
        NormPlace::After => {
            let sum = block(&x) + x;
            normed(norm, parameters, sum)
        }
    }
}

/// `[S, S]`: 0 where the position of a row sees that of a column, else −∞. A position that sees nothing, far
/// out in the padding, weighs all alike.
fn seen(reach: Reach, read: &Read) -> Array2<f32> {
    let count = read.words.nrows();
    let mut seen = Array2::from_shape_fn((count, count), |(row, column)| {
        let near = match reach {
            Reach::All => true,
            Reach::Causal => column <= row,
            Reach::Near(distance) => row.abs_diff(column) <= distance,
        };
        if near && column < read.attended { 0.0 } else { f32::NEG_INFINITY }
    });
    for mut row in seen.rows_mut() {
        if row.iter().all(|&seen| seen != 0.0) {
            row.fill(0.0);
        }
    }
    seen
}

fn attention(
    about: &AttentionBlock,
    parameters: &Parameters,
    seen: &Array2<f32>,
    x: &Array2<f32>,
) -> Array2<f32> {
    let [query, key, value] = match &about.projections {
        Projections::Separate { query, key, value } => {
            [query, key, value].map(|layer| parameters.linear(layer, x))
        }
        Projections::Joined(layer) => {
            let all = parameters.linear(layer, x);
            let size = all.ncols() / 3;
            [0, 1, 2].map(|i| all.slice(s![.., i * size..(i + 1) * size]).to_owned())
        }
    };
    let size = about.head_size;
    let mut mixed = Array2::zeros(query.dim());
    for head in 0..about.heads {
        let own = s![.., head * size..(head + 1) * size];
        let mut query = query.slice(own).to_owned();
        let mut key = key.slice(own).to_owned();
        if let Some(theta) = about.rotary {
            turn(theta, &mut query);
            turn(theta, &mut key);
        }
        let scores = query.dot(&key.t()) / (size as f32).sqrt() + seen;
        mixed.slice_mut(own).assign(&row_softmax(&scores).dot(&value.slice(own)));
    }
    parameters.linear(&about.output, &mixed)
}

/// Turns each pair of coordinates (i, i + half) of row s by s · theta^(−2i / size).
fn turn(theta: f32, x: &mut Array2<f32>) {
    let half = x.ncols() / 2;
    for (s, mut row) in x.rows_mut().into_iter().enumerate() {
        for i in 0..half {
            let speed = f64::from(theta).powf(-((2 * i) as f64) / (2 * half) as f64);
            let (sin, cos) = (s as f64 * speed).sin_cos();
            let (a, b) = (f64::from(row[i]), f64::from(row[i + half]));
            row[i] = (a * cos - b * sin) as f32;
            row[i + half] = (b * cos + a * sin) as f32;
        }
    }
}

fn feed_forward(about: &FeedForward, parameters: &Parameters, x: &Array2<f32>) -> Array2<f32> {
    let mut wide = parameters.linear(&about.inner, x);
    if about.gated {
        let half = wide.ncols() as isize / 2;
        let gate = wide.slice_axis(Axis(1), Slice::from(half..)).to_owned();
        wide.slice_axis_inplace(Axis(1), Slice::from(..half));
        wide = wide.mapv(|value| activation(about.activation, value)) * gate;
    } else {
        wide.mapv_inplace(|value| activation(about.activation, value));
    }
    parameters.linear(&about.outer, &wide)
}

fn normed(norm: Option<&Norm>, parameters: &Parameters, x: Array2<f32>) -> Array2<f32> {
    let Some(norm) = norm else { return x };
    let mut result = x;
    for mut row in result.rows_mut() {
        let count = row.len() as f64;
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let square = |&x: &f32| (f64::from(x) - mean).powi(2);
        let variance = row.iter().map(square).sum::<f64>() / count;
        let deviation = (variance + f64::from(norm.epsilon)).sqrt();
        row.mapv_inplace(|x| ((f64::from(x) - mean) / deviation) as f32);
    }
    let weight: &Array1<f32> = parameters.vector(&format!("{}.weight", norm.name));
    let scaled = result * weight;
    if norm.bias { scaled + parameters.vector(&format!("{}.bias", norm.name)) } else { scaled }
}

fn activation(activation: Activation, x: f32) -> f32 {
    let wide = f64::from(x);
    match activation {
        Activation::Gelu => (0.5 * wide * (1.0 + libm::erf(wide / SQRT_2))) as f32,
        Activation::GeluNew => {
            let inner = (2.0 / PI).sqrt() * (wide + 0.044715 * wide.powi(3));
            (0.5 * wide * (1.0 + inner.tanh())) as f32
        }
        Activation::Relu => x.max(0.0),
    }
}
