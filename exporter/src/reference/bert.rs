use std::f64::consts::SQRT_2;

use ndarray::{Array2, Axis, s};

use super::parameters::Parameters;
use super::{Input, row_softmax};
use crate::backbone::Bert;
use crate::graph::Activation;

/// `[S, d]`: what BERT's last layer gives.
pub(super) fn last_hidden_state(
    bert: &Bert,
    parameters: &Parameters,
    input: &Input,
) -> Array2<f32> {
    let ids: Vec<usize> = input.ids.iter().map(|&id| id as usize).collect();
    let words = parameters.matrix("embeddings.word_embeddings.weight").select(Axis(0), &ids);
    let positions = parameters.matrix("embeddings.position_embeddings.weight");
    let segments = parameters.matrix("embeddings.token_type_embeddings.weight");
    let sum = words + positions.slice(s![..ids.len(), ..]) + segments.row(0);
    let mut x = norm(bert, parameters, "embeddings.LayerNorm", &sum);
    for i in 0..bert.num_hidden_layers {
        let layer = format!("encoder.layer.{i}");
        let mixed = attention(bert, parameters, &format!("{layer}.attention.self"), &x, input);
        let attended = parameters.linear(&format!("{layer}.attention.output.dense"), &mixed);
        x = norm(
            bert,
            parameters,
            &format!("{layer}.attention.output.LayerNorm"),
            &(attended + &x),
        );
        let wide = parameters.linear(&format!("{layer}.intermediate.dense"), &x);
        let active = wide.mapv(|value| activation(bert.hidden_act, value));
        let fed = parameters.linear(&format!("{layer}.output.dense"), &active);
        x = norm(bert, parameters, &format!("{layer}.output.LayerNorm"), &(fed + &x));
    }
    x
}

fn attention(
    bert: &Bert,
    parameters: &Parameters,
    block: &str,
    x: &Array2<f32>,
    input: &Input,
) -> Array2<f32> {
    let [query, key, value] =
        ["query", "key", "value"].map(|part| parameters.linear(&format!("{block}.{part}"), x));
    let size = bert.hidden_size / bert.num_attention_heads;
    let mut mixed = Array2::zeros(x.dim());
    for head in 0..bert.num_attention_heads {
        let own = s![.., head * size..(head + 1) * size];
        let mut scores = query.slice(own).dot(&key.slice(own).t()) / (size as f32).sqrt();
        scores.slice_mut(s![.., input.attended..]).fill(f32::NEG_INFINITY);
        mixed.slice_mut(own).assign(&row_softmax(&scores).dot(&value.slice(own)));
    }
    mixed
}

fn norm(bert: &Bert, parameters: &Parameters, name: &str, x: &Array2<f32>) -> Array2<f32> {
    let mut result = x.clone();
    for mut row in result.rows_mut() {
        let count = row.len() as f64;
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let square = |&x: &f32| (f64::from(x) - mean).powi(2);
        let variance = row.iter().map(square).sum::<f64>() / count;
        let deviation = (variance + f64::from(bert.layer_norm_eps)).sqrt();
        row.mapv_inplace(|x| ((f64::from(x) - mean) / deviation) as f32);
    }
    result * parameters.vector(&format!("{name}.weight"))
        + parameters.vector(&format!("{name}.bias"))
}

fn activation(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::Gelu => {
            let x = f64::from(x);
            (0.5 * x * (1.0 + libm::erf(x / SQRT_2))) as f32
        }
        Activation::Relu => x.max(0.0),
    }
}
