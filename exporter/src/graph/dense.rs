//! What no mask reaches: embeddings, norms, and constants from the checkpoint.

use std::sync::Arc;

use sparsecbm::Result;
use sparsecbm::format::{blocks, nodes, tensors};
use sparsecbm::onnx::DataType;

use super::builder::{Builder, float, integer};
use super::elements::{Elements, Matrix};
use super::variables::Words;
use super::writer::Writer;
use crate::backbone::Norm;
use crate::checkpoint::Checkpoint;
use crate::weights::WeightForm;

impl Writer<'_> {
    /// The sum of two values.
    pub(crate) fn add(&mut self, scope: &str, a: &str, b: &str) -> String {
        self.builder.node(scope, "Add", &[a, b])
    }

    /// The entries of an embedding table for token ids, or for whatever else numbers its rows.
    pub(super) fn token_embedding(&mut self, table: &str, ids: &str) -> Result<String> {
        self.table_rows(table, |builder, rows| builder.node(table, "Gather", &[rows, ids]))
    }

    /// The word embeddings of token ids, `[batch, sequence, E]`, or where a gradient is taken by them, those
    /// between a baseline's and theirs.
    pub(super) fn words(&mut self, table: &str, ids: &str) -> Result<String> {
        let own = self.token_embedding(table, ids)?;
        if self.variables.is_none() {
            return Ok(own);
        }
        let baseline = self.token_embedding(table, tensors::BASELINE_IDS)?;
        let builder = &mut self.builder;
        let change = builder.node(table, "Sub", &[&own, &baseline]);
        let axes = builder.integers(&[1, 2]);
        let alpha = builder.node(table, "Unsqueeze", &[tensors::ALPHA, &axes]);
        let way = builder.node(table, "Mul", &[&change, &alpha]);
        let between = builder.node(table, "Add", &[&baseline, &way]);
        if let Some(variables) = &mut self.variables {
            variables.words = Some(Words { between: between.clone(), change });
        }
        Ok(between)
    }

    /// The entries of an embedding table from row `first` on, one a position.
    pub(super) fn position_embedding(&mut self, table: &str, first: usize) -> Result<String> {
        let end = self.end_of_positions(table, first);
        let (start, axis) = (self.builder.integers(&[first as i64]), self.builder.integers(&[0]));
        self.table_rows(table, |builder, rows| {
            builder.node(table, "Slice", &[rows, &start, &end, &axis])
        })
    }

    /// Rows of a constant from `first` on, one a position.
    pub(super) fn first_positions(&mut self, constant: &str, first: usize) -> String {
        let end = self.end_of_positions(constant, first);
        let builder = &mut self.builder;
        let (start, axis) = (builder.integers(&[first as i64]), builder.integers(&[0]));
        builder.node(constant, "Slice", &[constant, &start, &end, &axis])
    }

    /// `[1]`: the row after that of the last position, where position 0 has row `first`.
    fn end_of_positions(&mut self, scope: &str, first: usize) -> String {
        let attributes = vec![integer("start", 1), integer("end", 2)];
        let length = self.builder.node_with(scope, "Shape", &[tensors::INPUT_IDS], attributes);
        if first == 0 {
            return length;
        }
        let first = self.builder.integers(&[first as i64]);
        self.builder.node(scope, "Add", &[&length, &first])
    }

    /// `[sequence]`: the numbers of the positions, 0.0 first.
    pub(super) fn position_numbers(&mut self) -> String {
        let name = tensors::POSITION_NUMBERS;
        if !self.builder.has_constant(name) {
            let longest = self.checkpoint.schema.max_length;
            let numbers: Vec<f32> = (0..longest).map(|position| position as f32).collect();
            self.builder.floats(name, &[longest], &numbers);
            self.first_positions(name, 0);
        }
        nodes::name(name, "Slice")
    }

    /// `[batch, sequence]`: the row of a table that each position reads: `first` + s for a token,
    /// `padding` for padding.
    pub(super) fn position_rows(&mut self, table: &str, first: usize, padding: usize) -> String {
        let numbers = self.position_numbers();
        let builder = &mut self.builder;
        let first = builder.float(first as f32);
        let rows = builder.node(table, "Add", &[&numbers, &first]);
        let mask = cast(builder, table, tensors::ATTENTION_MASK);
        let half = builder.float(blocks::ATTENDED);
        let token = builder.node(table, "Greater", &[&mask, &half]);
        let padding = builder.float(padding as f32);
        let rows = builder.node(table, "Where", &[&token, &rows, &padding]);
        builder.node_with(table, "Cast", &[&rows], vec![integer("to", DataType::Int64 as i64)])
    }

    /// One entry of an embedding table.
    pub(crate) fn embedding_row(&mut self, table: &str, row: usize) -> Result<String> {
        let index = self.builder.integer(row as i64);
        self.table_rows(table, |builder, rows| builder.node(table, "Gather", &[rows, &index]))
    }

    /// Selects rows of a table, then turns them into floats: the table itself stays small.
    fn table_rows(
        &mut self,
        table: &str,
        select: impl Fn(&mut Builder, &str) -> String,
    ) -> Result<String> {
        let name = tensors::weight(table);
        let shape = self.checkpoint.tensors.shape(&name)?.to_vec();
        let scales = match self.builder.has_constant(&name) {
            // Two parts of a graph may read one table.
            true => (self.weights == WeightForm::Int8).then(|| tensors::scale(&name)),
            false => {
                let own = name.clone();
                self.store(&name, &shape, move |checkpoint| checkpoint.tensors.floats(&own))
            }
        };
        let selected = select(&mut self.builder, &name);
        let scales = scales.map(|scales| select(&mut self.builder, &scales));
        Ok(self.restore(table, selected, scales))
    }

    /// Adds a matrix, or several of one shape, whose `values` are made when they are written, in the weight form, and
    /// where that is int8, its factors, which it names.
    pub(super) fn store(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl Fn(&Checkpoint) -> Result<Vec<f32>> + Send + Sync + 'static,
    ) -> Option<String> {
        let [rows @ .., columns] = shape else { unreachable!("weights are matrices") };
        let (form, values) = (self.weights, Box::new(values));
        let matrix = Arc::new(Matrix { name: name.into(), columns: *columns, form, values });
        let kind = match form {
            WeightForm::F32 => DataType::Float,
            WeightForm::F16 => DataType::Float16,
            WeightForm::Int8 => DataType::Int8,
        };
        self.builder.described(name, shape, kind, Elements::Matrix(matrix.clone()));
        (form == WeightForm::Int8).then(|| {
            let (name, shape) = (tensors::scale(name), [rows, &[1]].concat());
            self.builder.described(&name, &shape, DataType::Float, Elements::Scales(matrix));
            name
        })
    }

    /// Turns stored numbers into floats.
    pub(super) fn restore(
        &mut self,
        scope: &str,
        stored: String,
        scales: Option<String>,
    ) -> String {
        let builder = &mut self.builder;
        match (self.weights, scales) {
            (WeightForm::F32, _) => stored,
            (_, None) => cast(builder, scope, &stored),
            // Cast and Mul: a DequantizeLinear would be fused into an approximate kernel by ONNX Runtime.
            (_, Some(scales)) => {
                let whole = cast(builder, scope, &stored);
                builder.node(scope, "Mul", &[&whole, &scales])
            }
        }
    }

    /// A tensor of the checkpoint as floats under its own name.
    pub(super) fn own_floats(&mut self, name: &str) -> Result<String> {
        if !self.builder.has_constant(name) {
            let values = self.checkpoint.tensors.floats(name)?;
            let shape = self.checkpoint.tensors.shape(name)?.to_vec();
            self.builder.floats(name, &shape, &values);
        }
        Ok(name.into())
    }

    /// Layer normalization; its node's name begins with `prefix`.
    ///
    /// y = (x − mean) / √(variance + ε) · weight + bias (Ba, Kiros, Hinton: *Layer Normalization*, 2016).
    pub(crate) fn layer_norm(&mut self, norm: &Norm, prefix: &str, x: &str) -> Result<String> {
        let mut inputs = vec![x.to_string(), self.own_floats(&tensors::weight(&norm.name))?];
        if norm.bias {
            inputs.push(self.own_floats(&tensors::bias(&norm.name))?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let attributes = vec![integer("axis", -1), float("epsilon", norm.epsilon)];
        let scope = format!("{prefix}{}", norm.name);
        Ok(self.builder.node_with(&scope, "LayerNormalization", &inputs, attributes))
    }
}

/// A value as floats.
pub(super) fn cast(builder: &mut Builder, scope: &str, value: &str) -> String {
    let to = integer("to", DataType::Float as i64);
    builder.node_with(scope, "Cast", &[value], vec![to])
}
