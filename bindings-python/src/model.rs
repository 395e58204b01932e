use std::num::NonZeroUsize;
use std::path::PathBuf;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use sparsecbm::{Error, ErrorKind, Gradients, Result};

use crate::concept::Variable;
use crate::edit::{Edit, MaskPatch, Search};
use crate::error::to_python;
use crate::input::Input;
use crate::origin::Origin;
use crate::prediction::{Prediction, answer};
use crate::report::report;
use crate::subnetworks::Subnetworks;

/// A loaded model.
///
/// It never changes and may be used by several threads at once. A pickle holds the path of its file and how it was
/// loaded, so that the file must be there where it is read. After `os.fork` the engines `sparse` and `tract` go on in
/// the child; ONNX Runtime's threads do not live there, and a model on it raises an error instead of hanging.
#[pyclass(frozen, module = "sparsecbm")]
pub(crate) struct Model {
    pub(crate) inner: sparsecbm::Model,
    origin: Origin,
    /// The process that loaded it.
    process: u32,
}

/// A list is run in parts of this many texts for each thread; between two of them Python's signals are heard.
const TEXTS_OF_A_THREAD: usize = 1024;

impl Model {
    fn new(inner: sparsecbm::Model, origin: Origin) -> Model {
        Model { inner, origin, process: std::process::id() }
    }

    fn of_file(
        py: Python<'_>,
        origin: Origin,
        patches: &[sparsecbm::MaskPatch],
    ) -> PyResult<Model> {
        let path = origin.path.clone().expect("only what has a file is loaded from it");
        let load = || sparsecbm::Model::load(path, &origin.options()?)?.with_patches(patches);
        let inner = py.detach(load).map_err(to_python)?;
        Ok(Model::new(inner, origin))
    }

    /// Refuses to run where it would hang: ONNX Runtime's threads do not survive a fork.
    pub(crate) fn expect_own_process(&self) -> PyResult<()> {
        let engine = self.inner.engine();
        if !engine.starts_with("ort") || std::process::id() == self.process {
            return Ok(());
        }
        Err(to_python(Error::new(
            ErrorKind::Unavailable,
            format!("engine {engine}"),
            "a process that was forked after the model was loaded",
            "a model that is loaded in the process that uses it, or the engine sparse or tract",
        )))
    }

    /// The gradients in a file, by default the one beside the model.
    pub(crate) fn gradients(&self, path: Option<PathBuf>) -> PyResult<Gradients> {
        let beside = || Some(self.origin.path.as_ref()?.with_extension("gradients.onnx"));
        let path = path.or_else(beside).ok_or_else(|| {
            let found = "a model that was loaded from memory";
            let expected = "the path of the file that `sparsecbm export --with-gradients` wrote";
            to_python(Error::new(ErrorKind::Input, "gradients", found, expected))
        })?;
        let load = || Gradients::load(path, &self.inner, &self.origin.options()?);
        load().map_err(to_python)
    }

    /// The original model with these patches.
    pub(crate) fn patched(
        &self,
        py: Python<'_>,
        patches: &[sparsecbm::MaskPatch],
    ) -> PyResult<Model> {
        let inner = py.detach(|| self.inner.with_patches(patches)).map_err(to_python)?;
        Ok(Model { inner, origin: self.origin.clone(), process: self.process })
    }

    /// A list over all cores, or this many threads.
    fn predict_list(&self, py: Python<'_>, input: &Input) -> PyResult<Vec<sparsecbm::Prediction>> {
        let all = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.origin.threads;
        let part = TEXTS_OF_A_THREAD * threads.map_or(all, NonZeroUsize::get);
        let mut predictions = Vec::new();
        match input {
            Input::Texts(texts) => in_parts(py, texts, part, &mut predictions, |texts| {
                self.inner.predict_list(texts, threads)
            })?,
            Input::IdLists(lists) => in_parts(py, lists, part, &mut predictions, |lists| {
                self.inner.predict_tokens_list(lists, threads)
            })?,
            Input::Text(_) | Input::Ids(_) => unreachable!("no lists"),
        }
        Ok(predictions)
    }
}

/// Loads a pickled model from its file.
#[pyfunction]
pub(crate) fn restore(
    py: Python<'_>,
    path: PathBuf,
    engine: String,
    threads: Option<NonZeroUsize>,
    ort_library: Option<PathBuf>,
    patches: Vec<String>,
) -> PyResult<Model> {
    let patches = patches.iter().map(|patch| sparsecbm::MaskPatch::from_json(patch.as_bytes()));
    let patches: Vec<sparsecbm::MaskPatch> = patches.collect::<Result<_>>().map_err(to_python)?;
    Model::of_file(py, Origin { path: Some(path), engine, threads, ort_library }, &patches)
}

fn in_parts<T: Sync>(
    py: Python<'_>,
    items: &[T],
    part: usize,
    predictions: &mut Vec<sparsecbm::Prediction>,
    run: impl Fn(&[T]) -> Result<Vec<sparsecbm::Prediction>> + Sync,
) -> PyResult<()> {
    for part in items.chunks(part) {
        predictions.extend(py.detach(|| run(part)).map_err(to_python)?);
        py.check_signals()?;
    }
    Ok(())
}

#[pymethods]
impl Model {
    /// Loads an exported file.
    ///
    /// `engine` is `auto`, `sparse`, `tract`, `ort-cpu`, `ort-cuda` or `ort-cuda:N`. `threads` is how many a list is
    /// spread over, and a single text, its concepts and its tokens; by default a list takes all cores, and a text one.
    /// `patches` are applied in their order. `ort_library` is ONNX Runtime's library, or a folder that holds it.
    ///
    /// Raises `SparseCbmError`: `io`, `format`, `version` or `model` for the file, `unavailable` for the engine.
    #[staticmethod]
    #[pyo3(signature = (path, *, engine="auto", threads=None, patches=None, ort_library=None))]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        engine: &str,
        threads: Option<NonZeroUsize>,
        patches: Option<Vec<Bound<'_, MaskPatch>>>,
        ort_library: Option<PathBuf>,
    ) -> PyResult<Model> {
        let patches = patches.unwrap_or_default();
        let patches: Vec<_> = patches.iter().map(|patch| patch.get().inner.clone()).collect();
        let origin = Origin { path: Some(path), engine: engine.into(), threads, ort_library };
        Model::of_file(py, origin, &patches)
    }

    /// Loads an exported file from memory; such a model cannot be pickled. Options and errors as `load`.
    #[staticmethod]
    #[pyo3(signature = (data, *, engine="auto", threads=None, ort_library=None))]
    fn from_bytes(
        py: Python<'_>,
        data: Vec<u8>,
        engine: &str,
        threads: Option<NonZeroUsize>,
        ort_library: Option<PathBuf>,
    ) -> PyResult<Model> {
        let origin = Origin { path: None, engine: engine.into(), threads, ort_library };
        let inner = py.detach(|| sparsecbm::Model::from_bytes(data, &origin.options()?));
        Ok(Model::new(inner.map_err(to_python)?, origin))
    }

    /// Predicts a text, or token ids (special tokens included, no padding), or a list of either.
    ///
    /// A list releases the GIL and takes all cores, or `threads` of `load`; the results stand in its order. Text
    /// beyond `max_length` is cut, and `Prediction.dropped_tokens` says so.
    ///
    /// Raises `SparseCbmError` of kind `input` for what is no text and for ids that the vocabulary does not have.
    fn predict<'py>(
        this: &Bound<'py, Self>,
        input: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, model) = (this.py(), this.get());
        model.expect_own_process()?;
        let made = |inner| Prediction { inner, model: this.clone().unbind() };
        let input = Input::read(input)?;
        let one = match &input {
            Input::Text(text) => py.detach(|| model.inner.predict(text)),
            Input::Ids(ids) => py.detach(|| model.inner.predict_tokens(ids)),
            Input::Texts(_) | Input::IdLists(_) => {
                let predictions = model.predict_list(py, &input)?;
                let list = PyList::empty(py);
                for prediction in predictions {
                    list.append(Bound::new(py, made(prediction))?)?;
                }
                return Ok(list.into_any());
            }
        };
        Ok(Bound::new(py, made(one.map_err(to_python)?))?.into_any())
    }

    /// As Hugging Face's pipelines: for each text a dict of `label`, `score` and the same of each concept.
    fn __call__<'py>(
        this: &Bound<'py, Self>,
        input: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let (py, model) = (this.py(), this.get());
        model.expect_own_process()?;
        let input = match Input::read(input)? {
            Input::Text(text) => Input::Texts(vec![text]),
            Input::Ids(ids) => Input::IdLists(vec![ids]),
            list => list,
        };
        let predictions = model.predict_list(py, &input)?;
        let answers: Vec<_> =
            predictions.iter().map(|prediction| answer(py, prediction)).collect::<PyResult<_>>()?;
        PyList::new(py, answers)
    }

    /// The file that it was loaded from; `None` where it was loaded from memory.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        self.origin.path.clone()
    }

    /// The K concepts, in order.
    #[getter]
    fn concepts(&self) -> Vec<Variable> {
        self.inner.schema().concepts.iter().map(Variable::from).collect()
    }

    /// The label.
    #[getter]
    fn label(&self) -> Variable {
        Variable::from(&self.inner.schema().label)
    }

    /// The most positions (tokens, special ones included); longer text is cut.
    #[getter]
    fn max_length(&self) -> usize {
        self.inner.schema().max_length
    }

    /// What the model's concepts and label mean: `sparsecbm.json` of its checkpoint.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, self.inner.schema())
    }

    /// How dense the masks are and how much they share.
    #[getter]
    fn masks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, self.inner.masks())
    }

    /// The engine really in use: `sparse`, `tract`, `ort-cpu` or `ort-cuda:N`.
    #[getter]
    fn engine(&self) -> &str {
        self.inner.engine()
    }

    /// Where the model really runs, and why there.
    #[getter]
    fn device<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, self.inner.device())
    }

    /// Which weights each concept uses, with the model's patches.
    fn subnetworks(&self, py: Python<'_>) -> PyResult<Subnetworks> {
        py.detach(|| self.inner.subnetworks()).map(Subnetworks::new).map_err(to_python)
    }

    /// Searches the fewest bits of a concept's mask whose change gives it that class in all `texts`.
    ///
    /// Texts of `keep` are to keep the class that the model reads. Needs the file of gradients, by default the one
    /// beside the model. At most `max_share` (0 to 1) of the bits are pruned, and as many grown. `time_limit` is in
    /// seconds.
    #[pyo3(signature = (texts, concept, class_name, *, keep=None, gradients=None, max_share=0.01, time_limit=None))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn edit(
        this: &Bound<'_, Self>,
        texts: &Bound<'_, PyAny>,
        concept: &str,
        class_name: &str,
        keep: Option<&Bound<'_, PyAny>>,
        gradients: Option<PathBuf>,
        max_share: f64,
        time_limit: Option<f64>,
    ) -> PyResult<Edit> {
        this.get().expect_own_process()?;
        let search = Search { texts, keep, concept, class_name, gradients, max_share, time_limit };
        search.run(this)
    }

    /// The model with these patches, in this order, and no others; without any, the model as it was loaded.
    fn with_patches(&self, py: Python<'_>, patches: Vec<Bound<'_, MaskPatch>>) -> PyResult<Model> {
        let patches: Vec<_> = patches.iter().map(|patch| patch.get().inner.clone()).collect();
        self.patched(py, &patches)
    }

    /// The patches that it has, in order.
    #[getter]
    fn patches(&self) -> Vec<MaskPatch> {
        self.inner.patches().iter().cloned().map(MaskPatch::from).collect()
    }

    fn __copy__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    /// A model never changes: its copy is itself.
    #[pyo3(signature = (_memo, /))]
    fn __deepcopy__<'py>(this: Bound<'py, Self>, _memo: &Bound<'py, PyDict>) -> Bound<'py, Self> {
        this
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let Origin { path, engine, threads, ort_library } = &self.origin;
        let path = path.as_ref().ok_or_else(|| {
            PyTypeError::new_err(
                "a model that was loaded from memory cannot be pickled: \
                 load it from its file, whose path is what a pickle holds",
            )
        })?;
        let path = std::path::absolute(path)?;
        let patches: Vec<String> =
            self.inner.patches().iter().map(|patch| patch.to_json()).collect();
        let restore = py.import("sparsecbm._sparsecbm")?.getattr("restore")?;
        let made_of = (path, engine, threads.map(NonZeroUsize::get), ort_library, patches);
        Ok((restore, made_of.into_pyobject(py)?))
    }

    fn __repr__(&self) -> String {
        let schema = self.inner.schema();
        let file = match &self.origin.path {
            Some(path) => format!("{:?}", path.display().to_string()),
            None => "bytes".into(),
        };
        let names: Vec<&str> = schema.concepts.iter().map(|c| c.name.as_str()).collect();
        let engine = self.inner.device();
        format!("Model({file}: {} → {}; {engine})", names.join(", "), schema.label.name)
    }
}
