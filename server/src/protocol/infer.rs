use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sparsecbm::{ConceptValue, Error, Prediction, Question, Schema};

use super::metadata::{INPUTS, Named, OUTPUTS, VERSION};
use super::tensors::{self, Tensor};
use super::wire::{self, Input, Output, Request};
use crate::api::Shared;
use crate::app::App;
use crate::failure::Failure;
use crate::request::Body;

/// Concepts to override, of one row.
type Overrides = Vec<(Question, String, ConceptValue)>;

/// `POST /v2/models/NAME/infer`
pub async fn infer(
    State(app): Shared,
    Path(named): Path<Named>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    named.check(&app)?;
    let request = wire::read(&headers, &body.0)?;
    for input in &request.inputs {
        known("input", &input.name, &INPUTS.map(|(name, _)| name))?;
    }
    for output in &request.outputs {
        known("output", &output.name, &OUTPUTS)?;
    }
    let (rows, positions) = rows(&app, &request.inputs)?;
    let overrides = overrides(&request.inputs, rows.len(), app.model.schema())?;
    let predictions = app
        .predict(rows.len(), move |model| {
            let tokens = rows.iter().enumerate().map(|(row, ids)| {
                model.tokenize_ids(ids).map_err(|e| e.within(format!("input_ids: row {row}")))
            });
            tokens.collect()
        })
        .await?;
    let predictions = predictions
        .into_iter()
        .zip(overrides)
        .map(|(prediction, overrides)| prediction.overridden(overrides))
        .collect::<Result<Vec<_>, Error>>()?;
    let outputs = outputs(&request, &predictions, positions);
    Ok(wire::write(&app.options.name, VERSION, request.id.as_deref(), &outputs))
}

fn known(what: &str, name: &str, names: &[&str]) -> Result<(), Failure> {
    if names.contains(&name) {
        return Ok(());
    }
    Err(Failure::input(what, format!("'{name}'"), format!("one of {}", names.join(", "))))
}

/// Each row's token ids without padding, and the positions of a row with it. The model pads as it was
/// trained to, whatever the request has there.
fn rows(app: &App, inputs: &[Input]) -> Result<(Vec<Vec<u32>>, usize), Failure> {
    let given = |name: &str| -> Result<Tensor<i64>, Failure> {
        let tensor = tensors::find(inputs, name)?;
        tensor.ok_or_else(|| Failure::input(format!("input '{name}'"), "none", "one"))
    };
    let (ids, mask) = (given("input_ids")?, given("attention_mask")?);
    let &[count, positions] = &*ids.shape else {
        let found = format!("{:?}", ids.shape);
        return Err(Failure::input("input 'input_ids': shape", found, "[batch, sequence]"));
    };
    expect_shape("attention_mask", &mask.shape, &ids.shape)?;
    let most = app.options.max_texts.get();
    if count > most {
        return Err(Failure::too_large("input 'input_ids': rows", count.to_string(), most));
    }
    if count == 0 || positions == 0 {
        let found = format!("{:?}", ids.shape);
        return Err(Failure::input(
            "input 'input_ids': shape",
            found,
            "a row and a position at least",
        ));
    }
    let row = |(row, (ids, mask)): (usize, (&[i64], &[i64]))| {
        let attended = mask.iter().take_while(|&&value| value == 1).count();
        if mask[attended..].iter().any(|&value| value != 0) {
            let place = format!("input 'attention_mask': row {row}");
            return Err(Failure::input(place, format!("{mask:?}"), "ones, then zeros"));
        }
        let id = |&id: &i64| {
            u32::try_from(id).map_err(|_| {
                Failure::input(
                    format!("input 'input_ids': row {row}"),
                    format!("id {id}"),
                    "0 or more",
                )
            })
        };
        ids[..attended].iter().map(id).collect()
    };
    let all = ids.values.chunks(positions).zip(mask.values.chunks(positions)).enumerate();
    Ok((all.map(row).collect::<Result<_, _>>()?, positions))
}

/// What each row overrides.
fn overrides(inputs: &[Input], rows: usize, schema: &Schema) -> Result<Vec<Overrides>, Failure> {
    let (concepts, classes) = (schema.concept_count(), schema.class_count());
    let values = tensors::find::<f32>(inputs, "concept_override")?;
    let mask = tensors::find::<f32>(inputs, "concept_override_mask")?;
    let (values, mask) = match (values, mask) {
        (Some(values), Some(mask)) => (values, mask),
        (None, None) => return Ok(vec![Vec::new(); rows]),
        _ => {
            let expected = "both concept_override and concept_override_mask, or neither";
            return Err(Failure::input("inputs", "one of them", expected));
        }
    };
    expect_shape("concept_override", &values.shape, &[rows, concepts, classes])?;
    expect_shape("concept_override_mask", &mask.shape, &[rows, concepts])?;
    if let Some(other) = mask.values.iter().find(|value| ![0.0, 1.0, 2.0].contains(*value)) {
        let expected = "0, 1 (suppose) or 2 (correct)";
        return Err(Failure::input("input 'concept_override_mask'", other.to_string(), expected));
    }
    let of_row = |(values, mask): (&[f32], &[f32])| {
        let held = mask.iter().zip(values.chunks(classes)).zip(&schema.concepts);
        held.filter(|((held, _), _)| **held != 0.0)
            .map(|((held, given), concept)| {
                let question = if *held == 2.0 { Question::Correct } else { Question::Suppose };
                let (given, padding) = given.split_at(concept.classes.len());
                if padding.iter().any(|&p| p != 0.0) {
                    let place = format!("input 'concept_override': concept '{}'", concept.name);
                    let expected = format!("0 beyond its {} classes", given.len());
                    return Err(Failure::input(place, format!("{padding:?}"), expected));
                }
                let value = ConceptValue::Probabilities(given.to_vec());
                Ok((question, concept.name.clone(), value))
            })
            .collect::<Result<Overrides, Failure>>()
    };
    values.values.chunks(concepts * classes).zip(mask.values.chunks(concepts)).map(of_row).collect()
}

fn expect_shape(name: &str, found: &[usize], expected: &[usize]) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    let place = format!("input '{name}': shape");
    Err(Failure::input(place, format!("{found:?}"), format!("{expected:?}")))
}

/// The outputs that are asked for, or all.
fn outputs(request: &Request, predictions: &[Prediction], positions: usize) -> Vec<Output> {
    let by_default = request.parameters.binary_data_output.unwrap_or(false);
    if request.outputs.is_empty() {
        return OUTPUTS.map(|name| output(name, predictions, positions, by_default)).into();
    }
    let wanted = request.outputs.iter().map(|wanted| {
        let binary = wanted.parameters.binary_data.unwrap_or(by_default);
        output(&wanted.name, predictions, positions, binary)
    });
    wanted.collect()
}

fn output(name: &str, predictions: &[Prediction], positions: usize, binary: bool) -> Output {
    let schema = predictions[0].model().schema();
    let (k, c, l) = (schema.concept_count(), schema.class_count(), schema.label_count());
    let rows = predictions.len();
    let mut values = Vec::new();
    let shape = match name {
        "concept_logits" => {
            values.extend(predictions.iter().flat_map(Prediction::concept_logits));
            vec![rows, k, c]
        }
        "concept_values" => {
            values.extend(predictions.iter().flat_map(Prediction::concept_values));
            vec![rows, k, c]
        }
        "label_logits" => {
            values.extend(predictions.iter().flat_map(|p| p.label().logits));
            vec![rows, l]
        }
        _ => {
            // A model whose mean goes over padding has evidence at the padding too.
            let read = predictions.iter().map(|p| p.token_evidence().dim().2).max().unwrap_or(0);
            let positions = positions.max(read);
            for prediction in predictions {
                for of_class in prediction.token_evidence().rows() {
                    values.extend(of_class);
                    values.resize(values.len() + positions - of_class.len(), 0.0);
                }
            }
            vec![rows, k, c, positions]
        }
    };
    Output { name: name.into(), shape, values, binary }
}
