use bytes::Bytes;

use super::LoadOptions;
use super::graph::{Graph, Input, Values, load_graph};
use crate::error::{Error, ErrorKind, Result};
use crate::format::tensors;
use crate::onnx;

/// The concept layer as a file's graph has it for other runtimes, run to be compared with this crate's own.
pub struct HeadGraph(Box<dyn Graph>);

impl HeadGraph {
    /// Cuts the concept layer out of an exported file.
    ///
    /// # Errors
    /// As [`Model::from_bytes`](crate::Model::from_bytes).
    pub fn from_bytes(bytes: impl Into<Bytes>, options: &LoadOptions) -> Result<HeadGraph> {
        let head = onnx::cut(
            &onnx::decode_whole(bytes.into())?,
            &[tensors::CONCEPT_LOGITS, tensors::CONCEPT_OVERRIDE, tensors::CONCEPT_OVERRIDE_MASK],
            &[tensors::CONCEPT_VALUES, tensors::LABEL_LOGITS],
        )?;
        Ok(HeadGraph(load_graph(&head, "concept layer graph", options)?))
    }

    /// `concept_values` `[K, C]` and `label_logits` `[L]` from `concept_logits` and `concept_override` `[K, C]` and
    /// `concept_override_mask` `[K]`.
    ///
    /// # Errors
    /// `Engine` where the engine fails.
    pub fn run(&self, logits: &[f32], given: &[f32], mask: &[f32]) -> Result<[Vec<f32>; 2]> {
        let (concepts, classes) = (mask.len(), logits.len() / mask.len().max(1));
        let input = |shape: &[usize], values| Input { shape: shape.to_vec(), values };
        let outputs = self.0.run(&[
            input(&[1, concepts, classes], Values::Float(logits)),
            input(&[1, concepts, classes], Values::Float(given)),
            input(&[1, concepts], Values::Float(mask)),
        ])?;
        outputs.try_into().map_err(|outputs: Vec<_>| {
            let found = format!("{} outputs", outputs.len());
            Error::new(ErrorKind::Engine, "concept layer graph", found, "two outputs")
        })
    }
}
