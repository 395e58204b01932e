//! Requests and responses as they are sent: JSON, and after it the tensors that are sent as bytes.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::request;

/// Where bytes follow the JSON: the JSON's length.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

#[derive(Deserialize)]
pub struct Request {
    pub id: Option<String>,
    #[serde(default)]
    pub parameters: Parameters,
    pub inputs: Vec<Input>,
    /// All where there are none.
    #[serde(default)]
    pub outputs: Vec<Wanted>,
}

#[derive(Deserialize)]
pub struct Input {
    pub name: String,
    pub shape: Vec<usize>,
    pub datatype: String,
    #[serde(default)]
    pub parameters: Parameters,
    /// Numbers in row-major order, nested or not.
    pub data: Option<Value>,
    /// What was sent instead of `data`.
    #[serde(skip)]
    pub bytes: Option<Bytes>,
}

/// An output that is asked for.
#[derive(Deserialize)]
pub struct Wanted {
    pub name: String,
    #[serde(default)]
    pub parameters: Parameters,
}

/// Those parameters of a request, an input or an output that are known; others mean nothing here.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Parameters {
    binary_data_size: Option<usize>,
    /// Whether this output is to be sent as bytes.
    pub binary_data: Option<bool>,
    /// Whether outputs are, unless they say otherwise.
    pub binary_data_output: Option<bool>,
}

/// An output.
pub struct Output {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
    pub binary: bool,
}

/// Reads a request; every input has its bytes where it was sent as such.
pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Request, Failure> {
    let length = match headers.get(JSON_LENGTH) {
        None => body.len(),
        Some(value) => {
            let length = value.to_str().ok().and_then(|value| value.parse().ok());
            length.filter(|&length| length <= body.len()).ok_or_else(|| {
                let expected = format!("a number up to the body's length, {}", body.len());
                Failure::input(JSON_LENGTH.as_str(), format!("{value:?}"), expected)
            })?
        }
    };
    let mut request: Request = request::json(&body[..length])?;
    let mut rest = body.slice(length..);
    for input in &mut request.inputs {
        let Some(size) = input.parameters.binary_data_size else { continue };
        if size > rest.len() {
            let place = format!("{}: binary_data_size", input.name);
            let expected = format!("at most the {} bytes that are left", rest.len());
            return Err(Failure::input(place, size.to_string(), expected));
        }
        input.bytes = Some(rest.split_to(size));
    }
    if !rest.is_empty() {
        let found = format!("{} bytes more than the inputs take", rest.len());
        return Err(Failure::input("request", found, "the inputs' bytes alone"));
    }
    Ok(request)
}

/// The response that holds `outputs`.
pub fn write(model: &str, version: &str, id: Option<&str>, outputs: &[Output]) -> Response {
    #[derive(Serialize)]
    struct Answer<'a> {
        model_name: &'a str,
        model_version: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        outputs: Vec<Sent<'a>>,
    }
    #[derive(Serialize)]
    struct Sent<'a> {
        name: &'a str,
        datatype: &'static str,
        shape: &'a [usize],
        #[serde(skip_serializing_if = "Option::is_none")]
        parameters: Option<Size>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a [f32]>,
    }
    #[derive(Serialize)]
    struct Size {
        binary_data_size: usize,
    }
    let sent = outputs.iter().map(|output| Sent {
        name: &output.name,
        datatype: "FP32",
        shape: &output.shape,
        parameters: output
            .binary
            .then(|| Size { binary_data_size: size_of_val(output.values.as_slice()) }),
        data: (!output.binary).then_some(output.values.as_slice()),
    });
    let answer = Answer { model_name: model, model_version: version, id, outputs: sent.collect() };
    if outputs.iter().all(|output| !output.binary) {
        return Json(answer).into_response();
    }
    let mut body = serde_json::to_vec(&answer).expect("an answer is plain data");
    let length = body.len().to_string();
    for output in outputs.iter().filter(|output| output.binary) {
        body.extend(output.values.iter().flat_map(|value| value.to_le_bytes()));
    }
    let kind = "application/octet-stream".to_string();
    ([(JSON_LENGTH, length), (header::CONTENT_TYPE, kind)], body).into_response()
}
