use numpy::PyArray1;
use numpy::ndarray::ArrayView1;
use pyo3::prelude::*;
use sparsecbm::{ConceptPrediction, Question};

use crate::arrays::shared;
use crate::prediction::Prediction;

/// A concept, or the label, of a model.
#[pyclass(frozen, get_all, module = "sparsecbm")]
pub(crate) struct Variable {
    /// The name.
    name: String,
    /// The class names, in order.
    classes: Vec<String>,
    /// What each class is worth, where they are worth something (stars).
    values: Option<Vec<f32>>,
}

impl From<&sparsecbm::schema::Variable> for Variable {
    fn from(variable: &sparsecbm::schema::Variable) -> Variable {
        Variable {
            name: variable.name.clone(),
            classes: variable.classes.clone(),
            values: variable.class_values(),
        }
    }
}

#[pymethods]
impl Variable {
    fn __repr__(&self) -> String {
        format!("Variable({:?}: {})", self.name, self.classes.join(", "))
    }
}

/// One concept of a prediction, after overrides; `str` gives its class.
#[pyclass(frozen, module = "sparsecbm")]
pub(crate) struct Concept {
    prediction: Py<Prediction>,
    k: usize,
}

impl Concept {
    pub(crate) fn new(prediction: &Bound<'_, Prediction>, k: usize) -> Concept {
        Concept { prediction: prediction.clone().unbind(), k }
    }

    fn read(&self) -> ConceptPrediction<'_> {
        let prediction = &self.prediction.get().inner;
        prediction.concepts().nth(self.k).expect("one of the schema's")
    }
}

/// What an override asks, in Python's words.
pub(crate) fn question_name(question: Option<Question>) -> Option<&'static str> {
    question.map(|question| match question {
        Question::Correct => "correct",
        _ => "suppose",
    })
}

/// What was done to a concept that has an override.
pub(crate) fn overridden_how(question: Option<Question>) -> Option<&'static str> {
    question.map(|question| match question {
        Question::Correct => "corrected",
        _ => "supposed",
    })
}

#[pymethods]
impl Concept {
    /// The concept's name.
    #[getter]
    fn name(&self) -> &str {
        self.read().name
    }

    /// The most probable class.
    #[getter]
    fn class_name(&self) -> &str {
        self.read().class
    }

    /// Its index.
    #[getter]
    fn class_index(&self) -> usize {
        self.read().class_index
    }

    /// Probabilities after overrides, one per class of the concept; read-only, no copy.
    #[getter]
    fn probabilities<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        let owner = self.prediction.bind(py).clone().into_any();
        // SAFETY: a prediction never changes, and the array keeps it alive.
        unsafe { shared(ArrayView1::from(self.read().probabilities), owner) }
    }

    /// The model's own logits before overrides, one per class of the concept; read-only, no copy.
    #[getter]
    fn logits<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        let owner = self.prediction.bind(py).clone().into_any();
        // SAFETY: a prediction never changes, and the array keeps it alive.
        unsafe { shared(ArrayView1::from(self.read().logits), owner) }
    }

    /// Whether the probabilities were given by an override.
    #[getter]
    fn overridden(&self) -> bool {
        self.read().overridden
    }

    /// Which question the override asks, `suppose` or `correct`; `None` where there is none.
    #[getter]
    fn question(&self) -> Option<&'static str> {
        question_name(self.read().question)
    }

    fn __str__(&self) -> &str {
        self.class_name()
    }

    fn __repr__(&self) -> String {
        let concept = self.read();
        let share = 100.0 * concept.probabilities[concept.class_index];
        let how = overridden_how(concept.question).map_or(String::new(), |how| format!(", {how}"));
        format!("Concept({}: {} {share:.1} %{how})", concept.name, concept.class)
    }
}
