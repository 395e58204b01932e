//! A graph as it is, run on named inputs: for gradient files, which are not cut into encoder and concept layer.

use super::{Device, EngineChoice, LoadOptions};
use crate::error::{ErrorKind, Result};
use crate::onnx::ModelProto;

/// A loaded graph.
pub(crate) trait Graph: Send + Sync {
    /// The graph's outputs for `inputs`, which stand in the graph's order: row-major floats, in the graph's
    /// order too.
    fn run(&self, inputs: &[Input]) -> Result<Vec<Vec<f32>>>;

    /// The most rows of a batch that one run takes.
    fn max_batch(&self) -> usize {
        usize::MAX
    }

    /// Where it runs.
    fn device(&self) -> Device;
}

/// An input's shape and elements, row-major.
// A build without an engine that runs graphs reads none.
#[cfg_attr(not(any(feature = "tract", feature = "ort")), expect(dead_code))]
pub(crate) struct Input<'a> {
    pub shape: Vec<usize>,
    pub values: Values<'a>,
}

/// The elements of an input.
#[cfg_attr(not(any(feature = "tract", feature = "ort")), expect(dead_code))]
pub(crate) enum Values<'a> {
    Int64(&'a [i64]),
    Float(&'a [f32]),
    Uint8(&'a [u8]),
}

/// Loads `model` on the engine that `options` ask for; `name` is the graph's in errors. The sparse kernels run
/// no graphs: where they are asked for, it is as where nothing is.
///
/// # Errors
/// `Unavailable` where the engine is not there, `Model` where it cannot run the graph.
pub(crate) fn load_graph(
    model: &ModelProto,
    name: &'static str,
    options: &LoadOptions,
) -> Result<Box<dyn Graph>> {
    match options.engine {
        EngineChoice::Tract => on_tract(model, name),
        EngineChoice::OrtCpu | EngineChoice::OrtCuda { .. } => {
            on_ort(model, name, options.engine, options)
        }
        EngineChoice::Auto | EngineChoice::Sparse => {
            match on_ort(model, name, EngineChoice::OrtCpu, options) {
                // A library that was named must serve.
                Err(e) if e.kind() == ErrorKind::Unavailable && options.ort.library.is_none() => {
                    on_tract(model, name)
                }
                other => other,
            }
        }
    }
}

#[cfg(feature = "tract")]
fn on_tract(model: &ModelProto, name: &'static str) -> Result<Box<dyn Graph>> {
    Ok(Box::new(super::tract::TractGraph::load(model, name)?))
}

#[cfg(not(feature = "tract"))]
fn on_tract(_model: &ModelProto, _name: &'static str) -> Result<Box<dyn Graph>> {
    Err(super::without_tract())
}

#[cfg(feature = "ort")]
fn on_ort(
    model: &ModelProto,
    name: &'static str,
    place: EngineChoice,
    options: &LoadOptions,
) -> Result<Box<dyn Graph>> {
    Ok(Box::new(super::ort::OrtGraph::load(model, name, place, &options.ort)?))
}

#[cfg(not(feature = "ort"))]
fn on_ort(
    _model: &ModelProto,
    _name: &'static str,
    place: EngineChoice,
    _options: &LoadOptions,
) -> Result<Box<dyn Graph>> {
    Err(super::without_ort(place))
}
