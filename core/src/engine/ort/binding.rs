use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;

use crate::format::tensors;

/// Runs the encoder with its inputs sent to the device and its outputs fetched from there once each.
pub(super) fn run<T>(
    session: &mut Session,
    ids: TensorRef<'_, i64>,
    mask: TensorRef<'_, i64>,
    read: impl FnOnce(&SessionOutputs<'_>) -> ort::Result<T>,
) -> ort::Result<T> {
    let host =
        MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)?;
    // A binding keeps the outputs' buffers, which have another shape in the next run: it serves one run.
    let mut binding = session.create_binding()?;
    binding.bind_input(tensors::INPUT_IDS, &ids)?;
    binding.bind_input(tensors::ATTENTION_MASK, &mask)?;
    binding.bind_output_to_device(tensors::CONCEPT_LOGITS, &host)?;
    binding.bind_output_to_device(tensors::TOKEN_EVIDENCE, &host)?;
    binding.synchronize_inputs()?;
    let outputs = session.run_binding(&binding)?;
    binding.synchronize_outputs()?;
    read(&outputs)
}
