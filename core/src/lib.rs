//! Run, explain and correct sparse concept bottleneck text models.
//!
//! Bytes become a [`Model`], a model makes a [`Prediction`] of a text, and a prediction answers two questions
//! at once: what if a concept were otherwise ([`Prediction::suppose`]), and what if the model misread it
//! ([`Prediction::correct`]).
//!
//! ```no_run
//! use sparsecbm::{LoadOptions, Model};
//!
//! # fn main() -> sparsecbm::Result<()> {
//! let model = Model::load("model.onnx", &LoadOptions::default())?;
//! let prediction = model.predict("Service was outstanding! Food was good")?;
//! println!("{} stars", prediction.label().class);
//! for concept in prediction.concepts() {
//!     println!("{}: {}", concept.name, concept.class);
//! }
//! let supposed = prediction.suppose([("service", "negative")])?;
//! println!("had the service been bad: {} stars", supposed.label().class);
//! # Ok(())
//! # }
//! ```
//!
//! # What to read first
//!
//! - [`Model`] and [`LoadOptions`]: which engine runs a model, and how. Models are made by the command
//!   `sparsecbm export`.
//! - [`Prediction`]: concepts, label, tokens; [`suppose`](Prediction::suppose),
//!   [`correct`](Prediction::correct) and [`undo`](Prediction::undo).
//! - [`Prediction::explain`] and [`explain`]: why, by concepts, words and subnetworks.
//! - [`Model::with_patches`], [`Gradients`] and [`edit`]: corrections of the model instead of one answer.
//! - [`Error`]: every failure says where, what was found, and what was expected.
//!
//! What is hidden from these pages is there for the exporter and for measuring, and may change in any version.
//!
//! # Features
//!
//! - `tract` (default): the engine tract. Without it [`EngineChoice::Sparse`] is what runs without another
//!   library.
//! - `ort`: ONNX Runtime as an engine, whose library is looked for when a model is loaded.
//!
//! # Letters
//!
//! Shapes are written with K concepts of up to C classes, L label classes, S positions (tokens with their
//! special tokens) and W words.

mod concept_layer;
pub mod edit;
mod engine;
mod error;
pub mod explain;
mod exported;
#[doc(hidden)]
pub mod format;
pub mod gradients;
mod masks;
mod model;
#[doc(hidden)]
pub mod onnx;
mod panic;
mod pauses;
mod prediction;
pub mod schema;
#[doc(hidden)]
pub mod sparse;
mod spread;
mod tokenizer;

pub use concept_layer::{ConceptValue, Question};
#[doc(hidden)]
pub use engine::HeadGraph;
pub use engine::{Device, EngineChoice, LoadOptions, OrtOptions, SparseOptions};
pub use error::{Error, ErrorKind, Result};
pub use explain::{ExplainOptions, Explanation};
pub use gradients::Gradients;
pub use masks::{LayerMasks, Mask, MaskPatch, MaskSet, MaskStatistics};
pub use model::Model;
pub use prediction::{ConceptPrediction, LabelPrediction, Prediction};
pub use schema::Schema;
pub use sparse::{InstructionSet, PlannedProduct};
pub use tokenizer::{Token, Tokens};
