use sparsecbm::format::tensors as names;
use sparsecbm::schema::InterventionKind;
use sparsecbm::{Result, Schema};

use super::Tensors;
use crate::backbone::Backbone;

/// The bias of a class that a concept does not have: its probability is 0 in float32, and float16 holds it.
const PADDING_BIAS: f32 = -1e4;

/// The sizes of the heads that the schema does not tell.
pub(crate) struct HeadSizes {
    /// Outputs of the first layer of each concept head, where the heads have two.
    pub(crate) expansion: Option<usize>,
    /// Units of the hidden layer of what supposing does, where there is one.
    pub(crate) suppose_hidden: Option<usize>,
}

impl HeadSizes {
    /// Reads the sizes and checks every head.
    pub(crate) fn read(
        tensors: &Tensors,
        backbone: &Backbone,
        schema: &Schema,
    ) -> Result<HeadSizes> {
        let heads =
            HeadSizes {
                expansion: size(tensors, names::CONCEPT_EXPANSION_WEIGHT, "[K, E, d]", |shape| {
                    match *shape {
                        [_, size, _] => Some(size),
                        _ => None,
                    }
                })?,
                suppose_hidden: size(tensors, names::SUPPOSE_HIDDEN_BIAS, "[H]", |shape| {
                    match *shape {
                        [size] => Some(size),
                        _ => None,
                    }
                })?,
            };
        let shapes = heads.shapes(backbone, schema);
        for (name, shape) in &shapes {
            tensors.expect_floats(name, shape)?;
        }
        // A head that the schema's kind of intervention does not read would be lost silently.
        for name in tensors.names() {
            let head = ["effect_head.", "suppose_head.", "suppose_hidden.", "correct_head."];
            let unread = head.iter().any(|prefix| name.starts_with(prefix))
                && !shapes.iter().any(|&(known, _)| known == name);
            if unread {
                let found =
                    format!("a tensor, while the schema's intervention is '{}'", kind(schema));
                return Err(tensors.wrong(&name, found, "no head that it does not read"));
            }
        }
        check_padding(tensors, schema, &shapes)?;
        Ok(heads)
    }

    /// The heads' tensors with their shapes.
    pub(crate) fn shapes(
        &self,
        backbone: &Backbone,
        schema: &Schema,
    ) -> Vec<(&'static str, Vec<usize>)> {
        let (k, c, l) = (schema.concept_count(), schema.class_count(), schema.label_count());
        let d = backbone.hidden_size();
        let mut shapes = vec![
            (names::CONCEPT_HEAD_WEIGHT, vec![k, c, self.expansion.unwrap_or(d)]),
            (names::CONCEPT_HEAD_BIAS, vec![k, c]),
            (names::LABEL_HEAD_WEIGHT, vec![l, k * c]),
            (names::LABEL_HEAD_BIAS, vec![l]),
        ];
        if let Some(size) = self.expansion {
            shapes.push((names::CONCEPT_EXPANSION_WEIGHT, vec![k, size, d]));
            shapes.push((names::CONCEPT_EXPANSION_BIAS, vec![k, size]));
        }
        match schema.intervention {
            InterventionKind::Effect => shapes.push((names::EFFECT_HEAD_WEIGHT, vec![l, k * c])),
            InterventionKind::SupposeCorrect => {
                shapes.push((names::SUPPOSE_HEAD_WEIGHT, vec![l, k * c]));
                shapes.push((names::CORRECT_HEAD_WEIGHT, vec![l, k * c]));
                if let Some(units) = self.suppose_hidden {
                    shapes.push((names::SUPPOSE_HIDDEN_READ, vec![units, k * c]));
                    shapes.push((names::SUPPOSE_HIDDEN_ASSERTED, vec![units, k * c]));
                    shapes.push((names::SUPPOSE_HIDDEN_BIAS, vec![units]));
                    shapes.push((names::SUPPOSE_HIDDEN_OUTPUT, vec![l, units]));
                }
            }
            _ => {}
        }
        shapes
    }
}

/// The kind of intervention, as the schema calls it.
fn kind(schema: &Schema) -> String {
    let name = serde_json::to_value(schema.intervention).unwrap_or_default();
    name.as_str().unwrap_or_default().into()
}

/// One size of a tensor that need not be there; `of` finds it in the tensor's shape.
fn size(
    tensors: &Tensors,
    name: &str,
    expected: &str,
    of: impl Fn(&[usize]) -> Option<usize>,
) -> Result<Option<usize>> {
    if !tensors.contains(name) {
        return Ok(None);
    }
    let shape = tensors.shape(name)?;
    match of(shape).filter(|&size| size > 0) {
        Some(size) => Ok(Some(size)),
        None => {
            let expected = format!("shape {expected}, no size 0");
            Err(tensors.wrong(name, format!("shape {shape:?}"), expected))
        }
    }
}

/// Checks that classes which a concept does not have are as the format wants them: never probable, and of no effect.
fn check_padding(
    tensors: &Tensors,
    schema: &Schema,
    shapes: &[(&'static str, Vec<usize>)],
) -> Result<()> {
    let c = schema.class_count();
    let padding: Vec<usize> = schema
        .concepts
        .iter()
        .enumerate()
        .flat_map(|(k, concept)| k * c + concept.classes.len()..(k + 1) * c)
        .collect();
    if padding.is_empty() {
        return Ok(());
    }
    let expect = |name: &str, at: &dyn Fn(&[f32], usize) -> Vec<f32>, expected: f32| {
        let values = tensors.floats(name)?;
        for &class in &padding {
            if let Some(found) = at(&values, class).into_iter().find(|&value| value != expected) {
                let concept = &schema.concepts[class / c];
                let place = format!("class {} of concept '{}'", class % c, concept.name);
                let found =
                    format!("{found} for {place}, which has {} classes", concept.classes.len());
                return Err(tensors.wrong(name, found, format!("{expected} there")));
            }
        }
        Ok(())
    };
    expect(names::CONCEPT_HEAD_BIAS, &|bias, class| vec![bias[class]], PADDING_BIAS)?;
    let row = |weight: &[f32], class: usize| {
        let n = weight.len() / (schema.concept_count() * c);
        weight[class * n..(class + 1) * n].to_vec()
    };
    expect(names::CONCEPT_HEAD_WEIGHT, &row, 0.0)?;
    let width = schema.concept_count() * c;
    let column = |weight: &[f32], class: usize| {
        weight.iter().skip(class).step_by(width).copied().collect::<Vec<f32>>()
    };
    for (name, shape) in shapes {
        let by_class = shape.len() == 2 && shape[1] == width && !name.starts_with("concept_");
        if by_class {
            expect(name, &column, 0.0)?;
        }
    }
    Ok(())
}
