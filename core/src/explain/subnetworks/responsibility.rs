use bytes::Bytes;
use prost::Message;
use serde::Serialize;

use super::Subnetworks;
use super::layer::{Layer, Stored, element_size, ones};
use crate::onnx::TensorProto;
use crate::{LoadOptions, Model, Result};

/// Which part of a concept's subnetwork is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwitchedOff {
    /// The weights that no other concept keeps.
    Exclusive,
    /// In each matrix as many weights as `Exclusive` has there, spread evenly over those that other
    /// concepts keep too: what to compare it with.
    Shared,
}

/// What a concept loses when the part of its subnetwork that no other shares is switched off.
///
/// Other concepts lose nothing, by construction: their masks stay as they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Responsibility {
    /// The concept's name.
    pub concept: String,
    /// Share of the concept's weights that no other concept keeps.
    pub exclusive: f64,
    /// On how many texts it was measured.
    pub texts: usize,
    /// Without the exclusive weights.
    pub without_exclusive: Loss,
    /// Without as many of the shared weights.
    pub without_shared: Loss,
}

/// How predictions of a concept change when weights are switched off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// Share of the texts for which the concept's class is another one.
    pub class_changed: f64,
    /// How much the probability of the class that was read falls, in the mean over the texts.
    pub probability_lost: f64,
}

impl Subnetworks {
    /// The exported file with a part of one concept's subnetwork switched off: bytes to load as any
    /// other. In a model of `as-executed` semantics no weight is exclusive, and the file stays as it is.
    ///
    /// # Errors
    /// `Input` where the model has no such concept.
    pub fn without(&self, concept: &str, part: SwitchedOff) -> Result<Bytes> {
        let k = self.schema.concept_index(concept)?;
        let mut file = self.file.clone();
        for layer in &self.layers {
            let off = self.part(layer, k, part);
            let (name, mask) = match layer.stored {
                Stored::Packed => (layer.packed_name(), self.schema.mask_of(k)),
                Stored::Folded => (layer.folded_name(concept), 0),
                Stored::Stacked => (layer.stacked_name(), self.schema.mask_of(k)),
            };
            let rows = layer.stored_rows.get(self.schema.mask_of(k));
            let tensors = file.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
            for tensor in tensors.filter(|tensor| tensor.name == name) {
                tensor.raw_data = match layer.stored {
                    Stored::Packed => clear_bits(tensor, mask * off.len(), &off),
                    Stored::Folded | Stored::Stacked => {
                        clear_weights(tensor, layer, mask, rows, &off)?
                    }
                };
            }
        }
        Ok(file.encode_to_vec().into())
    }

    /// Measures on `texts` what `concept` loses when the part of its subnetwork that no other concept
    /// shares is switched off, beside losing as many shared weights. Loads the model three times.
    ///
    /// # Errors
    /// `Input` where the model has no such concept; those of [`Model::from_bytes`] and
    /// [`Model::predict_batch`].
    pub fn responsibility<T: AsRef<str>>(
        &self,
        concept: &str,
        texts: &[T],
        options: &LoadOptions,
    ) -> Result<Responsibility> {
        let k = self.schema.concept_index(concept)?;
        let whole = self.model(options)?.predict_batch(texts)?;
        let loss = |part: SwitchedOff| -> Result<Loss> {
            let less =
                Model::from_bytes(self.without(concept, part)?, options)?.predict_batch(texts)?;
            let (mut changed, mut lost) = (0usize, 0.0);
            for (before, after) in whole.iter().zip(&less) {
                let (before, after) = (before.concept(concept)?, after.concept(concept)?);
                let class = before.class_index;
                changed += usize::from(after.class_index != class);
                lost += f64::from(before.probabilities[class] - after.probabilities[class]);
            }
            let count = whole.len().max(1) as f64;
            Ok(Loss { class_changed: changed as f64 / count, probability_lost: lost / count })
        };
        Ok(Responsibility {
            concept: concept.into(),
            exclusive: self.report().exclusive[k],
            texts: texts.len(),
            without_exclusive: loss(SwitchedOff::Exclusive)?,
            without_shared: loss(SwitchedOff::Shared)?,
        })
    }

    /// The bits of one matrix that are to be switched off.
    fn part(&self, layer: &Layer, k: usize, part: SwitchedOff) -> Vec<u8> {
        let alone = self.alone(layer, k);
        match part {
            SwitchedOff::Exclusive => alone,
            SwitchedOff::Shared => spread(&layer.split(self.schema.mask_of(k)).1, ones(&alone)),
        }
    }
}

/// `count` of the bits that are set, spread evenly; all of them where there are no more.
fn spread(bits: &[u8], count: usize) -> Vec<u8> {
    let total = ones(bits);
    let mut chosen = vec![0; bits.len()];
    let set = (0..bits.len() * 8).filter(|bit| bits[bit / 8] >> (bit % 8) & 1 == 1);
    for (nth, bit) in set.enumerate() {
        // The share of bits chosen so far grows by `count / total` a bit.
        if count >= total || (nth + 1) * count / total > nth * count / total {
            chosen[bit / 8] |= 1 << (bit % 8);
        }
    }
    chosen
}

fn clear_bits(tensor: &TensorProto, start: usize, off: &[u8]) -> Bytes {
    let mut bits = tensor.raw_data.to_vec();
    bits[start..].iter_mut().zip(off).for_each(|(kept, off)| *kept &= !off);
    bits.into()
}

/// `nth`: which matrix of the tensor it is; `rows`: the row of the matrix that each stored row is.
fn clear_weights(
    tensor: &TensorProto,
    layer: &Layer,
    nth: usize,
    rows: Option<&Vec<usize>>,
    off: &[u8],
) -> Result<Bytes> {
    let size = element_size(tensor)?;
    let mut weights = tensor.raw_data.to_vec();
    let count = rows.map_or(layer.rows, Vec::len) * layer.columns;
    let own = weights.chunks_mut(size).skip(nth * count).take(count);
    for (index, weight) in own.enumerate() {
        let row = index / layer.columns;
        let row = rows.map_or(row, |rows| rows[row]);
        if layer.keeps(off, row, index % layer.columns) {
            weight.fill(0);
        }
    }
    Ok(weights.into())
}
