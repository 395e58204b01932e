//! What runs the graph. An engine sees encoded ONNX bytes and plain arrays; no type of its own leaves
//! this folder.

mod choice;
mod device;
mod graph;
mod head;
mod options;
#[cfg(feature = "ort")]
mod ort;
mod sparse;
#[cfg(feature = "tract")]
mod tract;

use std::collections::BTreeSet;

pub use self::choice::EngineChoice;
pub use self::device::Device;
pub(crate) use self::graph::{Graph, Input, Values, load_graph};
pub use self::head::HeadGraph;
pub use self::options::{LoadOptions, OrtOptions, SparseOptions};
#[cfg(not(all(feature = "ort", feature = "tract")))]
use crate::error::Error;
use crate::error::{ErrorKind, Result};
use crate::format::tensors;
use crate::onnx::{self, ModelProto};
use crate::schema::Schema;
use crate::sparse::PlannedProduct;

/// Runs a model's backbone and says where.
pub(crate) trait Engine: Send + Sync {
    /// The backbone: from token ids to concept logits and token evidence, one result a sequence.
    fn encode(&self, sequences: &[Sequence]) -> Result<Vec<Encoded>>;

    /// The same with a sequence per thread on this many threads, where the engine runs sequences one at a time; others
    /// have threads of their own. Threads for which there is no sequence may share one.
    fn encode_list(&self, sequences: &[Sequence], _threads: usize) -> Result<Vec<Encoded>> {
        self.encode(sequences)
    }

    /// What it is and where it runs.
    fn device(&self) -> Device;

    /// The same engine where only the masks of the products `changed` (`CONCEPT/LAYER`) differ, which
    /// `encoder` holds; `None` where it can only be loaded again.
    fn with_masks(
        &self,
        _encoder: &ModelProto,
        _changed: &BTreeSet<String>,
    ) -> Option<Box<dyn Engine>> {
        None
    }

    /// How it runs each product, where that is its own choice.
    fn plan(&self) -> &[PlannedProduct] {
        &[]
    }

    /// Multiply-adds that one text of this many tokens needs, where the engine can tell.
    fn multiply_adds(&self, _tokens: usize) -> Option<usize> {
        None
    }
}

/// One text as the graph reads it.
pub(crate) struct Sequence {
    /// Token ids, padding included.
    pub ids: Vec<i64>,
    /// How many of the ids, from the left, are tokens; the rest is padding.
    pub attended: usize,
}

/// What the backbone says of one sequence; row-major.
pub(crate) struct Encoded {
    /// `[K, C]`
    pub concept_logits: Vec<f32>,
    /// `[K, C, S]`
    pub token_evidence: Vec<f32>,
}

/// The engine that `options` ask for, loaded with `model`, and where it runs.
pub(crate) fn load(
    model: &ModelProto,
    schema: &Schema,
    options: &LoadOptions,
) -> Result<(Box<dyn Engine>, Device)> {
    let parts = Parts { encoder: encoder(model)?, schema, options };
    let (engine, reason) = match options.engine {
        EngineChoice::Sparse => (parts.on_sparse()?, None),
        EngineChoice::Tract => (parts.on_tract()?, None),
        choice @ (EngineChoice::OrtCpu | EngineChoice::OrtCuda { .. }) => {
            (parts.on_ort(choice, &options.ort)?, None)
        }
        EngineChoice::Auto => parts.on_any()?,
    };
    let device = Device { reason, ..engine.device() };
    Ok((engine, device))
}

/// Up to this share of the estimated time of all weights the sparse kernels are chosen. Engines that multiply all of
/// them are up to twice as fast at that as the kernels that the estimate is for.
const SPARSE_COST_LIMIT: f64 = 0.5;

/// The engine for `model`, which differs from that of `current` in the masks of the products `changed` alone.
pub(crate) fn with_masks(
    current: &dyn Engine,
    model: &ModelProto,
    schema: &Schema,
    options: &LoadOptions,
    changed: &BTreeSet<String>,
) -> Result<Box<dyn Engine>> {
    match current.with_masks(&encoder(model)?, changed) {
        Some(engine) => Ok(engine),
        None => Ok(load(model, schema, options)?.0),
    }
}

/// The part of a model's graph from token ids to concept logits.
fn encoder(model: &ModelProto) -> Result<ModelProto> {
    onnx::cut(
        model,
        &[tensors::INPUT_IDS, tensors::ATTENTION_MASK],
        &[tensors::CONCEPT_LOGITS, tensors::TOKEN_EVIDENCE],
    )
}

/// What an engine is loaded from.
struct Parts<'a> {
    encoder: ModelProto,
    schema: &'a Schema,
    options: &'a LoadOptions,
}

impl Parts<'_> {
    fn on_sparse(&self) -> Result<Box<dyn Engine>> {
        Ok(Box::new(self.found_by_sparse()?.pack()?))
    }

    fn found_by_sparse(&self) -> Result<sparse::SparseFound<'_>> {
        sparse::SparseFound::read(&self.encoder, self.schema, self.options)
    }

    /// The sparse kernels where they know the encoder and are estimated to be worth it, else ONNX Runtime where
    /// there is one, else tract, or the kernels again in a build without it; and why.
    fn on_any(&self) -> Result<(Box<dyn Engine>, Option<String>)> {
        let options = &self.options.ort;
        if options.library.is_some() {
            // A library that was named must serve.
            let engine = self.on_ort(EngineChoice::OrtCpu, options)?;
            return Ok((engine, Some("ONNX Runtime's library was named".into())));
        }
        let mut slower = None;
        let passed_over = match self.found_by_sparse() {
            Ok(found) => {
                let share = found.estimated_share();
                let estimate = format!(
                    "the sparse kernels are estimated to need {:.0} % of the time of all weights",
                    100.0 * share
                );
                if share <= SPARSE_COST_LIMIT {
                    return Ok((Box::new(found.pack()?), Some(estimate)));
                }
                slower = Some(found);
                estimate
            }
            Err(e) if e.kind() == ErrorKind::Unavailable => {
                format!("the sparse kernels do not know this encoder: {e}")
            }
            Err(e) => return Err(e),
        };
        let (engine, reason) = match self.on_ort(EngineChoice::OrtCpu, options) {
            Ok(engine) => (engine, "ONNX Runtime's library was found".into()),
            Err(e) if e.kind() == ErrorKind::Unavailable => match slower {
                // A slower engine is better than none.
                Some(found) if cfg!(not(feature = "tract")) => {
                    let engine: Box<dyn Engine> = Box::new(found.pack()?);
                    (engine, e.to_string())
                }
                _ => (self.on_tract()?, e.to_string()),
            },
            Err(e) => return Err(e),
        };
        Ok((engine, Some(format!("{passed_over}; {reason}"))))
    }

    #[cfg(feature = "tract")]
    fn on_tract(&self) -> Result<Box<dyn Engine>> {
        Ok(Box::new(tract::TractEngine::load(&self.encoder, self.schema)?))
    }

    #[cfg(not(feature = "tract"))]
    fn on_tract(&self) -> Result<Box<dyn Engine>> {
        Err(without_tract())
    }

    #[cfg(feature = "ort")]
    fn on_ort(&self, choice: EngineChoice, options: &OrtOptions) -> Result<Box<dyn Engine>> {
        let engine = ort::OrtEngine::load(&self.encoder, self.schema, choice, options)?;
        Ok(Box::new(engine))
    }

    #[cfg(not(feature = "ort"))]
    fn on_ort(&self, choice: EngineChoice, _options: &OrtOptions) -> Result<Box<dyn Engine>> {
        Err(without_ort(choice))
    }
}

#[cfg(not(feature = "tract"))]
fn without_tract() -> Error {
    let found = "a build without tract";
    Error::new(ErrorKind::Unavailable, "engine tract", found, "the crate's feature `tract`")
}

#[cfg(not(feature = "ort"))]
fn without_ort(choice: EngineChoice) -> Error {
    let found = "a build without ONNX Runtime";
    let place = format!("engine {choice}");
    Error::new(ErrorKind::Unavailable, place, found, "the crate's feature `ort`")
}
