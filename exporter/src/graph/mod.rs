//! The ONNX graph of a checkpoint: `docs/format.md`.

mod attention;
mod builder;
mod dense;
mod feed_forward;
mod head;
mod masked_linear;
mod writer;

pub(crate) use self::attention::Attention;
pub(crate) use self::feed_forward::Activation;
pub(crate) use self::writer::{Branch, OPSET, Shared, Writer, write};
