//! An evaluation of a checkpoint that shares nothing with the graph: plain arrays, one formula of
//! `docs/reference/checkpoint.md` after another. What was exported is compared with it.

mod bilstm;
mod parameters;
mod probe;
mod transformer;

use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, concatenate};
use sparsecbm::format::tensors;
use sparsecbm::schema::{InterventionKind, Pooling, Semantics};
use sparsecbm::{Question, Result, Schema};

use self::parameters::Parameters;
use crate::backbone::Body;
use crate::checkpoint::Checkpoint;
use crate::weights::{MaskForm, WeightForm};

/// A model evaluated in f32, with weights as the checkpoint has them or rounded as a file stores them.
pub(crate) struct Reference<'a> {
    checkpoint: &'a Checkpoint,
    rounding: Option<(WeightForm, MaskForm)>,
    heads: ReferenceHeads,
}

struct ReferenceHeads {
    /// Of each concept, weight `[E, d]` and bias `[E]` of the layer before, where there is one.
    expansions: Option<Vec<(Array2<f32>, Array1<f32>)>>,
    /// Of each concept, `[C, d]`.
    concept_weights: Vec<Array2<f32>>,
    concept_bias: Array2<f32>,
    label_weight: Array2<f32>,
    label_bias: Array1<f32>,
    answers: Answers,
}

/// What overrides do to the label.
#[expect(clippy::large_enum_variant, reason = "there is one of it in a check")]
enum Answers {
    Effect(Array2<f32>),
    Replace,
    SupposeCorrect { suppose: Array2<f32>, correct: Array2<f32>, hidden: Option<Hidden> },
}

/// The hidden layer of what supposing does: A, U, u and V of `docs/reference/checkpoint.md`.
struct Hidden {
    read: Array2<f32>,
    asserted: Array2<f32>,
    bias: Array1<f32>,
    output: Array2<f32>,
}

/// A concept's override: the question that it asks, and probabilities `[C]`.
pub(crate) type Override = (Question, Vec<f32>);

/// Token ids, padding included, of which the first `attended` are tokens.
pub(crate) struct Input {
    pub(crate) ids: Vec<u32>,
    pub(crate) attended: usize,
}

/// What a backbone is given to read.
struct Read<'a> {
    /// Word embeddings, `[S, E]`.
    words: &'a Array2<f32>,
    /// How many of the positions, from the left, are tokens; the rest is padding.
    attended: usize,
    /// Of each position in the pooled mean; 0 for those that are not pooled.
    pool_weight: Array1<f32>,
}

/// What the backbone and the concept heads say of an input.
pub(crate) struct EncoderOutputs {
    /// `[K, C]`
    pub(crate) concept_logits: Array2<f32>,
    /// `[K, C, S]`
    pub(crate) token_evidence: Array3<f32>,
}

/// What the concept layer says.
pub(crate) struct ConceptLayerOutputs {
    /// `[K, C]`
    pub(crate) concept_values: Array2<f32>,
    /// `[L]`
    pub(crate) label_logits: Array1<f32>,
}

impl<'a> Reference<'a> {
    /// Evaluates `checkpoint` with its own weights.
    pub(crate) fn exact(checkpoint: &'a Checkpoint) -> Result<Reference<'a>> {
        Reference::new(checkpoint, None)
    }

    /// Evaluates `checkpoint` with the weights that a file of these forms gives back.
    pub(crate) fn rounded(
        checkpoint: &'a Checkpoint,
        weights: WeightForm,
        masks: MaskForm,
    ) -> Result<Reference<'a>> {
        Reference::new(checkpoint, Some((weights, masks)))
    }

    fn new(
        checkpoint: &'a Checkpoint,
        rounding: Option<(WeightForm, MaskForm)>,
    ) -> Result<Reference<'a>> {
        let schema = &checkpoint.schema;
        let (k, c, l) = (schema.concept_count(), schema.class_count(), schema.label_count());
        let floats = |name: &str| checkpoint.tensors.floats(name);
        let d = checkpoint.backbone.hidden_size();
        let size = c * checkpoint.heads.expansion.unwrap_or(d);
        let expansions = match checkpoint.heads.expansion {
            Some(width) => {
                let (weight, bias) = (
                    floats(tensors::CONCEPT_EXPANSION_WEIGHT)?,
                    floats(tensors::CONCEPT_EXPANSION_BIAS)?,
                );
                let weights = weight.chunks(width * d).map(|w| matrix(width, w.to_vec()));
                let biases = bias.chunks(width).map(|b| Array1::from_vec(b.to_vec()));
                Some(weights.zip(biases).collect())
            }
            None => None,
        };
        let concept_heads = floats(tensors::CONCEPT_HEAD_WEIGHT)?;
        let answers = match schema.intervention {
            InterventionKind::Effect => {
                Answers::Effect(matrix(l, floats(tensors::EFFECT_HEAD_WEIGHT)?))
            }
            InterventionKind::SupposeCorrect => Answers::SupposeCorrect {
                suppose: matrix(l, floats(tensors::SUPPOSE_HEAD_WEIGHT)?),
                correct: matrix(l, floats(tensors::CORRECT_HEAD_WEIGHT)?),
                hidden: match checkpoint.heads.suppose_hidden {
                    Some(units) => Some(Hidden {
                        read: matrix(units, floats(tensors::SUPPOSE_HIDDEN_READ)?),
                        asserted: matrix(units, floats(tensors::SUPPOSE_HIDDEN_ASSERTED)?),
                        bias: Array1::from_vec(floats(tensors::SUPPOSE_HIDDEN_BIAS)?),
                        output: matrix(l, floats(tensors::SUPPOSE_HIDDEN_OUTPUT)?),
                    }),
                    None => None,
                },
            },
            _ => Answers::Replace,
        };
        let heads = ReferenceHeads {
            expansions,
            concept_weights: concept_heads.chunks(size).map(|w| matrix(c, w.to_vec())).collect(),
            concept_bias: matrix(k, floats(tensors::CONCEPT_HEAD_BIAS)?),
            label_weight: matrix(l, floats(tensors::LABEL_HEAD_WEIGHT)?),
            label_bias: Array1::from_vec(floats(tensors::LABEL_HEAD_BIAS)?),
            answers,
        };
        Ok(Reference { checkpoint, rounding, heads })
    }

    /// Runs the backbone under every mask. The masks are the outer loop, so that only one masked copy
    /// of the weights exists at a time.
    pub(crate) fn encode(&self, inputs: &[Input]) -> Result<Vec<EncoderOutputs>> {
        let schema = &self.checkpoint.schema;
        let shape = |input: &Input| (schema.concept_count(), schema.class_count(), input.ids.len());
        let mut results: Vec<EncoderOutputs> = inputs
            .iter()
            .map(|input| EncoderOutputs {
                concept_logits: self.heads.concept_bias.clone(),
                token_evidence: Array3::zeros(shape(input)),
            })
            .collect();
        let mut parameters = None;
        for k in 0..schema.concept_count() {
            if schema.semantics == Semantics::AsIntended || parameters.is_none() {
                // The copy before this one goes first.
                drop(parameters.take());
                parameters = Some(Parameters::of_mask(self.checkpoint, k, self.rounding)?);
            }
            let Some(parameters) = &parameters else { continue };
            for (input, result) in inputs.iter().zip(&mut results) {
                let words = parameters.words(self.checkpoint.backbone.word_table(), &input.ids);
                let (hidden, pool_weight) = self.hidden(k, parameters, &words, input);
                let weight = &self.heads.concept_weights[k];
                let z = pool_weight.dot(&hidden);
                let mut logits = result.concept_logits.row_mut(k);
                logits += &weight.dot(&z);
                let evidence = weight.dot(&hidden.t()) * &pool_weight;
                result.token_evidence.index_axis_mut(Axis(0), k).assign(&evidence);
            }
        }
        Ok(results)
    }

    /// What concept k's head reads, `[S, E]`, and each position's weight in its mean.
    fn hidden(
        &self,
        k: usize,
        parameters: &Parameters,
        words: &Array2<f32>,
        input: &Input,
    ) -> (Array2<f32>, Array1<f32>) {
        let pool_weight = pool_weight(self.checkpoint.schema.pooling, input);
        let read = Read { words, attended: input.attended, pool_weight };
        let hidden = match &self.checkpoint.backbone.body {
            Body::Transformer(body) => transformer::last_hidden_state(body, parameters, &read),
            Body::BiLstm(body) => bilstm::last_hidden_state(body, parameters, &read),
        };
        let pool_weight = read.pool_weight;
        let hidden = match &self.heads.expansions {
            Some(expansions) => {
                let (weight, bias) = &expansions[k];
                positive_shares(&(hidden.dot(&weight.t()) + bias), &pool_weight)
            }
            None => hidden,
        };
        (hidden, pool_weight)
    }

    /// The label from concept logits, with each concept's override, if it has one.
    pub(crate) fn concept_layer(
        &self,
        concept_logits: &Array2<f32>,
        overrides: &[Option<Override>],
    ) -> ConceptLayerOutputs {
        let schema = &self.checkpoint.schema;
        let own = row_softmax(concept_logits);
        let mut values = own.clone();
        let mut logits = concept_logits.clone();
        for (k, given) in overrides.iter().enumerate() {
            let Some((_, given)) = given else { continue };
            let given = ArrayView1::from(given.as_slice());
            values.row_mut(k).assign(&given);
            if let Answers::Replace = self.heads.answers {
                logits.row_mut(k).assign(&given.dot(&class_logits(schema, k)));
            }
        }
        let label = self.heads.label_weight.dot(&flat(&logits)) + &self.heads.label_bias;
        let mut label = label / schema.calibration.temperature;
        match &self.heads.answers {
            Answers::Effect(effect) => label += &effect.dot(&flat(&(&values - &own))),
            Answers::Replace => {}
            Answers::SupposeCorrect { suppose, correct, hidden } => {
                for (k, given) in overrides.iter().enumerate() {
                    let Some((question, _)) = given else { continue };
                    let mut changed = own.clone();
                    changed.row_mut(k).assign(&values.row(k));
                    let change = flat(&(&changed - &own));
                    if *question == Question::Correct {
                        label += &correct.dot(&change);
                        continue;
                    }
                    label += &suppose.dot(&change);
                    if let Some(hidden) = hidden {
                        label += &hidden.change(concept_logits, k, &own, &changed);
                    }
                }
            }
        }
        ConceptLayerOutputs { concept_values: values, label_logits: label }
    }
}

impl Hidden {
    /// V·(relu(A·c + u + Uₖ·to) − relu(A·c + u + Uₖ·from)), of rows k of `to` and `from`.
    fn change(
        &self,
        logits: &Array2<f32>,
        k: usize,
        from: &Array2<f32>,
        to: &Array2<f32>,
    ) -> Array1<f32> {
        let units = |p: &Array2<f32>| {
            let mut of_concept = Array2::zeros(p.dim());
            of_concept.row_mut(k).assign(&p.row(k));
            let sum = self.read.dot(&flat(logits)) + self.asserted.dot(&flat(&of_concept));
            (sum + &self.bias).mapv(|x| x.max(0.0))
        };
        self.output.dot(&(units(to) - units(from)))
    }
}

/// `each` where its mean is positive, else 0: its mean is then the positive part of that mean.
fn positive_shares(each: &Array2<f32>, pool_weight: &Array1<f32>) -> Array2<f32> {
    each * &pool_weight.dot(each).mapv(|mean| if mean > 0.0 { 1.0 } else { 0.0 })
}

/// Each position's weight in the pooled mean.
fn pool_weight(pooling: Pooling, input: &Input) -> Array1<f32> {
    let pooled = match pooling {
        Pooling::MaskedMean => input.attended,
        Pooling::PaddedMean => input.ids.len(),
    };
    let weight = |position| if position < pooled { 1.0 / pooled as f32 } else { 0.0 };
    (0..input.ids.len()).map(weight).collect()
}

/// `[C, C]`: concept k's logits when class j is asserted, in row j.
fn class_logits(schema: &Schema, k: usize) -> Array2<f32> {
    let rows = &schema.calibration.class_logits[k];
    matrix(rows.len(), rows.concat())
}

/// exp(x) / Σ exp(x) in each row.
fn row_softmax(logits: &Array2<f32>) -> Array2<f32> {
    let mut result = logits.clone();
    for mut row in result.rows_mut() {
        let largest = row.fold(f32::NEG_INFINITY, |largest, &x| largest.max(x));
        row.mapv_inplace(|x| (x - largest).exp());
        let sum = row.sum();
        row /= sum;
    }
    result
}

fn flat(values: &Array2<f32>) -> Array1<f32> {
    let rows: Vec<ArrayView1<f32>> = values.rows().into_iter().collect();
    concatenate(Axis(0), &rows).expect("rows are of one dimension")
}

/// A row-major matrix of `rows` rows.
fn matrix(rows: usize, values: Vec<f32>) -> Array2<f32> {
    let columns = values.len() / rows;
    Array2::from_shape_vec((rows, columns), values).expect("the checkpoint's shapes were checked")
}
