use std::borrow::Cow;

use ort::session::SessionInputValue;
use ort::value::TensorRef;
use prost::Message;

use super::pool::Pool;
use super::session::{ExecutionProvider, Sessions};
use super::{device, environment};
use crate::engine::graph::{Graph, Input, Values};
use crate::engine::{Device, EngineChoice, OrtOptions};
use crate::error::Result;
use crate::onnx::ModelProto;

/// A whole graph on ONNX Runtime.
pub(crate) struct OrtGraph {
    pool: Pool,
    inputs: Vec<String>,
    device: Device,
}

impl OrtGraph {
    pub(crate) fn load(
        model: &ModelProto,
        name: &'static str,
        choice: EngineChoice,
        options: &OrtOptions,
    ) -> Result<OrtGraph> {
        let loaded = environment::loaded(options.library.as_deref())?;
        let provider = ExecutionProvider::new(choice, options);
        let sessions = Sessions {
            environment: loaded.environment.clone(),
            graph: model.encode_to_vec(),
            name,
            provider,
            threads: options.threads,
        };
        let (pool, nodes) = Pool::new(sessions, options.sessions)?;
        let inputs = model.graph.iter().flat_map(|graph| &graph.input);
        Ok(OrtGraph {
            pool,
            inputs: inputs.map(|input| input.name.clone()).collect(),
            device: device(provider, nodes, &loaded.library)?,
        })
    }
}

impl Graph for OrtGraph {
    fn run(&self, inputs: &[Input]) -> Result<Vec<Vec<f32>>> {
        self.pool.with(|session| {
            let mut given: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
            for (name, input) in self.inputs.iter().zip(inputs) {
                let shape = input.shape.as_slice();
                let value: SessionInputValue<'_> = match input.values {
                    Values::Int64(values) => TensorRef::from_array_view((shape, values))?.into(),
                    Values::Float(values) => TensorRef::from_array_view((shape, values))?.into(),
                    Values::Uint8(values) => TensorRef::from_array_view((shape, values))?.into(),
                };
                given.push((name.as_str().into(), value));
            }
            let outputs = session.run(given)?;
            outputs
                .values()
                .map(|value| Ok(value.try_extract_tensor::<f32>()?.1.to_vec()))
                .collect()
        })
    }

    fn device(&self) -> Device {
        self.device.clone()
    }
}
