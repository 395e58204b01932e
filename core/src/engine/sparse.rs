use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::{Device, Encoded, Engine, LoadOptions, Sequence};
use crate::error::{Error, ErrorKind, Result};
use crate::format::tensors;
use crate::onnx::ModelProto;
use crate::schema::Schema;
use crate::sparse::{Encoder, InstructionSet, PlannedProduct};
use crate::spread::spread;

/// Runs a model on our own kernels alone, without any library that runs graphs.
pub(crate) struct SparseEngine {
    encoder: Encoder,
}

impl SparseEngine {
    /// # Errors
    /// `Unavailable` where the encoder is not one that the kernels know: the node, what was found and what was
    /// expected.
    /// `Model` where its heads are not of the
    /// schema's shape.
    pub(crate) fn load(
        encoder: &ModelProto,
        schema: &Schema,
        options: &LoadOptions,
    ) -> Result<SparseEngine> {
        let threads = options.sparse.threads.map_or(1, NonZeroUsize::get);
        let set = options.sparse.instructions.unwrap_or_else(InstructionSet::best);
        let graph = encoder.graph.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "encoder", "no graph", "the graph of an encoder")
        })?;
        let encoder = Encoder::load(graph, threads, set)?;
        if encoder.shape() != (schema.concept_count(), schema.class_count()) {
            let (concepts, classes) = encoder.shape();
            return Err(Error::new(
                ErrorKind::Model,
                tensors::CONCEPT_HEAD_BIAS,
                format!("{concepts} concepts of {classes} classes"),
                format!("{} of {}", schema.concept_count(), schema.class_count()),
            ));
        }
        Ok(SparseEngine { encoder })
    }

    fn encode_one(&self, sequence: &Sequence, threads: usize) -> Result<Encoded> {
        let evidence = self.encoder.run(&sequence.ids, sequence.attended, threads)?;
        Ok(Encoded {
            concept_logits: evidence.concept_logits,
            token_evidence: evidence.token_evidence,
        })
    }
}

impl Engine for SparseEngine {
    fn encode(&self, sequences: &[Sequence]) -> Result<Vec<Encoded>> {
        sequences.iter().map(|sequence| self.encode_one(sequence, self.encoder.threads())).collect()
    }

    fn encode_list(&self, sequences: &[Sequence], threads: usize) -> Result<Vec<Encoded>> {
        spread(sequences, threads, |s| s.ids.len(), |sequence| self.encode_one(sequence, 1))
    }

    fn device(&self) -> Device {
        let instructions = Some(self.encoder.instructions().into());
        Device { engine: "sparse".into(), instructions, ..Device::default() }
    }

    fn with_masks(
        &self,
        encoder: &ModelProto,
        changed: &BTreeSet<String>,
    ) -> Option<Box<dyn Engine>> {
        let encoder = self.encoder.with_masks(encoder.graph.as_ref()?, changed).ok()?;
        Some(Box::new(SparseEngine { encoder }))
    }

    fn plan(&self) -> &[PlannedProduct] {
        self.encoder.plan()
    }

    fn multiply_adds(&self, tokens: usize) -> Option<usize> {
        let products: usize = self.encoder.plan().iter().map(|product| product.weights).sum();
        Some(tokens * products + self.encoder.attention_multiply_adds(tokens))
    }
}
