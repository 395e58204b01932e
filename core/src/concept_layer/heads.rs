use super::answers::Answers;
use crate::error::{Error, ErrorKind, Result};
use crate::format::tensors;
use crate::onnx::{DataType, ModelProto, TensorProto};
use crate::schema::Schema;

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

impl Heads {
    /// # Errors
    /// `Model` where a head is missing, or is not of the schema's shape.
    pub fn read(model: &ModelProto, schema: &Schema) -> Result<Heads> {
        let (k, c, l) = (schema.concept_count(), schema.class_count(), schema.label_count());
        Ok(Heads {
            concept_bias: initializer(model, tensors::CONCEPT_HEAD_BIAS, &[k, c])?,
            label: initializer(model, tensors::LABEL_HEAD_WEIGHT, &[l, k * c])?,
            label_bias: initializer(model, tensors::LABEL_HEAD_BIAS, &[l])?,
            answers: Answers::read(model, schema)?,
        })
    }
}

/// The initializer of that name.
pub(super) fn find<'a>(model: &'a ModelProto, name: &str) -> Option<&'a TensorProto> {
    let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
    tensors.into_iter().find(|tensor| tensor.name == name)
}

/// The numbers of the initializer of that name.
///
/// # Errors
/// `Model` where it is missing, or not float32 of that shape.
pub(super) fn initializer(model: &ModelProto, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
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
