use super::answers::Answers;
use super::{ConceptLayer, Override, difference, softmax};

/// The label logits taken apart: `baseline` plus every concept's `total` plus `rest`, `[L]` each.
pub(crate) struct Shares {
    /// (W·m + b) / T, m the mean concept logits.
    pub baseline: Vec<f64>,
    pub concepts: Vec<ConceptShare>,
    /// What is left of overridden concepts in models that suppose and correct; else 0.
    pub rest: Vec<f64>,
}

/// What one concept adds.
pub(crate) struct ConceptShare {
    pub total: Vec<f64>,
    /// What its override changed in the label logits, if it has one.
    pub by_override: Option<Vec<f64>>,
}

impl ConceptLayer {
    /// What each concept adds to each label logit.
    pub fn contributions(&self, logits: &[f32], overrides: &[Option<Override>]) -> Shares {
        let mut rest = vec![0.0; self.heads.label_bias.len()];
        let concepts = overrides.iter().enumerate().map(|(k, given)| {
            let own = self.through_label_head(
                k,
                &difference(&logits[self.shape.row(k)], &self.mean_logits[self.shape.row(k)]),
            );
            let Some(given) = given else { return ConceptShare { total: own, by_override: None } };
            let change = self.change(k, given, logits);
            let answered: Vec<f64> = own.iter().zip(&change).map(|(own, by)| own + by).collect();
            let total = match self.worth(k, &given.probabilities, logits) {
                Some(worth) => {
                    for ((rest, answered), worth) in rest.iter_mut().zip(&answered).zip(&worth) {
                        *rest += answered - worth;
                    }
                    worth
                }
                None => answered,
            };
            ConceptShare { total, by_override: Some(change) }
        });
        let concepts = concepts.collect();
        Shares { baseline: self.baseline(), concepts, rest }
    }

    /// (W·m + b) / T.
    fn baseline(&self) -> Vec<f64> {
        let temperature = f64::from(self.temperature);
        let mut logits: Vec<f64> = self.heads.label_bias.iter().map(|&b| f64::from(b)).collect();
        for k in 0..self.shape.concepts {
            let mean: Vec<f64> =
                self.mean_logits[self.shape.row(k)].iter().map(|&m| f64::from(m)).collect();
            for (logit, share) in
                logits.iter_mut().zip(self.shape.product(&self.heads.label, k, &mean))
            {
                *logit += share;
            }
        }
        logits.iter().map(|logit| logit / temperature).collect()
    }

    /// What an override of concept k changes in the label logits.
    fn change(&self, k: usize, given: &Override, logits: &[f32]) -> Vec<f64> {
        let own = &logits[self.shape.row(k)];
        match &self.heads.answers {
            Answers::Effect(weight) => {
                let change = difference(&given.probabilities, &softmax(own));
                self.shape.product(weight, k, &change)
            }
            Answers::Replace(class_logits) => {
                let fed = class_logits.fed(self.shape, k, &given.probabilities);
                self.through_label_head(k, &difference(&fed, own))
            }
            Answers::SupposeCorrect(answers) => {
                answers.change(self.shape, k, given, &softmax(own), logits)
            }
        }
    }

    /// What probabilities of concept k are worth by the suppose head, against its mean probabilities and whatever
    /// the text says of it; `None` for models of one answer.
    fn worth(&self, k: usize, probabilities: &[f32], logits: &[f32]) -> Option<Vec<f64>> {
        let Answers::SupposeCorrect(answers) = &self.heads.answers else { return None };
        let mean = &self.mean_probabilities[self.shape.row(k)];
        Some(answers.supposed(self.shape, k, probabilities, mean, logits))
    }

    fn through_label_head(&self, k: usize, change: &[f64]) -> Vec<f64> {
        let temperature = f64::from(self.temperature);
        let product = self.shape.product(&self.heads.label, k, change);
        product.into_iter().map(|v| v / temperature).collect()
    }
}
