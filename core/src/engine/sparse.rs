use std::collections::BTreeSet;

use super::{Device, Encoded, Engine, LoadOptions, Sequence};
use crate::error::{Error, ErrorKind, Result};
use crate::format::tensors;
use crate::onnx::ModelProto;
use crate::schema::Schema;
use crate::sparse::{Encoder, InstructionSet, PlannedProduct, Unpacked};
use crate::spread::spread;

/// Runs a model on our own kernels alone, without any library that runs graphs.
pub(crate) struct SparseEngine {
    encoder: Encoder,
}

/// The same before its weights are packed.
pub(crate) struct SparseFound<'a> {
    encoder: Unpacked,
    schema: &'a Schema,
}

impl<'a> SparseFound<'a> {
    /// # Errors
    /// `Unavailable` where the encoder is not one that the kernels know: the node, what was found and what was
    /// expected.
    pub(crate) fn read(
        encoder: &ModelProto,
        schema: &'a Schema,
        options: &LoadOptions,
    ) -> Result<SparseFound<'a>> {
        let set = options.sparse.instructions.unwrap_or_else(InstructionSet::best);
        let graph = encoder.graph.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "encoder", "no graph", "the graph of an encoder")
        })?;
        let encoder = Unpacked::read(graph, options.sparse.threads, set)?;
        Ok(SparseFound { encoder, schema })
    }

    /// What its products are estimated to take, as a share of what they would if every weight were multiplied.
    pub(crate) fn estimated_share(&self) -> f64 {
        self.encoder.estimated_share()
    }

    /// # Errors
    /// `Model` where its heads are not of the schema's shape.
    pub(crate) fn pack(self) -> Result<SparseEngine> {
        let SparseFound { encoder, schema } = self;
        let encoder = encoder.pack();
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
}

impl SparseEngine {
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
        // Where there are fewer texts than threads, each has several.
        let each = (threads / sequences.len().max(1)).max(1);
        spread(sequences, threads, |s| s.ids.len(), |sequence| self.encode_one(sequence, each))
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
