use std::collections::HashMap;

use bytes::Bytes;
use sparsecbm::{Error, ErrorKind, Result};
use tract_onnx::prelude::*;

/// What one run of a gradient file is given, for one text.
pub(super) struct Given<'a> {
    pub(super) input_ids: &'a [i64],
    pub(super) baseline_ids: &'a [i64],
    pub(super) attention_mask: &'a [i64],
    pub(super) concept: usize,
    pub(super) logit_gradient: &'a [f32],
    /// Of each masked layer: blocks of rows, bytes of a row, bits.
    pub(super) masks: HashMap<String, (usize, usize, Vec<u8>)>,
}

/// Runs a gradient file once, on the text itself, and gives its outputs, row-major, by their names.
pub(super) fn run(bytes: &Bytes, given: &Given) -> Result<HashMap<String, Vec<f32>>> {
    outputs(bytes, given).map_err(|e| {
        let expected = "a graph that tract can run";
        Error::new(ErrorKind::Engine, "gradient file", format!("{e:#}"), expected)
    })
}

fn outputs(bytes: &Bytes, given: &Given) -> TractResult<HashMap<String, Vec<f32>>> {
    let onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
    let mut graph = onnx.model_for_read(&mut bytes.as_ref())?;
    let length = given.input_ids.len();
    let mut inputs: TVec<TValue> = tvec![];
    for (index, outlet) in graph.input_outlets()?.to_vec().into_iter().enumerate() {
        let name = graph.node(outlet.node).name.clone();
        let positions = |values: &[i64]| Tensor::from_shape(&[1, length], values);
        let value = match name.as_str() {
            "input_ids" => positions(given.input_ids)?,
            "baseline_ids" => positions(given.baseline_ids)?,
            "attention_mask" => positions(given.attention_mask)?,
            "alpha" => tensor1(&[1.0_f32]),
            "concept" => tensor1(&[given.concept as i64]),
            "logit_gradient" => {
                Tensor::from_shape(&[1, given.logit_gradient.len()], given.logit_gradient)?
            }
            other => {
                let layer = other.strip_suffix(".mask_bits").unwrap_or(other);
                let (blocks, width, bits) = given
                    .masks
                    .get(layer)
                    .ok_or_else(|| TractError::msg(format!("an input '{other}'")))?;
                Tensor::from_shape(&[*blocks, *width], bits)?
            }
        };
        graph.set_input_fact(index, InferenceFact::dt_shape(value.datum_type(), value.shape()))?;
        inputs.push(value.into_tvalue());
    }
    let names: Vec<String> = graph
        .output_outlets()?
        .iter()
        .map(|&outlet| {
            let label = graph.outlet_label(outlet);
            label.map_or_else(|| graph.node(outlet.node).name.clone(), String::from)
        })
        .collect();
    let values = graph.into_optimized()?.into_runnable()?.run(inputs)?;
    let floats = |(name, value): (String, TValue)| {
        Ok((name, value.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()))
    };
    names.into_iter().zip(values).map(floats).collect()
}
