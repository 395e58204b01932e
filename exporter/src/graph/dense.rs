//! What no mask reaches: embeddings, norms, and constants from the checkpoint.

use sparsecbm::Result;
use sparsecbm::onnx::DataType;

use super::builder::{Builder, float, integer};
use super::writer::Writer;
use crate::weights::{Stored, WeightForm};

impl Writer<'_> {
    /// The sum of two values.
    pub(crate) fn add(&mut self, scope: &str, a: &str, b: &str) -> String {
        self.builder.node(scope, "Add", &[a, b])
    }

    /// The entries of an embedding table for `input_ids`.
    pub(crate) fn token_embedding(&mut self, table: &str) -> Result<String> {
        self.table_rows(table, |builder, rows| builder.node(table, "Gather", &[rows, "input_ids"]))
    }

    /// The first entries of an embedding table, one a position.
    pub(crate) fn position_embedding(&mut self, table: &str) -> Result<String> {
        let attributes = vec![integer("start", 1), integer("end", 2)];
        let length = self.builder.node_with(table, "Shape", &["input_ids"], attributes);
        let zero = self.builder.integers(&[0]);
        self.table_rows(table, |builder, rows| {
            builder.node(table, "Slice", &[rows, &zero, &length, &zero])
        })
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
        let name = format!("{table}.weight");
        let values = self.checkpoint.tensors.floats(&name)?;
        let shape = self.checkpoint.tensors.shape(&name)?.to_vec();
        let scales = self.store(&name, &shape, values)?;
        let selected = select(&mut self.builder, &name);
        let scales = scales.map(|scales| select(&mut self.builder, &scales));
        Ok(self.restore(table, selected, scales))
    }

    /// Adds a matrix in the weight form, and where that is int8, its factors, which it names.
    pub(super) fn store(
        &mut self,
        name: &str,
        shape: &[usize],
        values: Vec<f32>,
    ) -> Result<Option<String>> {
        let [rows, columns] = *shape else { unreachable!("weights are matrices") };
        let builder = &mut self.builder;
        Ok(match Stored::new(self.weights, values, columns, name)? {
            Stored::F32(values) => {
                builder.floats(name, shape, &values);
                None
            }
            Stored::F16(values) => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                builder.constant(name, shape, DataType::Float16, bytes);
                None
            }
            Stored::Int8 { values, scales } => {
                let bytes = values.iter().map(|value| value.cast_unsigned()).collect();
                builder.constant(name, shape, DataType::Int8, bytes);
                Some(builder.floats(&format!("{name}_scale"), &[rows, 1], &scales))
            }
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

    /// Layer normalization with the tensors of `norm`; its node's name begins with `prefix`.
    ///
    /// y = (x − mean) / √(variance + ε) · weight + bias (Ba, Kiros, Hinton: *Layer Normalization*, 2016).
    pub(crate) fn layer_norm(
        &mut self,
        norm: &str,
        prefix: &str,
        x: &str,
        epsilon: f32,
    ) -> Result<String> {
        let weight = self.own_floats(&format!("{norm}.weight"))?;
        let bias = self.own_floats(&format!("{norm}.bias"))?;
        let attributes = vec![integer("axis", -1), float("epsilon", epsilon)];
        let (scope, inputs) = (format!("{prefix}{norm}"), [x, &weight, &bias]);
        Ok(self.builder.node_with(&scope, "LayerNormalization", &inputs, attributes))
    }
}

/// A value as floats.
pub(super) fn cast(builder: &mut Builder, scope: &str, value: &str) -> String {
    let to = integer("to", DataType::Float as i64);
    builder.node_with(scope, "Cast", &[value], vec![to])
}
