use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sparsecbm::{Error, ErrorKind, Result};

use super::parts::Activation;

/// A `config.json`, whose fields are read one by one.
pub(crate) struct Config<'a> {
    fields: Map<String, Value>,
    place: &'a str,
}

/// More layers than any backbone has; a configuration that says so is broken.
const MAX_LAYERS: usize = 1000;

impl<'a> Config<'a> {
    pub(super) fn parse(json: &str, place: &'a str) -> Result<Config<'a>> {
        match serde_json::from_str(json) {
            Ok(fields) => Ok(Config { fields, place }),
            Err(e) => Err(broken(place, e.to_string()).caused_by(e)),
        }
    }

    /// A field that must be there.
    pub(super) fn field<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| broken(self.place, format!("no field '{name}'")))
    }

    /// A field that may be missing or null.
    pub(super) fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(value) = self.fields.get(name) else { return Ok(None) };
        serde_json::from_value(value.clone())
            .map_err(|e| broken(self.place, format!("{name}: {e}")).caused_by(e))
    }

    /// A number of things, of which there must be one at least.
    pub(super) fn size(&self, name: &str) -> Result<usize> {
        match self.field(name)? {
            0 => Err(self.wrong(name, "0", "at least 1")),
            size => Ok(size),
        }
    }

    /// The number of layers.
    pub(super) fn layers(&self, name: &str) -> Result<usize> {
        let layers = self.field(name)?;
        if !(1..=MAX_LAYERS).contains(&layers) {
            return Err(self.wrong(name, layers.to_string(), "1 to 1000"));
        }
        Ok(layers)
    }

    /// The number of attention heads, which must divide the field `whole`.
    pub(super) fn heads(&self, name: &str, whole: &str) -> Result<usize> {
        let (heads, size) = (self.size(name)?, self.size(whole)?);
        if !size.is_multiple_of(heads) {
            let expected = format!("a multiple of {name}, {heads}");
            return Err(self.wrong(whole, size.to_string(), &expected));
        }
        Ok(heads)
    }

    /// The number added to a variance.
    pub(super) fn epsilon(&self, name: &str) -> Result<f32> {
        let epsilon: f32 = self.field(name)?;
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(self.wrong(name, epsilon.to_string(), "a number above 0"));
        }
        Ok(epsilon)
    }

    pub(super) fn activation(&self, name: &str) -> Result<Activation> {
        let found: String = self.field(name)?;
        match found.as_str() {
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" => Ok(Activation::GeluNew),
            "relu" => Ok(Activation::Relu),
            _ => Err(self.wrong(name, format!("'{found}'"), "'gelu', 'gelu_new' or 'relu'")),
        }
    }

    /// Checks that a field is missing or has the one value that can be exported.
    pub(super) fn only(&self, name: &str, expected: &Value) -> Result<()> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(()),
            Some(found) if found == expected => Ok(()),
            Some(found) => Err(self.wrong(name, quoted(found), &quoted(expected))),
        }
    }

    /// A field whose value cannot be.
    pub(super) fn wrong(&self, name: &str, found: impl Into<String>, expected: &str) -> Error {
        Error::new(ErrorKind::Model, format!("{}: {name}", self.place), found, expected)
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

fn broken(place: &str, found: String) -> Error {
    Error::new(ErrorKind::Format, place, found, "a backbone's configuration as JSON")
}
