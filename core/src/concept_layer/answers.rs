//! What overrides do to the label: a model's [`InterventionKind`] with its numbers. Arrays are row-major.

use super::heads::{find, initializer};
use super::{Override, Question, Shape, difference};
use crate::error::Result;
use crate::format::tensors;
use crate::onnx::ModelProto;
use crate::schema::{InterventionKind, Schema};

pub(super) enum Answers {
    /// E, `[L, K * C]`: the logits move by E·(p′ − p).
    Effect(Vec<f32>),
    Replace(ClassLogits),
    SupposeCorrect(SupposeCorrect),
}

/// `[K, C, C]`: what the label head is fed for each asserted class.
pub(super) struct ClassLogits(Vec<f32>);

/// The two answers of a model that tells supposing from correcting.
pub(super) struct SupposeCorrect {
    /// `[L, K * C]`: E.
    suppose: Vec<f32>,
    /// `[L, K * C]`: F.
    correct: Vec<f32>,
    hidden: Option<Hidden>,
}

/// The hidden layer of what supposing does, H units.
struct Hidden {
    /// `[H, K * C]`: A, which reads the concept logits.
    read: Vec<f32>,
    /// `[H, K * C]`: U, whose columns of one concept read its probabilities.
    asserted: Vec<f32>,
    /// `[H]`: u.
    bias: Vec<f32>,
    /// `[L, H]`: V.
    output: Vec<f32>,
}

impl Answers {
    /// # Errors
    /// `Model` where a tensor is missing, or is not of the schema's shape.
    pub fn read(model: &ModelProto, schema: &Schema) -> Result<Answers> {
        let shape = Shape::of(schema);
        let labels = schema.label_count();
        let head = |name: &str| initializer(model, name, &[labels, shape.width()]);
        Ok(match schema.intervention {
            InterventionKind::Effect => Answers::Effect(head(tensors::EFFECT_HEAD_WEIGHT)?),
            InterventionKind::Replace => {
                Answers::Replace(ClassLogits::of(&schema.calibration.class_logits, shape))
            }
            InterventionKind::SupposeCorrect => Answers::SupposeCorrect(SupposeCorrect {
                suppose: head(tensors::SUPPOSE_HEAD_WEIGHT)?,
                correct: head(tensors::CORRECT_HEAD_WEIGHT)?,
                hidden: Hidden::read(model, shape.width(), labels)?,
            }),
        })
    }
}

impl ClassLogits {
    fn of(class_logits: &[Vec<Vec<f32>>], shape: Shape) -> ClassLogits {
        let width = shape.classes;
        let mut all = vec![0.0; shape.width() * width];
        for (k, rows) in class_logits.iter().enumerate() {
            for (j, row) in rows.iter().enumerate() {
                all[(k * width + j) * width..][..row.len()].copy_from_slice(row);
            }
        }
        ClassLogits(all)
    }

    /// `[C]`: the logits that the label head is fed for these probabilities of concept k.
    pub fn fed(&self, shape: Shape, k: usize, probabilities: &[f32]) -> Vec<f32> {
        let width = shape.classes;
        let of_concept = &self.0[k * width * width..];
        let logit = |c: usize| {
            let of_class = of_concept.chunks(width).map(|logits| logits[c]);
            probabilities.iter().zip(of_class).map(|(p, logit)| p * logit).sum()
        };
        (0..width).map(logit).collect()
    }
}

impl SupposeCorrect {
    /// `[L]`: what an override of concept k changes in the label logits; `own` are the model's probabilities of it.
    pub fn change(
        &self,
        shape: Shape,
        k: usize,
        given: &Override,
        own: &[f32],
        logits: &[f32],
    ) -> Vec<f64> {
        match given.question {
            Question::Correct => {
                shape.product(&self.correct, k, &difference(&given.probabilities, own))
            }
            Question::Suppose => self.supposed(shape, k, &given.probabilities, own, logits),
        }
    }

    /// `[L]`: what supposing probabilities `to` of concept k instead of `from` changes in the label logits.
    pub fn supposed(
        &self,
        shape: Shape,
        k: usize,
        to: &[f32],
        from: &[f32],
        logits: &[f32],
    ) -> Vec<f64> {
        let mut change = shape.product(&self.suppose, k, &difference(to, from));
        if let Some(hidden) = &self.hidden {
            hidden.add_change(&mut change, shape, k, logits, to, from);
        }
        change
    }
}

impl Hidden {
    /// # Errors
    /// `Model` where a tensor is missing while another is there, or is not of the schema's shape.
    fn read(model: &ModelProto, width: usize, labels: usize) -> Result<Option<Hidden>> {
        let Some(bias) = find(model, tensors::SUPPOSE_HIDDEN_BIAS) else { return Ok(None) };
        let units = bias.dims.first().and_then(|&units| usize::try_from(units).ok()).unwrap_or(0);
        Ok(Some(Hidden {
            read: initializer(model, tensors::SUPPOSE_HIDDEN_READ, &[units, width])?,
            asserted: initializer(model, tensors::SUPPOSE_HIDDEN_ASSERTED, &[units, width])?,
            bias: initializer(model, tensors::SUPPOSE_HIDDEN_BIAS, &[units])?,
            output: initializer(model, tensors::SUPPOSE_HIDDEN_OUTPUT, &[labels, units])?,
        }))
    }

    /// Adds V·(relu(A·c + u + Uₖ·to) − relu(A·c + u + Uₖ·from)) to the label's change `[L]`, for
    /// concept logits `[K, C]`.
    fn add_change(
        &self,
        change: &mut [f64],
        shape: Shape,
        k: usize,
        logits: &[f32],
        to: &[f32],
        from: &[f32],
    ) {
        let units = self.bias.len();
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let read = self.read.chunks(logits.len()).zip(self.asserted.chunks(logits.len()));
        let moved: Vec<f64> = read
            .zip(&self.bias)
            .map(|((read, asserted), &bias)| {
                let context = f64::from(bias) + dot(read, logits);
                let unit = |p: &[f32]| (context + dot(&asserted[shape.row(k)], p)).max(0.0);
                unit(to) - unit(from)
            })
            .collect();
        for (logit, output) in change.iter_mut().zip(self.output.chunks(units)) {
            *logit += output.iter().zip(&moved).map(|(&v, m)| f64::from(v) * m).sum::<f64>();
        }
    }
}
