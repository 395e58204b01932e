use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sparsecbm::{ConceptValue, Prediction};

use super::Shared;
use crate::app::App;
use crate::failure::Failure;
use crate::request::{self, Body};

/// Values by concept, `{"noise": "positive", "food": [0.1, 0.8, 0.1]}`.
pub type Overrides = std::collections::BTreeMap<String, OverrideValue>;

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a class name, or probabilities of all classes")]
pub enum OverrideValue {
    Class(String),
    Probabilities(Vec<f32>),
}

impl From<OverrideValue> for ConceptValue {
    fn from(value: OverrideValue) -> ConceptValue {
        match value {
            OverrideValue::Class(name) => ConceptValue::Class(name),
            OverrideValue::Probabilities(values) => ConceptValue::Probabilities(values),
        }
    }
}

#[derive(Serialize)]
pub struct Answers {
    /// One a text, in the order of the texts.
    predictions: Vec<Answer>,
}

#[derive(Serialize)]
struct Answer {
    text: String,
    #[serde(flatten)]
    prediction: Prediction,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected: Option<Prediction>,
}

/// `POST /v1/predict`
pub async fn predict(State(app): Shared, body: Body) -> Result<Json<Answers>, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        texts: Vec<String>,
    }
    let Asked { texts } = request::json(&body.0)?;
    let answer = |(text, prediction)| Answer { text, prediction, corrected: None };
    let predictions = read(&app, texts).await?.into_iter().map(answer).collect();
    Ok(Json(Answers { predictions }))
}

/// `POST /v1/intervene`: before and after.
pub async fn intervene(State(app): Shared, body: Body) -> Result<Json<Answers>, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        texts: Vec<String>,
        set: Overrides,
    }
    let Asked { texts, set } = request::json(&body.0)?;
    let set: Vec<(String, ConceptValue)> =
        set.into_iter().map(|(concept, value)| (concept, value.into())).collect();
    let answer = |(text, prediction): (String, Prediction)| {
        let corrected = Some(prediction.intervene(set.iter().cloned())?);
        Ok(Answer { text, prediction, corrected })
    };
    let predictions = read(&app, texts).await?.into_iter().map(answer);
    Ok(Json(Answers { predictions: predictions.collect::<Result<_, Failure>>()? }))
}

/// Predicts texts within the server's limits.
pub async fn read(app: &App, texts: Vec<String>) -> Result<Vec<(String, Prediction)>, Failure> {
    let most = app.options.max_texts.get();
    if texts.is_empty() {
        return Err(Failure::input("texts", "none", "at least one"));
    }
    if texts.len() > most {
        return Err(Failure::too_large("texts", texts.len().to_string(), most));
    }
    let most = app.options.max_text;
    if let Some((index, text)) = texts.iter().enumerate().find(|(_, text)| text.len() > most) {
        let found = format!("{} bytes", text.len());
        return Err(Failure::too_large(format!("texts: text {index}"), found, most));
    }
    let of_model = texts.clone();
    let predictions = app
        .predict(texts.len(), move |model| of_model.iter().map(|t| model.tokenize(t)).collect())
        .await?;
    Ok(texts.into_iter().zip(predictions).collect())
}
