//! ONNX Runtime, its library loaded when the first model is.

mod assignment;
mod binding;
mod elf;
mod environment;
mod graph;
mod library;
mod pool;
mod session;

use std::collections::BTreeMap;

use ort::session::SessionOutputs;
use ort::value::TensorRef;
use prost::Message;

pub(super) use self::graph::OrtGraph;
use self::pool::Pool;
use self::session::{ExecutionProvider, Sessions};
use super::{Device, Encoded, Engine, EngineChoice, OrtOptions, Sequence};
use crate::error::{Error, ErrorKind, Result};
use crate::format::tensors;
use crate::onnx::ModelProto;
use crate::schema::Schema;

/// Runs a model on ONNX Runtime: a batch in as few runs as fit, several batches at a time.
pub(crate) struct OrtEngine {
    encoder: Pool,
    provider: ExecutionProvider,
    device: Device,
    concepts: usize,
    classes: usize,
}

/// The most positions, padding included, of one run. What a run holds at once grows with them; beyond a few
/// thousand a processor gains nothing from more.
const POSITIONS: usize = 8192;

impl OrtEngine {
    pub(crate) fn load(
        encoder: &ModelProto,
        schema: &Schema,
        choice: EngineChoice,
        options: &OrtOptions,
    ) -> Result<OrtEngine> {
        let loaded = environment::loaded(options.library.as_deref())?;
        let provider = ExecutionProvider::new(choice, options);
        let sessions = Sessions {
            environment: loaded.environment.clone(),
            graph: encoder.encode_to_vec(),
            name: "encoder graph",
            provider,
            threads: options.threads,
        };
        let (encoder, nodes) = Pool::new(sessions, options.sessions)?;
        Ok(OrtEngine {
            encoder,
            provider,
            device: device(provider, nodes, &loaded.library)?,
            concepts: schema.concept_count(),
            classes: schema.class_count(),
        })
    }

    /// One run for `batch`, padded on the right to its longest sequence.
    fn encode_batch(&self, batch: &[&Sequence]) -> Result<Vec<Encoded>> {
        let rows = batch.len();
        let positions = batch.iter().map(|sequence| sequence.ids.len()).max().unwrap_or(0);
        let mut ids = vec![0; rows * positions];
        let mut mask = vec![0; rows * positions];
        for (row, sequence) in batch.iter().enumerate() {
            let start = row * positions;
            ids[start..start + sequence.ids.len()].copy_from_slice(&sequence.ids);
            mask[start..start + sequence.attended].fill(1);
        }
        let shape = [rows, positions];
        let layer = self.concepts * self.classes;
        let read = |outputs: &SessionOutputs<'_>| {
            let logits = floats(outputs, tensors::CONCEPT_LOGITS, rows * layer)?;
            let evidence = floats(outputs, tensors::TOKEN_EVIDENCE, rows * layer * positions)?;
            let of_row = |(row, sequence): (usize, &&Sequence)| Encoded {
                concept_logits: logits[row * layer..(row + 1) * layer].to_vec(),
                token_evidence: evidence[row * layer * positions..(row + 1) * layer * positions]
                    .chunks(positions)
                    .flat_map(|all| &all[..sequence.ids.len()])
                    .copied()
                    .collect(),
            };
            Ok(batch.iter().enumerate().map(of_row).collect())
        };
        self.encoder.with(|session| {
            let ids = TensorRef::from_array_view((shape, &*ids))?;
            let mask = TensorRef::from_array_view((shape, &*mask))?;
            match self.provider {
                ExecutionProvider::Cpu => read(&session.run(
                    ort::inputs! { tensors::INPUT_IDS => ids, tensors::ATTENTION_MASK => mask },
                )?),
                ExecutionProvider::Cuda { .. } => binding::run(session, ids, mask, read),
            }
        })
    }
}

impl Engine for OrtEngine {
    fn encode(&self, sequences: &[Sequence]) -> Result<Vec<Encoded>> {
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        // Neighbours in length share a run, so that little of it is padding.
        order.sort_by_key(|&i| sequences[i].ids.len());
        let mut results: Vec<(usize, Encoded)> = Vec::with_capacity(sequences.len());
        let mut rest = &order[..];
        while !rest.is_empty() {
            // The last of a run is its longest.
            let fits = |&count: &usize| count * sequences[rest[count - 1]].ids.len() <= POSITIONS;
            let count = (1..=rest.len()).take_while(fits).last().unwrap_or(1);
            let (run, later) = rest.split_at(count);
            let batch: Vec<&Sequence> = run.iter().map(|&i| &sequences[i]).collect();
            results.extend(run.iter().copied().zip(self.encode_batch(&batch)?));
            rest = later;
        }
        results.sort_by_key(|&(i, _)| i);
        Ok(results.into_iter().map(|(_, encoded)| encoded).collect())
    }

    fn device(&self) -> Device {
        self.device.clone()
    }
}

/// What really runs where; an error where a GPU was asked for and runs nothing.
fn device(
    provider: ExecutionProvider,
    nodes: BTreeMap<String, usize>,
    library: &str,
) -> Result<Device> {
    if let ExecutionProvider::Cuda { .. } = provider
        && !nodes.contains_key(session::CUDA_PROVIDER)
    {
        let place = provider.to_string();
        return Err(Error::new(
            ErrorKind::Unavailable,
            &place,
            format!("nodes assigned to {:?} alone", nodes.keys().collect::<Vec<_>>()),
            format!("nodes on {}", session::CUDA_PROVIDER),
        ));
    }
    Ok(Device {
        engine: provider.to_string(),
        nodes,
        library: Some(library.into()),
        ..Device::default()
    })
}

/// The elements of an output, of which there must be `count`.
fn floats<'a>(outputs: &'a SessionOutputs<'_>, name: &str, count: usize) -> ort::Result<&'a [f32]> {
    let value = outputs.get(name).ok_or_else(|| ort::Error::new(format!("no output '{name}'")))?;
    let (shape, values) = value.try_extract_tensor::<f32>()?;
    if values.len() != count {
        let message = format!("output '{name}' has shape {shape:?}, expected {count} values");
        return Err(ort::Error::new(message));
    }
    Ok(values)
}
