mod graph;

use std::sync::Arc;

use prost::Message;
use tract_onnx::prelude::*;

pub(super) use self::graph::TractGraph;
use super::{Device, Encoded, Engine, Sequence};
use crate::error::{Error, ErrorKind, Result};
use crate::onnx::ModelProto;
use crate::panic::catch_panic;
use crate::schema::Schema;
use crate::spread::spread;

/// Runs a model on tract, one sequence at a time: on a processor a batch gains nothing there, and
/// nothing is spent on padding.
pub(crate) struct TractEngine {
    encoder: Arc<TypedRunnableModel>,
    concepts: usize,
    classes: usize,
}

impl TractEngine {
    pub(crate) fn load(encoder: &ModelProto, schema: &Schema) -> Result<TractEngine> {
        let symbols = SymbolScope::default();
        let sequence = symbols.sym("S").to_dim();
        let ids = InferenceFact::dt_shape(i64::datum_type(), tvec![1.to_dim(), sequence]);
        Ok(TractEngine {
            encoder: run(|| plan(encoder, symbols, vec![ids.clone(), ids]))
                .map_err(|e| failed(e, "encoder graph", ErrorKind::Model))?,
            concepts: schema.concept_count(),
            classes: schema.class_count(),
        })
    }

    fn encode_one(&self, sequence: &Sequence) -> TractResult<Encoded> {
        let length = sequence.ids.len();
        let layer = self.concepts * self.classes;
        let mask: Vec<i64> = (0..length).map(|i| (i < sequence.attended) as i64).collect();
        let outputs = self.encoder.run(tvec![
            Tensor::from_shape(&[1, length], &sequence.ids)?.into_tvalue(),
            Tensor::from_shape(&[1, length], &mask)?.into_tvalue(),
        ])?;
        Ok(Encoded {
            concept_logits: floats(&outputs[0], layer)?,
            token_evidence: floats(&outputs[1], layer * length)?,
        })
    }
}

impl Engine for TractEngine {
    fn encode(&self, sequences: &[Sequence]) -> Result<Vec<Encoded>> {
        self.encode_list(sequences, 1)
    }

    fn encode_list(&self, sequences: &[Sequence], threads: usize) -> Result<Vec<Encoded>> {
        let encode = |s: &Sequence| {
            run(|| self.encode_one(s)).map_err(|e| failed(e, "encoder graph", ErrorKind::Engine))
        };
        spread(sequences, threads, |s| s.ids.len(), encode)
    }

    fn device(&self) -> Device {
        device(&self.encoder)
    }
}

fn device(plan: &TypedRunnableModel) -> Device {
    // Nodes without inputs are the graph's own inputs and constants.
    let computed = plan.model().nodes().iter().filter(|node| !node.inputs.is_empty());
    Device {
        engine: "tract".into(),
        nodes: [("tract".to_string(), computed.count())].into(),
        ..Device::default()
    }
}

fn plan(
    model: &ModelProto,
    symbols: SymbolScope,
    inputs: Vec<InferenceFact>,
) -> TractResult<Arc<TypedRunnableModel>> {
    let template = InferenceModel { symbols, ..InferenceModel::default() };
    let onnx = tract_onnx::onnx()
        // The file's own dimension names clash with the symbol used here.
        .with_ignore_value_info(true)
        .with_ignore_output_shapes(true);
    let proto = onnx.proto_model_for_read(&mut model.encode_to_vec().as_slice())?;
    let mut graph = onnx.model_for_proto_model_with_model_template(&proto, template)?;
    drop(proto);
    for (index, fact) in inputs.into_iter().enumerate() {
        graph.set_input_fact(index, fact)?;
    }
    graph.into_optimized()?.into_runnable()
}

/// What tract gives; its panics are errors too.
fn run<T>(call: impl FnOnce() -> TractResult<T>) -> TractResult<T> {
    catch_panic(call).unwrap_or_else(|message| Err(TractError::msg(message)))
}

/// The elements of an output, of which there must be `count`.
fn floats(value: &TValue, count: usize) -> TractResult<Vec<f32>> {
    let values = value.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    if values.len() != count {
        let shape = value.shape();
        return Err(TractError::msg(format!("output shape {shape:?}, expected {count} values")));
    }
    Ok(values)
}

fn failed(error: TractError, place: &str, kind: ErrorKind) -> Error {
    Error::new(kind, place, format!("{error:#}"), "a graph that tract can run")
}
