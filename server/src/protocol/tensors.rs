//! The inputs of a request as numbers.

use serde_json::Value;

use super::wire::Input;
use crate::failure::Failure;

/// Numbers in row-major order, as many as the shape says.
pub struct Tensor<T> {
    pub shape: Vec<usize>,
    pub values: Vec<T>,
}

/// A type that tensors have.
pub trait Element: Sized {
    /// What the protocol calls it.
    const DATATYPE: &'static str;

    fn from_json(value: &Value) -> Option<Self>;

    /// From the protocol's little-endian bytes; as many elements as there are.
    fn from_bytes(bytes: &[u8]) -> Option<Vec<Self>>;
}

impl Element for i64 {
    const DATATYPE: &'static str = "INT64";

    fn from_json(value: &Value) -> Option<i64> {
        value.as_i64()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Vec<i64>> {
        let (numbers, rest) = bytes.as_chunks();
        rest.is_empty().then(|| numbers.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
    }
}

impl Element for f32 {
    const DATATYPE: &'static str = "FP32";

    fn from_json(value: &Value) -> Option<f32> {
        value.as_f64().map(|number| number as f32)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Vec<f32>> {
        let (numbers, rest) = bytes.as_chunks();
        rest.is_empty().then(|| numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    }
}

/// The input called `name`, where there is one.
pub fn find<T: Element>(inputs: &[Input], name: &str) -> Result<Option<Tensor<T>>, Failure> {
    let mut named = inputs.iter().filter(|input| input.name == name);
    let Some(input) = named.next() else { return Ok(None) };
    if named.next().is_some() {
        return Err(Failure::input(format!("input '{name}'"), "two", "one"));
    }
    let wrong = |what: &str, found: String, expected: String| {
        Err(Failure::input(format!("input '{name}': {what}"), found, expected))
    };
    if input.datatype != T::DATATYPE {
        return wrong("datatype", input.datatype.clone(), T::DATATYPE.into());
    }
    let expected = format!("numbers of type {}", T::DATATYPE);
    let values = match (&input.bytes, &input.data) {
        (Some(bytes), None) => match T::from_bytes(bytes) {
            Some(values) => values,
            None => return wrong("bytes", bytes.len().to_string(), expected),
        },
        (None, Some(data)) => {
            let mut values = Vec::new();
            if let Err(other) = flatten(data, &mut values) {
                return wrong("data", other.to_string(), expected);
            }
            values
        }
        (None, None) => return wrong("data", "none".into(), expected),
        (Some(_), Some(_)) => {
            return wrong("data", "numbers and bytes".into(), "one of them".into());
        }
    };
    let count = input.shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    if count != Some(values.len()) {
        let found = format!("{:?} with {} values", input.shape, values.len());
        return wrong("shape", found, "as many values as the shape says".into());
    }
    Ok(Some(Tensor { shape: input.shape.clone(), values }))
}

/// Adds the numbers in `data` to `values`; what is neither a number nor an array is handed back.
fn flatten<'a, T: Element>(data: &'a Value, values: &mut Vec<T>) -> Result<(), &'a Value> {
    match data {
        Value::Array(parts) => parts.iter().try_for_each(|part| flatten(part, values)),
        other => {
            values.push(T::from_json(other).ok_or(other)?);
            Ok(())
        }
    }
}
