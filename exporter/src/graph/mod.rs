//! The ONNX graph of a checkpoint: `docs/reference/format.md`.

mod attention;
mod batched_head;
mod bilstm;
mod builder;
mod dense;
mod elements;
mod feed_forward;
mod head;
mod masked_linear;
mod transformer;
mod variables;
mod writer;

pub(crate) use self::builder::{Builder, GraphSpec, integer, integers, string};
pub(crate) use self::elements::Elements;
pub(crate) use self::variables::Variables;
pub(crate) use self::writer::{OPSET, write, write_concept};
