use numpy::ndarray::ArrayView1;
use numpy::{PyArray1, PyArray2, PyArray3};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Map, json};
use sparsecbm::{Question, Result};

use crate::arrays::shared;
use crate::concept::{Concept, overridden_how};
use crate::error::to_python;
use crate::explanation::{self, Explanation};
use crate::model::Model;
use crate::overrides;
use crate::report::{Characters, report};

/// What a model says of one text, with the overrides that were made since.
///
/// A prediction never changes: `suppose`, `correct` and `undo` return another one, which shares what the backbone
/// computed. In a notebook it shows why; `print` gives its tables.
// Never changed after it is made: arrays over its memory rely on that.
#[pyclass(frozen, module = "sparsecbm")]
pub(crate) struct Prediction {
    pub(crate) inner: sparsecbm::Prediction,
    pub(crate) model: Py<Model>,
}

/// One position of a model's input.
#[pyclass(frozen, get_all, module = "sparsecbm")]
pub(crate) struct Token {
    /// The token's id in the model's vocabulary.
    id: u32,
    /// The vocabulary piece, as the tokenizer writes it (`##ing`, `[CLS]`).
    piece: String,
    /// The first character of the text that it stands for; `None` for special tokens, and for given ids.
    start: Option<usize>,
    /// The character after the last one; `None` as `start`.
    end: Option<usize>,
}

impl Prediction {
    fn with(&self, py: Python<'_>, inner: Result<sparsecbm::Prediction>) -> PyResult<Prediction> {
        let inner = inner.map_err(to_python)?;
        Ok(Prediction { inner, model: self.model.clone_ref(py) })
    }

    fn overridden(
        &self,
        py: Python<'_>,
        question: Question,
        values: Option<&Bound<'_, PyAny>>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Prediction> {
        let values = overrides::read(values, named)?;
        let values = values.into_iter().map(|(concept, value)| (question, concept, value));
        self.with(py, self.inner.overridden(values))
    }
}

/// A prediction as plain data, as Hugging Face's pipelines answer: `label` and `score`, and the same of each concept.
pub(crate) fn answer<'py>(
    py: Python<'py>,
    prediction: &sparsecbm::Prediction,
) -> PyResult<Bound<'py, PyAny>> {
    let label = prediction.label();
    let mut concepts = Map::new();
    for concept in prediction.concepts() {
        let score = concept.probabilities[concept.class_index];
        concepts.insert(concept.name.into(), json!({ "label": concept.class, "score": score }));
    }
    let score = label.probabilities[label.class_index];
    report(py, &json!({ "label": label.class, "score": score, "concepts": concepts }))
}

#[pymethods]
impl Prediction {
    /// The text; `None` where token ids were given.
    #[getter]
    fn text(&self) -> Option<&str> {
        self.inner.text()
    }

    /// The model that made it.
    #[getter]
    fn model(&self, py: Python<'_>) -> Py<Model> {
        self.model.clone_ref(py)
    }

    /// The label's most probable class, after overrides.
    #[getter]
    fn label(&self) -> &str {
        self.inner.label().class
    }

    /// Its index.
    #[getter]
    fn label_index(&self) -> usize {
        self.inner.label().class_index
    }

    /// Mean of the class values under the probabilities, where the label's classes are worth something (stars).
    #[getter]
    fn expected_value(&self) -> Option<f32> {
        self.inner.label().expected_value
    }

    /// [L]: the label's probabilities, after overrides; read-only, no copy.
    #[getter]
    fn label_probabilities<'py>(this: &Bound<'py, Self>) -> Bound<'py, PyArray1<f32>> {
        let values = ArrayView1::from(this.get().inner.label().probabilities);
        // SAFETY: a prediction never changes, and the array keeps it alive; so below.
        unsafe { shared(values, this.clone().into_any()) }
    }

    /// [L]: the label's logits, after overrides; read-only, no copy.
    #[getter]
    fn label_logits<'py>(this: &Bound<'py, Self>) -> Bound<'py, PyArray1<f32>> {
        let values = ArrayView1::from(this.get().inner.label().logits);
        // SAFETY: as above.
        unsafe { shared(values, this.clone().into_any()) }
    }

    /// [K, C]: the model's own concept logits, before overrides; read-only, no copy.
    ///
    /// Where a concept has fewer than C classes, its row ends in logits of a probability of 0.
    #[getter]
    fn concept_logits<'py>(this: &Bound<'py, Self>) -> Bound<'py, PyArray2<f32>> {
        // SAFETY: as above.
        unsafe { shared(this.get().inner.concept_logits(), this.clone().into_any()) }
    }

    /// [K, C]: concept probabilities, after overrides; read-only, no copy.
    #[getter]
    fn concept_probabilities<'py>(this: &Bound<'py, Self>) -> Bound<'py, PyArray2<f32>> {
        // SAFETY: as above.
        unsafe { shared(this.get().inner.concept_values(), this.clone().into_any()) }
    }

    /// [K, C, S]: what each position adds to each concept logit, before overrides; read-only, no copy.
    ///
    /// The sum over the positions plus the concept head's bias is the logit, exactly.
    #[getter]
    fn token_evidence<'py>(this: &Bound<'py, Self>) -> Bound<'py, PyArray3<f32>> {
        // SAFETY: as above.
        unsafe { shared(this.get().inner.token_evidence(), this.clone().into_any()) }
    }

    /// Every concept by its name, in the model's order, after overrides.
    #[getter]
    fn concepts<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(this.py());
        for (k, concept) in this.get().inner.concepts().enumerate() {
            all.set_item(concept.name, Concept::new(this, k))?;
        }
        Ok(all)
    }

    /// The concept of that name, after overrides.
    fn __getitem__(this: &Bound<'_, Self>, name: &str) -> PyResult<Concept> {
        match this.get().inner.model().schema().concept_index(name) {
            Ok(k) => Ok(Concept::new(this, k)),
            Err(error) => Err(PyKeyError::new_err(error.to_string())),
        }
    }

    /// The S positions that the model read, special tokens included.
    #[getter]
    fn tokens(&self) -> Vec<Token> {
        let characters = Characters::of(self.inner.text().unwrap_or_default());
        let place = |byte: usize| characters.at(byte);
        let token = |token: &sparsecbm::Token| Token {
            id: token.id,
            piece: token.piece.clone(),
            start: token.span.as_ref().map(|span| place(span.start)),
            end: token.span.as_ref().map(|span| place(span.end)),
        };
        self.inner.tokens().iter().map(token).collect()
    }

    /// How many tokens at the end of the text did not fit into the model and were left out.
    #[getter]
    fn dropped_tokens(&self) -> usize {
        self.inner.dropped_tokens()
    }

    /// The prediction as it would be if these concepts were so: the label follows as when a person edits the text.
    ///
    /// A value is a class name, a class index or probabilities, one per class: `suppose(noise="positive")`. The
    /// mapping is for names that are no identifiers. Takes microseconds: the backbone does not run.
    ///
    /// Raises `SparseCbmError` of kind `input` where the model has no such concept or class.
    #[pyo3(signature = (values=None, /, **concepts))]
    fn suppose(
        &self,
        py: Python<'_>,
        values: Option<&Bound<'_, PyAny>>,
        concepts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Prediction> {
        self.overridden(py, Question::Suppose, values, concepts)
    }

    /// The prediction once it is known that these concepts are so: the text is as it was, the model misread it.
    ///
    /// Values, cost and errors as `suppose`.
    #[pyo3(signature = (values=None, /, **concepts))]
    fn correct(
        &self,
        py: Python<'_>,
        values: Option<&Bound<'_, PyAny>>,
        concepts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Prediction> {
        self.overridden(py, Question::Correct, values, concepts)
    }

    /// The prediction without the overrides of these concepts, or without any where none is named.
    #[pyo3(signature = (*concepts))]
    fn undo(&self, py: Python<'_>, concepts: Vec<String>) -> PyResult<Prediction> {
        let undone = match concepts.is_empty() {
            true => Ok(self.inner.undo_all()),
            false => {
                let mut undone = Ok(self.inner.clone());
                for concept in &concepts {
                    undone = undone.and_then(|prediction| prediction.undo(concept));
                }
                undone
            }
        };
        self.with(py, undone)
    }

    /// Why: by concepts and by words, with the overrides that there are.
    ///
    /// Words are masked out, five at a time and one at a time, many runs of the model: all, or the `occlusion` words
    /// with the most evidence, or none where it is `False`. The phrases that matter come from that, else from evidence.
    /// `integrated` adds integrated gradients; it needs the file of gradients beside the model, or at that path.
    /// `faithfulness` tests the order of the words. `policy` and `costs` are those of `suggest`.
    #[pyo3(signature = (*, occlusion=None, integrated=None, faithfulness=false, policy="combined", costs=None))]
    fn explain(
        this: &Bound<'_, Self>,
        occlusion: Option<&Bound<'_, PyAny>>,
        integrated: Option<&Bound<'_, PyAny>>,
        faithfulness: bool,
        policy: &str,
        costs: Option<std::collections::BTreeMap<String, f32>>,
    ) -> PyResult<Explanation> {
        let mut options = sparsecbm::ExplainOptions::default();
        options.suggest = explanation::suggest_options(policy, costs)?;
        options.occlusion = explanation::occlusion_options(occlusion)?;
        options.integrated = explanation::integrated_options(integrated, this.get())?;
        options.faithfulness = faithfulness.then(Default::default);
        Explanation::make(this, &options)
    }

    /// The concepts worth asking a person about, the best first; overridden ones are left out.
    ///
    /// `costs`: what asking about a concept costs, 1 where not named; the score is divided by it.
    #[pyo3(signature = (*, policy="combined", costs=None))]
    fn suggest<'py>(
        &self,
        py: Python<'py>,
        policy: &str,
        costs: Option<std::collections::BTreeMap<String, f32>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = explanation::suggest_options(policy, costs)?;
        report(py, &self.inner.suggest_interventions(&options).map_err(to_python)?)
    }

    /// `label` and `score` (its probability), and the same of each concept: what calling the model gives.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        answer(py, &self.inner)
    }

    fn __str__(&self) -> String {
        sparsecbm_cli::describe_prediction(&self.inner)
    }

    fn __repr__(&self) -> String {
        let label = self.inner.label();
        let mean = label.expected_value.map_or(String::new(), |mean| format!(" (mean {mean:.2})"));
        let concepts = self.inner.concepts().map(|concept| {
            let how =
                overridden_how(concept.question).map_or(String::new(), |how| format!(" {how}"));
            let share = 100.0 * concept.probabilities[concept.class_index];
            format!("{}: {} {share:.0} %{how}", concept.name, concept.class)
        });
        let concepts: Vec<String> = concepts.collect();
        format!("Prediction({}: {}{mean}; {})", label.name, label.class, concepts.join(", "))
    }

    /// For IPython: the tables that the command prints.
    fn _repr_pretty_(&self, printer: &Bound<'_, PyAny>, _cycle: bool) -> PyResult<()> {
        printer.call_method1("text", (self.__str__(),)).map(|_| ())
    }

    fn _repr_html_(this: &Bound<'_, Self>) -> PyResult<String> {
        Explanation::shown(this)?._repr_html_(this.py())
    }
}

#[pymethods]
impl Token {
    fn __repr__(&self) -> String {
        match (self.start, self.end) {
            (Some(start), Some(end)) => {
                format!("Token({}, {:?}, {start}:{end})", self.id, self.piece)
            }
            _ => format!("Token({}, {:?})", self.id, self.piece),
        }
    }
}
