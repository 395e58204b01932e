use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;

use super::{device, failed, plan, run};
use crate::engine::Device;
use crate::engine::graph::{Graph, Input, Values};
use crate::error::{ErrorKind, Result};
use crate::onnx::{DataType, DimensionValue, ModelProto, ValueInfoProto};

/// A whole graph on tract.
pub(crate) struct TractGraph {
    plan: Arc<TypedRunnableModel>,
    name: &'static str,
    max_batch: usize,
}

/// What the gradient file calls the size of a batch.
const BATCH: &str = "batch";

/// Operators whose batches must be of a known size.
const RECURRENT: [&str; 2] = ["LSTM", "Scan"];

impl TractGraph {
    pub(crate) fn load(model: &ModelProto, name: &'static str) -> Result<TractGraph> {
        let nodes = model.graph.iter().flat_map(|graph| &graph.node);
        let alone = nodes.into_iter().any(|node| RECURRENT.contains(&&*node.op_type));
        let plan = run(|| {
            let symbols = SymbolScope::default();
            let mut known = HashMap::new();
            if alone {
                known.insert(BATCH.to_string(), 1.to_dim());
            }
            let inputs = model.graph.iter().flat_map(|graph| &graph.input);
            let facts = inputs.map(|input| fact(input, &symbols, &mut known));
            let facts = facts.collect::<TractResult<_>>()?;
            plan(model, symbols.clone(), facts)
        });
        let plan = plan.map_err(|e| failed(e, name, ErrorKind::Model))?;
        Ok(TractGraph { plan, name, max_batch: if alone { 1 } else { usize::MAX } })
    }

    fn run_once(&self, inputs: &[Input]) -> TractResult<Vec<Vec<f32>>> {
        let tensor = |input: &Input| -> TractResult<TValue> {
            let shape = input.shape.as_slice();
            let tensor = match input.values {
                Values::Int64(values) => Tensor::from_shape(shape, values),
                Values::Float(values) => Tensor::from_shape(shape, values),
                Values::Uint8(values) => Tensor::from_shape(shape, values),
            };
            Ok(tensor?.into_tvalue())
        };
        let outputs = self.plan.run(inputs.iter().map(tensor).collect::<TractResult<_>>()?)?;
        let floats = |value: &TValue| Ok(value.try_as_plain_ram()?.as_slice::<f32>()?.to_vec());
        outputs.iter().map(floats).collect()
    }
}

impl Graph for TractGraph {
    fn run(&self, inputs: &[Input]) -> Result<Vec<Vec<f32>>> {
        run(|| self.run_once(inputs)).map_err(|e| failed(e, self.name, ErrorKind::Engine))
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn device(&self) -> Device {
        device(&self.plan)
    }
}

/// What tract is to know of an input: dimensions of one name in the file are one symbol.
fn fact(
    input: &ValueInfoProto,
    symbols: &SymbolScope,
    known: &mut HashMap<String, TDim>,
) -> TractResult<InferenceFact> {
    let unknown = || TractError::msg(format!("input '{}' has no type and shape", input.name));
    let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(unknown)?;
    let mut shape: TVec<TDim> = tvec![];
    for dimension in tensor.shape.iter().flat_map(|shape| &shape.dim) {
        shape.push(match dimension.value.as_ref().ok_or_else(unknown)? {
            DimensionValue::DimValue(size) => size.to_dim(),
            DimensionValue::DimParam(name) => {
                // The file's own names may clash with those that tract makes.
                let symbol = || symbols.new_with_prefix(name).to_dim();
                known.entry(name.clone()).or_insert_with(symbol).clone()
            }
        });
    }
    let kind = match DataType::try_from(tensor.elem_type) {
        Ok(DataType::Int64) => i64::datum_type(),
        Ok(DataType::Float) => f32::datum_type(),
        Ok(DataType::Uint8) => u8::datum_type(),
        _ => return Err(TractError::msg(format!("input '{}' of another type", input.name))),
    };
    Ok(InferenceFact::dt_shape(kind, shape))
}
