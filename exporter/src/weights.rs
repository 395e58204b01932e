//! The forms in which weights are stored.

use half::f16;
use serde::Serialize;
use sparsecbm::{Error, ErrorKind, Result};

/// How the weights of linear layers and embedding tables are stored. Heads, biases and norms stay f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightForm {
    /// 32-bit floats: exact.
    F32,
    /// 16-bit floats: exact where the checkpoint's own weights are.
    #[default]
    F16,
    /// Whole numbers from −127 to 127 times one factor a row: an output channel of a linear layer, an
    /// entry of an embedding table.
    Int8,
}

/// How masks are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskForm {
    /// weight ⊙ mask, once a concept.
    Folded,
    /// One shared weight, and the masks as bits that the graph unpacks.
    #[default]
    Packed,
}

/// A matrix as it is stored.
pub(crate) enum Stored {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Int8 {
        values: Vec<i8>,
        /// One a row.
        scales: Vec<f32>,
    },
}

impl Stored {
    /// The row-major matrix `values` in the form asked for. `name` is named in errors.
    pub(crate) fn new(
        form: WeightForm,
        values: Vec<f32>,
        columns: usize,
        name: &str,
    ) -> Result<Stored> {
        Ok(match form {
            WeightForm::F32 => Stored::F32(values),
            WeightForm::F16 => {
                if let Some(large) = values.iter().find(|value| !f16::from_f32(**value).is_finite())
                {
                    let expected = "weights up to 65504, the largest f16: use f32 or int8";
                    return Err(Error::new(ErrorKind::Input, name, large.to_string(), expected));
                }
                Stored::F16(values.into_iter().map(f16::from_f32).collect())
            }
            WeightForm::Int8 => quantized(&values, columns),
        })
    }

    /// Its elements as a file holds them: row-major, little-endian.
    pub(crate) fn elements(&self) -> Vec<u8> {
        match self {
            Stored::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Stored::F16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Stored::Int8 { values, .. } => values.iter().map(|q| q.cast_unsigned()).collect(),
        }
    }

    /// The factors of its rows as a file holds them, as little-endian f32; none where the form has none.
    pub(crate) fn factors(&self) -> Vec<u8> {
        match self {
            Stored::F32(_) | Stored::F16(_) => Vec::new(),
            Stored::Int8 { scales, .. } => {
                scales.iter().flat_map(|scale| scale.to_le_bytes()).collect()
            }
        }
    }

    /// The numbers that a runtime gets from it.
    pub(crate) fn restored(self, columns: usize) -> Vec<f32> {
        match self {
            Stored::F32(values) => values,
            Stored::F16(values) => values.into_iter().map(f16::to_f32).collect(),
            Stored::Int8 { values, scales } => {
                let rows = values.chunks(columns).zip(scales);
                rows.flat_map(|(row, scale)| row.iter().map(move |&q| f32::from(q) * scale))
                    .collect()
            }
        }
    }
}

/// Symmetric quantization: q = round(w / s), s = max |w| / 127 in each row.
fn quantized(values: &[f32], columns: usize) -> Stored {
    let mut scales = Vec::new();
    let mut whole = Vec::with_capacity(values.len());
    for row in values.chunks(columns) {
        let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        // A row of zeros, or of numbers so small that the factor would be no normal float, stays 0.
        let scale = if largest / 127.0 < f32::MIN_POSITIVE { 1.0 } else { largest / 127.0 };
        scales.push(scale);
        whole.extend(row.iter().map(|value| (value / scale).round() as i8));
    }
    Stored::Int8 { values: whole, scales }
}
