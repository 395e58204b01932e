use sparsecbm::EngineChoice;

use crate::status::Failure;

/// Which engine runs a model: one of the `SCBM_ENGINE_…`.
pub type Engine = i32;

/// The best engine there is; `scbm_model_get_info` says which it was. Never a GPU: one is asked for.
pub const SCBM_ENGINE_AUTO: Engine = 0;
/// tract: on any processor, no other library needed.
pub const SCBM_ENGINE_TRACT: Engine = 1;
/// ONNX Runtime on the processor, in libraries that were built with it.
pub const SCBM_ENGINE_ORT_CPU: Engine = 2;
/// ONNX Runtime on an NVIDIA GPU, in libraries that were built with it. Never falls back to the processor.
pub const SCBM_ENGINE_ORT_CUDA: Engine = 3;
/// The library's own kernels, whose products cost what the kept weights cost: on any processor, but only
/// for the encoders that they know.
pub const SCBM_ENGINE_SPARSE: Engine = 4;

/// The number of the engine that is called `name`, which may name a device after a colon.
pub(crate) fn engine_number(name: &str) -> Result<Engine, Failure> {
    Ok(match name.parse::<EngineChoice>()? {
        EngineChoice::Tract => SCBM_ENGINE_TRACT,
        EngineChoice::OrtCpu => SCBM_ENGINE_ORT_CPU,
        EngineChoice::OrtCuda { .. } => SCBM_ENGINE_ORT_CUDA,
        EngineChoice::Sparse => SCBM_ENGINE_SPARSE,
        // The crate may learn engines before this table does.
        _ => SCBM_ENGINE_AUTO,
    })
}
