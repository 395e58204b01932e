use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyBool;
use sparsecbm::explain::{IntegratedOptions, OcclusionOptions, Policy, Reason, SuggestOptions};
use sparsecbm::{ErrorKind, ExplainOptions};

use crate::error::{to_python, told, wrong};
use crate::interrupt::Interruptible;
use crate::prediction::Prediction;
use crate::report::report_of_text;

/// Why a model says what it says of one text. In a notebook it is the picture of `sparsecbm explain --html`.
#[pyclass(frozen, module = "sparsecbm")]
pub(crate) struct Explanation {
    prediction: Py<Prediction>,
    inner: sparsecbm::Explanation,
}

impl Explanation {
    pub(crate) fn make(
        prediction: &Bound<'_, Prediction>,
        options: &ExplainOptions,
    ) -> PyResult<Explanation> {
        prediction.get().model.get().expect_own_process()?;
        let inner = &prediction.get().inner;
        let mut interrupted = Interruptible::new();
        let explanation =
            prediction.py().detach(|| inner.explain_with_progress(options, |_| interrupted.look()));
        let inner = interrupted.finish(explanation)?;
        Ok(Explanation { prediction: prediction.clone().unbind(), inner })
    }

    /// The explanation that is shown where none was asked for: with as many masked words as a second allows.
    pub(crate) fn shown(prediction: &Bound<'_, Prediction>) -> PyResult<Explanation> {
        prediction.get().model.get().expect_own_process()?;
        let inner = &prediction.get().inner;
        let mut options = ExplainOptions::default();
        options.occlusion = Some(OcclusionOptions::default());
        let end = Instant::now() + Duration::from_secs(1);
        let explanation = prediction.py().detach(|| {
            inner.explain_with_progress(&options, |_| match Instant::now() < end {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        });
        let inner = explanation.map_err(to_python)?;
        Ok(Explanation { prediction: prediction.clone().unbind(), inner })
    }

    fn report<'py>(
        &self,
        py: Python<'py>,
        part: &impl serde::Serialize,
    ) -> PyResult<Bound<'py, PyAny>> {
        report_of_text(py, part, self.inner.text.as_deref())
    }
}

pub(crate) fn suggest_options(
    policy: &str,
    costs: Option<BTreeMap<String, f32>>,
) -> PyResult<SuggestOptions> {
    let mut options = SuggestOptions::from(policy.parse::<Policy>().map_err(to_python)?);
    options.costs = costs.unwrap_or_default();
    Ok(options)
}

/// `False`, `True` for all words, as where nothing is given, or how many.
pub(crate) fn occlusion_options(
    given: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<OcclusionOptions>> {
    let Some(given) = given else { return Ok(Some(OcclusionOptions::default())) };
    if let Ok(all) = given.cast::<PyBool>() {
        return Ok(all.is_true().then(OcclusionOptions::default));
    }
    let words = given.extract::<usize>();
    let words =
        words.map_err(|_| wrong("occlusion", told(given), "a bool or a number of words"))?;
    let mut options = OcclusionOptions::default();
    options.max_words = Some(words);
    Ok((words > 0).then_some(options))
}

/// `False`, `True` for the file of gradients beside the model, or its path.
pub(crate) fn integrated_options(
    given: Option<&Bound<'_, PyAny>>,
    prediction: &Prediction,
) -> PyResult<Option<IntegratedOptions>> {
    let path = match given {
        None => return Ok(None),
        Some(given) => match given.cast::<PyBool>() {
            Ok(wanted) if wanted.is_true() => None,
            Ok(_) => return Ok(None),
            Err(_) => Some(given.extract::<PathBuf>()?),
        },
    };
    Ok(Some(IntegratedOptions::new(&prediction.model.get().gradients(path)?)))
}

#[pymethods]
impl Explanation {
    /// What is explained.
    #[getter]
    fn prediction(&self, py: Python<'_>) -> Py<Prediction> {
        self.prediction.clone_ref(py)
    }

    /// What each concept adds to each label logit, exactly.
    #[getter]
    fn contributions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.contributions)
    }

    /// For each concept, the label if it were of each class.
    #[getter]
    fn what_if<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.what_if)
    }

    /// The smallest set of concept changes that gives another label; `None` where none does.
    #[getter]
    fn counterfactual<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.counterfactual)
    }

    /// Which concept to ask a person about, the best first.
    #[getter]
    fn suggestions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.suggestions)
    }

    /// For each concept the few phrases that matter: what to show first.
    #[getter]
    fn reasons<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.reasons)
    }

    /// What each word adds to each concept logit, exactly.
    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.evidence)
    }

    /// What the model loses with each word, where asked for.
    #[getter]
    fn occlusion<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.occlusion)
    }

    /// What each word adds by the integral of its gradient, where asked for.
    #[getter]
    fn integrated<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.integrated)
    }

    /// How well the words named are the words that matter; empty where not asked for.
    #[getter]
    fn faithfulness<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner.faithfulness)
    }

    /// All of it, as plain data.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py, &self.inner)
    }

    /// The page that `sparsecbm explain --html` writes, also written to `path` where one is given.
    #[pyo3(signature = (path=None, *, subnetworks=false))]
    fn to_html(
        &self,
        py: Python<'_>,
        path: Option<PathBuf>,
        subnetworks: bool,
    ) -> PyResult<String> {
        let prediction = &self.prediction.get().inner;
        let page = py.detach(|| {
            let subnetworks = match subnetworks {
                true => Some(prediction.model().subnetworks()?),
                false => None,
            };
            let page = sparsecbm_cli::report::explanation_page(
                prediction,
                &self.inner,
                subnetworks.as_ref(),
            )?;
            if let Some(path) = &path {
                std::fs::write(path, &page).map_err(|e| {
                    let place = path.display().to_string();
                    let expected = "a file that can be written";
                    sparsecbm::Error::new(ErrorKind::Io, place, e.to_string(), expected)
                })?;
            }
            Ok(page)
        });
        page.map_err(to_python)
    }

    fn __str__(&self) -> String {
        sparsecbm_cli::describe_explanation(&self.prediction.get().inner, &self.inner)
    }

    fn __repr__(&self) -> String {
        let (label, reasons) = (&self.inner.contributions.label, &self.inner.reasons);
        let class = self.prediction.get().inner.label().class;
        let best = |reason: &Reason| {
            let phrase = reason.phrases.first().filter(|phrase| phrase.support > 0.0)?;
            Some(format!("{} {}: {:?}", reason.concept, reason.class, phrase.text))
        };
        let told: String =
            reasons.iter().filter_map(best).map(|told| format!("; {told}")).collect();
        format!("Explanation({label}: {class}{told})")
    }

    /// For IPython: what the command prints.
    fn _repr_pretty_(&self, printer: &Bound<'_, PyAny>, _cycle: bool) -> PyResult<()> {
        printer.call_method1("text", (self.__str__(),)).map(|_| ())
    }

    /// For notebooks: the picture of `explain --html`.
    pub(crate) fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let prediction = &self.prediction.get().inner;
        let drawn =
            py.detach(|| sparsecbm_cli::report::explanation_fragment(prediction, &self.inner));
        drawn.map_err(to_python)
    }
}
