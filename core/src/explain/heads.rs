use crate::onnx::{DataType, ModelProto, TensorProto};
use crate::schema::InterventionKind;
use crate::{Error, ErrorKind, Result, Schema};

/// The linear heads of a model, row-major, read from the file's initializers.
pub(crate) struct Heads {
    /// `[K, C]`: bias of the concept heads.
    pub concept_bias: Vec<f32>,
    /// `[L, K * C]`: W.
    pub label: Vec<f32>,
    /// `[L]`: b.
    pub label_bias: Vec<f32>,
    /// `[L, K * C]`: E, for models whose overrides go through the effect head.
    pub effect: Option<Vec<f32>>,
}

impl Heads {
    /// # Errors
    /// `Model` where a head is missing, or is not of the schema's shape.
    pub fn read(model: &ModelProto, schema: &Schema) -> Result<Heads> {
        let (k, c, l) = (schema.concept_count(), schema.class_count(), schema.label_count());
        let effect = || initializer(model, "effect_head.weight", &[l, k * c]);
        Ok(Heads {
            concept_bias: initializer(model, "concept_head.bias", &[k, c])?,
            label: initializer(model, "label_head.weight", &[l, k * c])?,
            label_bias: initializer(model, "label_head.bias", &[l])?,
            effect: (schema.intervention == InterventionKind::Effect).then(effect).transpose()?,
        })
    }
}

fn initializer(model: &ModelProto, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
    let wrong = |found: String| {
        let expected = format!("float32 of shape {shape:?}");
        Error::new(ErrorKind::Model, format!("initializer '{name}'"), found, expected)
    };
    let tensor = tensors
        .into_iter()
        .find(|tensor| tensor.name == name)
        .ok_or_else(|| wrong("nothing".into()))?;
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
