use std::sync::{Arc, Mutex, PoisonError};

use super::description::Description;
use crate::engine::{Graph, LoadOptions, load_graph};
use crate::error::Result;
use crate::format::tensors;
use crate::onnx::{self, ModelProto};

/// What a gradient file can be asked for. Each is a part of its graph, loaded when it is first needed, so that
/// nothing is computed that was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `concept_logits`.
    Logits,
    /// `embedding_gradient` and `embedding_change`.
    Embeddings,
    /// `LAYER.mask_gradient` of every layer.
    Masks,
}

/// The parts of one file.
pub(super) struct Parts {
    file: ModelProto,
    options: LoadOptions,
    layers: Vec<String>,
    loaded: [Mutex<Option<Arc<dyn Graph>>>; 3],
}

impl Part {
    /// Whether the loss's gradient is among its inputs.
    pub fn is_gradient(self) -> bool {
        self != Part::Logits
    }
}

impl Parts {
    pub fn new(file: ModelProto, description: &Description, options: &LoadOptions) -> Parts {
        let layers = description.written.layers.iter().map(|layer| layer.name.clone()).collect();
        let file = ModelProto { metadata_props: Vec::new(), ..file };
        Parts { file, options: options.clone(), layers, loaded: Default::default() }
    }

    /// A part, loaded.
    ///
    /// # Errors
    /// `Model` where the file lacks an input or output of it, else those of loading a graph.
    pub fn get(&self, part: Part) -> Result<Arc<dyn Graph>> {
        let mut loaded = self.loaded[part as usize].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(graph) = &*loaded {
            return Ok(graph.clone());
        }
        let of_layers = |name: fn(&str) -> String| -> Vec<String> {
            self.layers.iter().map(|layer| name(layer)).collect()
        };
        // As `batch` gives them.
        let mut inputs: Vec<String> = [
            tensors::INPUT_IDS,
            tensors::BASELINE_IDS,
            tensors::ALPHA,
            tensors::ATTENTION_MASK,
            tensors::CONCEPT,
        ]
        .map(Into::into)
        .into();
        inputs.extend(part.is_gradient().then(|| tensors::LOGIT_GRADIENT.into()));
        inputs.extend(of_layers(tensors::mask_bits));
        let outputs: Vec<String> = match part {
            Part::Logits => vec![tensors::CONCEPT_LOGITS.into()],
            Part::Embeddings => {
                vec![tensors::EMBEDDING_GRADIENT.into(), tensors::EMBEDDING_CHANGE.into()]
            }
            Part::Masks => of_layers(tensors::mask_gradient),
        };
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let cut = onnx::cut(&self.file, &inputs, &outputs)?;
        let graph: Arc<dyn Graph> = load_graph(&cut, "gradient graph", &self.options)?.into();
        Ok(loaded.insert(graph).clone())
    }
}
