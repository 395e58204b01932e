//! Run, explain and correct sparse concept bottleneck text models.
//!
//! Bytes become a [`Model`], a model makes a [`Prediction`] of a text, and a prediction can be
//! corrected: [`Prediction::intervene`] overrides a concept and gives the new label at once.
//!
//! ```no_run
//! use sparsecbm::{LoadOptions, Model};
//!
//! # fn main() -> sparsecbm::Result<()> {
//! let model = Model::load("model.onnx", &LoadOptions::default())?;
//! let prediction = model.predict("Great food, but we could not hear each other.")?;
//! println!("{} stars", prediction.label().class);
//! for concept in prediction.concepts() {
//!     println!("{}: {}", concept.name, concept.class);
//! }
//! let corrected = prediction.intervene([("noise", "positive")])?;
//! println!("with noise put right: {} stars", corrected.label().class);
//! # Ok(())
//! # }
//! ```
//!
//! # What to read first
//!
//! - [`Model`] and [`LoadOptions`]: which engine runs a model, and how. Models are made by the command
//!   `sparsecbm export`.
//! - [`Prediction`]: concepts, label, tokens; [`intervene`](Prediction::intervene) and
//!   [`undo`](Prediction::undo).
//! - [`Prediction::explain`] and [`explain`]: why, by concepts, words and subnetworks.
//! - [`Model::with_patches`], [`Gradients`] and [`edit`]: corrections of the model instead of one answer.
//! - [`Error`]: every failure says where, what was found, and what was expected.
//!
//! [`onnx`], [`sparse`] and [`gradients::Trial`] are there for the exporter and for measuring; programs that
//! run models need none of them.
//!
//! # Features
//!
//! - `tract` (default): the engine tract. Without it [`EngineChoice::Sparse`] is what runs without another
//!   library.
//! - `ort`: ONNX Runtime as an engine, whose library is looked for when a model is loaded.
//!
//! # Letters
//!
//! Shapes are written with K concepts of C classes each, L label classes, S positions (tokens with their
//! special tokens) and W words.

mod caught;
pub mod edit;
mod engine;
mod error;
pub mod explain;
pub mod gradients;
mod intervention;
mod masks;
mod model;
pub mod onnx;
mod pauses;
mod prediction;
pub mod schema;
pub mod sparse;
mod tokenizer;

pub use edit::MaskPatch;
pub use engine::{Device, EngineChoice, OrtOptions};
pub use error::{Error, ErrorKind, Result};
pub use explain::{ExplainOptions, Explanation};
pub use gradients::Gradients;
pub use intervention::ConceptValue;
pub use masks::{LayerMasks, MaskBits, MaskStatistics};
pub use model::{LoadOptions, Model};
pub use prediction::{ConceptPrediction, LabelPrediction, Prediction};
pub use schema::Schema;
pub use sparse::PlannedProduct;
pub use tokenizer::{Token, Tokens};
