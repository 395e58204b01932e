use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sparsecbm::{ConceptValue, Prediction, Question};

use super::Shared;
use crate::app::App;
use crate::failure::Failure;
use crate::request::{self, Body};

/// Values by concept, `{"noise": "positive", "food": [0.1, 0.8, 0.1]}`.
pub type Values = std::collections::BTreeMap<String, OverrideValue>;

/// What a request overrides.
pub struct Overrides {
    /// What is to be supposed.
    pub set: Values,
    /// What is to be corrected.
    pub correct: Values,
}

impl Overrides {
    /// As [`Prediction::overridden`] takes them. A concept that is both supposed and corrected is refused.
    pub fn read(self) -> Result<Read, Failure> {
        if let Some(both) = self.set.keys().find(|concept| self.correct.contains_key(*concept)) {
            let place = format!("overrides of '{both}'");
            return Err(Failure::input(place, "one in 'set' and one in 'correct'", "one of them"));
        }
        let of = |question, values: Values| {
            values.into_iter().map(move |(concept, value)| (question, concept, value.into()))
        };
        let set = of(Question::Suppose, self.set);
        Ok(Read(set.chain(of(Question::Correct, self.correct)).collect()))
    }
}

/// Overrides whose concepts and values are the model's to check.
pub struct Read(Vec<(Question, String, ConceptValue)>);

impl Read {
    /// The prediction with these overrides.
    pub fn of(&self, prediction: &Prediction) -> sparsecbm::Result<Prediction> {
        prediction.overridden(self.0.iter().cloned())
    }
}

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
    /// One per text, in the order of the texts.
    predictions: Vec<Answer>,
}

#[derive(Serialize)]
struct Answer {
    text: String,
    #[serde(flatten)]
    prediction: Prediction,
    /// With the overrides; under its name since the first version.
    #[serde(rename = "corrected", skip_serializing_if = "Option::is_none")]
    overridden: Option<Prediction>,
}

/// `POST /v1/predict`
pub async fn predict(State(app): Shared, body: Body) -> Result<Json<Answers>, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        texts: Vec<String>,
    }
    let Asked { texts } = request::json(&body.0)?;
    let answer = |(text, prediction)| Answer { text, prediction, overridden: None };
    let predictions = read(&app, texts).await?.into_iter().map(answer).collect();
    Ok(Json(Answers { predictions }))
}

/// `POST /v1/intervene`: before and after.
pub async fn intervene(State(app): Shared, body: Body) -> Result<Json<Answers>, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        texts: Vec<String>,
        #[serde(default)]
        set: Values,
        #[serde(default)]
        correct: Values,
    }
    let Asked { texts, set, correct } = request::json(&body.0)?;
    if set.is_empty() && correct.is_empty() {
        return Err(Failure::input("overrides", "none", "'set' or 'correct'"));
    }
    let overrides = Overrides { set, correct }.read()?;
    let answer = |(text, prediction): (String, Prediction)| {
        let overridden = Some(overrides.of(&prediction)?);
        Ok(Answer { text, prediction, overridden })
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
