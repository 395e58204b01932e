use std::path::PathBuf;

use pyo3::prelude::*;
use serde::Serialize;
use sparsecbm::Result;
use sparsecbm_exporter::{
    Checkpoint, ExportOptions, ExportReport, GradientReport, Layout, MaskForm, WeightForm,
    export as export_model, export_gradients, inspect as inspect_path,
};

use crate::error::{to_python, wrong};
use crate::report::report;

/// What was written.
#[derive(Serialize)]
struct Written {
    files: Vec<PathBuf>,
    #[serde(flatten)]
    report: ExportReport,
    gradients: Option<GradientReport>,
}

/// Turns a checkpoint's folder into one ONNX file, and checks what was written.
///
/// `weights`: `f32`, `f16` or `int8`; `masks`: `packed` or `folded`; `layout`: `branches`, or `batched` for GPUs.
/// `gradients` also writes the file of gradients beside it, for edits and integrated gradients. The check runs the
/// file and allows a difference of `atol` in any output.
///
/// Raises `SparseCbmError` of kind `model` where the checkpoint contradicts itself or the file differs from it.
#[pyfunction]
#[pyo3(signature = (
    checkpoint, path, *, weights="f16", masks="packed", layout="branches", gradients=false, check=true, atol=1e-4
))]
#[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
pub(crate) fn export<'py>(
    py: Python<'py>,
    checkpoint: PathBuf,
    path: PathBuf,
    weights: &str,
    masks: &str,
    layout: &str,
    gradients: bool,
    check: bool,
    atol: f32,
) -> PyResult<Bound<'py, PyAny>> {
    let forms = [("f32", WeightForm::F32), ("f16", WeightForm::F16), ("int8", WeightForm::Int8)];
    let options = ExportOptions {
        weights: choice("weights", weights, &forms)?,
        masks: choice(
            "masks",
            masks,
            &[("packed", MaskForm::Packed), ("folded", MaskForm::Folded)],
        )?,
        layout: choice(
            "layout",
            layout,
            &[("branches", Layout::Branches), ("batched", Layout::Batched)],
        )?,
        check,
        atol,
    };
    let written = py.detach(|| write(checkpoint, path, &options, gradients));
    report(py, &written.map_err(to_python)?)
}

fn write(
    checkpoint: PathBuf,
    path: PathBuf,
    options: &ExportOptions,
    with_gradients: bool,
) -> Result<Written> {
    let checkpoint = Checkpoint::open(checkpoint)?;
    let exported = export_model(&checkpoint, options)?;
    let gradients = match with_gradients {
        true => Some(export_gradients(&checkpoint, options)?),
        false => None,
    };
    let report = exported.report.clone();
    let mut files = exported.write_to(&path)?;
    let mut of_gradients = None;
    if let Some(gradients) = gradients {
        of_gradients = Some(gradients.report);
        files.extend(gradients.write_beside(&path)?);
    }
    Ok(Written { files, report, gradients: of_gradients })
}

fn choice<T: Copy>(argument: &str, given: &str, all: &[(&str, T)]) -> PyResult<T> {
    match all.iter().find(|(name, _)| *name == given) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            Err(wrong(argument, format!("'{given}'"), format!("one of {}", names.join(", "))))
        }
    }
}

/// What is in a checkpoint's folder or an exported file: schema, sizes, densities, overlaps; no model is loaded.
///
/// Raises `SparseCbmError` that names the file, tensor or field where something is not as the format has it.
#[pyfunction]
pub(crate) fn inspect(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    report(py, &py.detach(|| inspect_path(path)).map_err(to_python)?)
}
