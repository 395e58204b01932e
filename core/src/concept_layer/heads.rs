use std::ops::Range;

use crate::format::tensors;
use crate::onnx::{DataType, ModelProto, TensorProto};
use crate::schema::InterventionKind;
use crate::{Error, ErrorKind, Result, Schema};

/// The heads of a model, row-major, read from the file's initializers.
pub(super) struct Heads {
    /// `[K, C]`: bias of the concept heads.
    pub concept_bias: Vec<f32>,
    /// `[L, K * C]`: W.
    pub label: Vec<f32>,
    /// `[L]`: b.
    pub label_bias: Vec<f32>,
    pub answers: Answers,
}

/// What overrides do to the label: a model's [`InterventionKind`] with its numbers.
pub(super) enum Answers {
    Effect {
        /// `[L, K * C]`: E.
        weight: Vec<f32>,
    },
    Replace {
        /// `[K, C, C]`: what the label head is fed for each asserted class.
        class_logits: Vec<f32>,
    },
    SupposeCorrect {
        /// `[L, K * C]`: E.
        suppose: Vec<f32>,
        /// `[L, K * C]`: F.
        correct: Vec<f32>,
        hidden: Option<Hidden>,
    },
}

/// The hidden layer of what supposing does, H units.
pub(super) struct Hidden {
    /// `[H, K * C]`: A, which reads the concept logits.
    read: Vec<f32>,
    /// `[H, K * C]`: U, whose columns of one concept read its probabilities.
    asserted: Vec<f32>,
    /// `[H]`: u.
    bias: Vec<f32>,
    /// `[L, H]`: V.
    output: Vec<f32>,
}

impl Heads {
    /// # Errors
    /// `Model` where a head is missing, or is not of the schema's shape.
    pub fn read(model: &ModelProto, schema: &Schema) -> Result<Heads> {
        let (k, c, l) = (schema.concept_count(), schema.class_count(), schema.label_count());
        let head = |name: &str| initializer(model, name, &[l, k * c]);
        let answers = match schema.intervention {
            InterventionKind::Effect => {
                Answers::Effect { weight: head(tensors::EFFECT_HEAD_WEIGHT)? }
            }
            InterventionKind::Replace => {
                let mut class_logits = vec![0.0; k * c * c];
                for (k, rows) in schema.calibration.class_logits.iter().enumerate() {
                    for (j, row) in rows.iter().enumerate() {
                        class_logits[(k * c + j) * c..][..row.len()].copy_from_slice(row);
                    }
                }
                Answers::Replace { class_logits }
            }
            InterventionKind::SupposeCorrect => Answers::SupposeCorrect {
                suppose: head(tensors::SUPPOSE_HEAD_WEIGHT)?,
                correct: head(tensors::CORRECT_HEAD_WEIGHT)?,
                hidden: Hidden::read(model, k * c, l)?,
            },
        };
        Ok(Heads {
            concept_bias: initializer(model, tensors::CONCEPT_HEAD_BIAS, &[k, c])?,
            label: head(tensors::LABEL_HEAD_WEIGHT)?,
            label_bias: initializer(model, tensors::LABEL_HEAD_BIAS, &[l])?,
            answers,
        })
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

    /// Adds V·(relu(A·c + u + Uₖ·to) − relu(A·c + u + Uₖ·from)) to the label's change `[L]`; `row` is where
    /// concept k stands in the logits `[K, C]`.
    pub fn add_change(
        &self,
        change: &mut [f64],
        logits: &[f32],
        row: Range<usize>,
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
                let unit = |p: &[f32]| (context + dot(&asserted[row.clone()], p)).max(0.0);
                unit(to) - unit(from)
            })
            .collect();
        for (logit, output) in change.iter_mut().zip(self.output.chunks(units)) {
            *logit += output.iter().zip(&moved).map(|(&v, m)| f64::from(v) * m).sum::<f64>();
        }
    }
}

fn find<'a>(model: &'a ModelProto, name: &str) -> Option<&'a TensorProto> {
    let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
    tensors.into_iter().find(|tensor| tensor.name == name)
}

fn initializer(model: &ModelProto, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let wrong = |found: String| {
        let expected = format!("float32 of shape {shape:?}");
        Error::new(ErrorKind::Model, format!("initializer '{name}'"), found, expected)
    };
    let tensor = find(model, name).ok_or_else(|| wrong("nothing".into()))?;
    if tensor.data_type != DataType::Float as i32 {
        return Err(wrong(format!("element type {}", tensor.data_type)));
    }
    if tensor.dims.iter().map(|&d| usize::try_from(d).ok()).ne(shape.iter().map(|&d| Some(d))) {
        return Err(wrong(format!("shape {:?}", tensor.dims)));
    }
    let values = floats(tensor);
    if values.len() != shape.iter().product::<usize>() {
        return Err(wrong(format!("{} values", values.len())));
    }
    Ok(values)
}

fn floats(tensor: &TensorProto) -> Vec<f32> {
    if !tensor.float_data.is_empty() {
        return tensor.float_data.clone();
    }
    let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    tensor.raw_data.chunks_exact(size_of::<f32>()).map(value).collect()
}
