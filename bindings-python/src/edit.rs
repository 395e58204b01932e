use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use sparsecbm::edit::{EditOptions, EditOutcome, EditTask};

use crate::error::{to_python, told, wrong};
use crate::input::texts;
use crate::interrupt::Interruptible;
use crate::model::Model;
use crate::report::report;

/// Bits of one concept's mask that are to be flipped: a small change of a model, kept beside it.
#[pyclass(frozen, module = "sparsecbm")]
pub(crate) struct MaskPatch {
    pub(crate) inner: sparsecbm::MaskPatch,
}

impl From<sparsecbm::MaskPatch> for MaskPatch {
    fn from(inner: sparsecbm::MaskPatch) -> MaskPatch {
        MaskPatch { inner }
    }
}

#[pymethods]
impl MaskPatch {
    /// Reads a patch file.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<MaskPatch> {
        sparsecbm::MaskPatch::load(path).map(MaskPatch::from).map_err(to_python)
    }

    /// Reads a patch from JSON.
    #[staticmethod]
    fn from_json(json: &str) -> PyResult<MaskPatch> {
        sparsecbm::MaskPatch::from_json(json.as_bytes()).map(MaskPatch::from).map_err(to_python)
    }

    /// Writes a patch file, which `--patch` of the command takes.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.inner.save(path).map_err(to_python)
    }

    /// The patch as JSON.
    fn to_json(&self) -> String {
        self.inner.to_json()
    }

    /// The concept whose mask it changes.
    #[getter]
    fn concept(&self) -> &str {
        &self.inner.concept
    }

    /// What it was made for, in words.
    #[getter]
    fn note(&self) -> Option<&str> {
        self.inner.note.as_deref()
    }

    /// How many bits it flips.
    #[getter]
    fn flips(&self) -> usize {
        self.inner.flips()
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let make = py.get_type::<MaskPatch>().getattr("from_json")?;
        Ok((make, (self.to_json(),).into_pyobject(py)?))
    }

    fn __repr__(&self) -> String {
        format!("MaskPatch({}: {} bits)", self.inner.concept, self.inner.flips())
    }
}

/// What `Model.edit` was asked for.
pub(crate) struct Search<'a, 'py> {
    pub(crate) texts: &'a Bound<'py, PyAny>,
    pub(crate) keep: Option<&'a Bound<'py, PyAny>>,
    pub(crate) concept: &'a str,
    pub(crate) class_name: &'a str,
    pub(crate) gradients: Option<PathBuf>,
    pub(crate) max_share: f64,
    pub(crate) time_limit: Option<f64>,
}

impl Search<'_, '_> {
    pub(crate) fn run(self, model: &Bound<'_, Model>) -> PyResult<Edit> {
        let py = model.py();
        let own = &model.get().inner;
        let examples = one_or_more(self.texts)?;
        let guards = self.keep.map(one_or_more).transpose()?.unwrap_or_default();
        let mut options = EditOptions::default();
        options.max_share = self.max_share;
        options.time_limit = self.time_limit.map(seconds).transpose()?;
        let gradients = model.get().gradients(self.gradients)?;
        let mut interrupted = Interruptible::new();
        let edit = py.detach(|| {
            let mut task = EditTask::new(own, self.concept)?;
            for text in &examples {
                task.example(&own.predict(text)?, self.class_name)?;
            }
            for guard in own.predict_list(&guards, None)? {
                task.guard(&guard)?;
            }
            gradients.edit(&task, &options, |_| interrupted.look())
        });
        let mut inner = interrupted.finish(edit)?;
        let note = format!("{}={} for {}", self.concept, self.class_name, examples.join(" | "));
        inner.patch.note = Some(note);
        Ok(Edit { model: model.clone().unbind(), inner })
    }
}

fn one_or_more(given: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(vec![text.to_str()?.into()]);
    }
    let items =
        given.try_iter().map_err(|_| wrong("texts", told(given), "a str or a list of str"))?;
    texts(&items.collect::<PyResult<Vec<_>>>()?)
}

fn seconds(given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given)
        .map_err(|_| wrong("time_limit", given.to_string(), "seconds, from 0"))
}

/// A change of one concept's mask, and what it does to the texts it was made for.
#[pyclass(frozen, module = "sparsecbm")]
pub(crate) struct Edit {
    /// The model that was to be edited.
    model: Py<Model>,
    inner: sparsecbm::edit::Edit,
}

#[pymethods]
impl Edit {
    /// `turned` where every text is of its class, `not-turned` where none did that, `stopped` at the time limit.
    #[getter]
    fn outcome(&self) -> &'static str {
        match self.inner.outcome {
            EditOutcome::Turned => "turned",
            EditOutcome::NotTurned => "not-turned",
            EditOutcome::Stopped => "stopped",
        }
    }

    /// The concept.
    #[getter]
    fn concept(&self) -> &str {
        &self.inner.concept
    }

    /// How many bits are flipped: half of them pruned, half grown.
    #[getter]
    fn flips(&self) -> usize {
        self.inner.flips
    }

    /// The change itself, for `Model.with_patches`.
    #[getter]
    fn patch(&self) -> MaskPatch {
        self.inner.patch.clone().into()
    }

    /// The model with the edit, on top of the patches that it had.
    fn model(&self, py: Python<'_>) -> PyResult<Model> {
        let model = self.model.get();
        let mut patches = model.inner.patches().to_vec();
        patches.push(self.inner.patch.clone());
        model.patched(py, &patches)
    }

    /// All of it, as plain data.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.inner)
    }

    fn __repr__(&self) -> String {
        let Edit { inner, .. } = self;
        format!(
            "Edit({} {}: {} bits, {} of {} texts kept)",
            inner.concept,
            self.outcome(),
            inner.flips,
            inner.guards - inner.broken.len(),
            inner.guards
        )
    }
}
