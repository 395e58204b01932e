//! The [Open Inference Protocol](https://github.com/kserve/open-inference-protocol), version 2, over HTTP,
//! with its extension for tensors as binary data.

mod infer;
mod metadata;
mod tensors;
mod wire;

pub use infer::infer;
pub use metadata::{model, model_ready, server};
