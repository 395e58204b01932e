use std::collections::BTreeMap;

use serde::Deserialize;

use crate::goldens::Tensor;
use crate::repository;

/// What PyTorch's autograd and Captum say of a model's gradient file (`tests/goldens/renew`).
#[derive(Deserialize)]
pub struct GradientGoldens {
    /// The checkpoint's folder, from the root of the repository.
    pub model: String,
    pub cases: Vec<GradientCase>,
    pub integrated: Vec<IntegratedCase>,
}

/// One run of the gradient file.
#[derive(Deserialize)]
pub struct GradientCase {
    /// Whose masks are given.
    pub masks: usize,
    pub inputs: BTreeMap<String, Tensor>,
    pub concept_logits: Tensor,
    pub gradients: BTreeMap<String, Told>,
}

/// A tensor told by few numbers.
#[derive(Deserialize)]
pub struct Told {
    pub shape: Vec<usize>,
    pub norm: f64,
    /// Σ cos(index) · entry, to which every entry counts.
    pub wave: f64,
    pub at: Vec<usize>,
    /// The entries there.
    pub values: Vec<f64>,
}

/// Integrated gradients of one concept logit, by Captum, in the middle of this many steps.
#[derive(Deserialize)]
pub struct IntegratedCase {
    pub text: String,
    pub concept: usize,
    pub class: usize,
    pub masks: usize,
    pub steps: usize,
    pub inputs: BTreeMap<String, Tensor>,
    /// `[1, sequence]`
    pub attributions: Tensor,
}

/// The goldens of every model.
pub fn gradient_goldens() -> Vec<GradientGoldens> {
    let path = repository().join("tests/goldens/gradients.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"))
}

impl Told {
    /// The largest error of what is told, as a share of the golden norm; NaN anywhere gives infinity.
    pub fn error(&self, found: &[f32]) -> f64 {
        assert_eq!(found.len(), self.shape.iter().product::<usize>(), "number of values");
        let wide = || found.iter().map(|&x| f64::from(x));
        let norm = wide().map(|x| x * x).sum::<f64>().sqrt();
        let wave: f64 = wide().enumerate().map(|(index, x)| x * (index as f64).cos()).sum();
        let single =
            self.at.iter().zip(&self.values).map(|(&at, value)| f64::from(found[at]) - value);
        let errors = [norm - self.norm, wave - self.wave].into_iter().chain(single);
        let of = |error: f64| if error.is_nan() { f64::INFINITY } else { error.abs() / self.norm };
        errors.map(of).fold(0.0, f64::max)
    }
}
