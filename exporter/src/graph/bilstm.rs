//! The graph of the BiLSTM, in ONNX operators that every engine has: a sequence is flipped by gathering,
//! so that the same cell runs both ways and padding on the right is never read before text.

use sparsecbm::Result;
use sparsecbm::format::tensors;
use sparsecbm::onnx::DataType;
use sparsecbm::schema::Pooling;

use super::builder::{integer, integers};
use super::writer::{Branch, Writer};
use crate::backbone::{BiLstm, Reach};

/// What all branches read.
pub(super) struct Shared {
    /// `[batch, sequence, 2h]`
    attended: String,
}

/// PyTorch has a cell's gates in the order input, forget, cell, output; ONNX has the forget gate third and
/// the cell last.
const GATES: [usize; 4] = [0, 3, 1, 2];

/// Writes the part of the graph that no mask reaches: all but the last layer.
pub(super) fn write_shared(lstm: &BiLstm, writer: &mut Writer) -> Result<Shared> {
    let reversed = writer.reversed_positions();
    let backward_ids = writer.builder.node_with(
        "lstm",
        "GatherElements",
        &[tensors::INPUT_IDS, &reversed],
        vec![integer("axis", 1)],
    );
    let words = writer.words(&lstm.tokens.name, tensors::INPUT_IDS)?;
    let backward_words = match &writer.variables {
        None => writer.token_embedding(&lstm.tokens.name, &backward_ids)?,
        // Gradients are taken by the words themselves, so both directions read them.
        Some(_) => writer.gathered(lstm.tokens.columns, &words, &reversed),
    };
    let [forward_direction, backward_direction] = BiLstm::DIRECTIONS;
    let forward = writer.lstm(lstm, forward_direction, &words)?;
    let backward = writer.lstm(lstm, backward_direction, &backward_words)?;
    let backward = writer.gathered(lstm.hidden_size, &backward, &reversed);
    let padded = writer.checkpoint.schema.pooling == Pooling::PaddedMean;
    // Where the mean goes over padding, padding is read like text.
    let bias = (!padded).then(|| writer.attention_bias(Reach::All));
    let builder = &mut writer.builder;
    let scope = "attention";
    let both =
        builder.node_with("lstm", "Concat", &[&forward, &backward], vec![integer("axis", -1)]);
    let swapped = vec![integers("perm", &[0, 2, 1])];
    let keys = builder.node_with(scope, "Transpose", &[&both], swapped);
    let mut scores = builder.node(scope, "MatMul", &[&both, &keys]);
    if let Some(bias) = bias {
        let head_axis = builder.integers(&[1]);
        let bias = builder.node(scope, "Squeeze", &[&bias, &head_axis]);
        scores = writer.apply_mask(scope, &scores, &bias);
    }
    let builder = &mut writer.builder;
    let weights = builder.node_with(scope, "Softmax", &[&scores], vec![integer("axis", -1)]);
    let attended = builder.node(scope, "MatMul", &[&weights, &both]);
    Ok(Shared { attended })
}

/// Writes the last layer under one mask, and gives the last hidden state.
pub(super) fn write_branch(lstm: &BiLstm, branch: &mut Branch, shared: &Shared) -> Result<String> {
    let each = branch.masked_linear(&lstm.output, &shared.attended)?;
    let scope = branch.scope(&lstm.output.name);
    Ok(branch.writer.positive_evidence(&scope, &each, 1))
}

impl Writer<'_> {
    /// `[batch, sequence]`: for each position the one that takes its place when a text, without its padding,
    /// is flipped.
    fn reversed_positions(&mut self) -> String {
        let scope = "lstm/reversed";
        let read = self.read_positions(scope);
        let numbers = self.position_numbers();
        let builder = &mut self.builder;
        let last = builder.integers(&[1]);
        let length = builder.node(scope, "ReduceSum", &[&read, &last]);
        let one = builder.float(1.0);
        let end = builder.node(scope, "Sub", &[&length, &one]);
        let mirrored = builder.node(scope, "Sub", &[&end, &numbers]);
        let zero = builder.float(0.0);
        let inside = builder.node(scope, "GreaterOrEqual", &[&mirrored, &zero]);
        let index = builder.node(scope, "Where", &[&inside, &mirrored, &numbers]);
        let to = integer("to", DataType::Int64 as i64);
        builder.node_with(scope, "Cast", &[&index], vec![to])
    }

    /// `[batch, sequence, width]` with the positions in another order.
    fn gathered(&mut self, width: usize, values: &str, order: &str) -> String {
        let scope = "lstm/reversed";
        let builder = &mut self.builder;
        let last = builder.integers(&[2]);
        let column = builder.node(scope, "Unsqueeze", &[order, &last]);
        let ones = vec![1_i64; width];
        let bytes = ones.iter().flat_map(|one| one.to_le_bytes()).collect();
        let name = format!("lstm/ones {width}");
        builder.constant(&name, &[1, 1, width], DataType::Int64, bytes);
        let every = builder.node(scope, "Mul", &[&column, &name]);
        let axis = vec![integer("axis", 1)];
        builder.node_with(scope, "GatherElements", &[values, &every], axis)
    }

    /// `[batch, sequence, h]`: the outputs of one direction for word embeddings in its order.
    fn lstm(&mut self, lstm: &BiLstm, direction: &str, words: &str) -> Result<String> {
        let scope = format!("lstm/{direction}");
        let h = lstm.hidden_size;
        let input =
            self.gate_matrix(&format!("lstm.weight_ih_{direction}"), h, lstm.tokens.columns);
        let recurrent = self.gate_matrix(&format!("lstm.weight_hh_{direction}"), h, h);
        let mut biases = Vec::new();
        for part in ["bias_ih", "bias_hh"] {
            let values = self.checkpoint.tensors.floats(&format!("lstm.{part}_{direction}"))?;
            biases.extend(by_gate(&values, h));
        }
        let builder = &mut self.builder;
        let biases = builder.floats(&format!("lstm.bias_{direction}"), &[1, 8 * h], &biases);
        let sequence_first = vec![integers("perm", &[1, 0, 2])];
        let words = builder.node_with(&scope, "Transpose", &[words], sequence_first.clone());
        let inputs = [words.as_str(), &input, &recurrent, &biases];
        let size = vec![integer("hidden_size", h as i64)];
        let outputs = builder.node_with(&scope, "LSTM", &inputs, size);
        let direction_axis = builder.integers(&[1]);
        let outputs = builder.node(&scope, "Squeeze", &[&outputs, &direction_axis]);
        Ok(builder.node_with(&scope, "Transpose", &[&outputs], sequence_first))
    }

    /// `[1, 4h, columns]`: a matrix of all gates in ONNX's order.
    fn gate_matrix(&mut self, name: &str, h: usize, columns: usize) -> String {
        let own = name.to_string();
        let scales = self.store(name, &[4 * h, columns], move |checkpoint| {
            Ok(by_gate(&checkpoint.tensors.floats(&own)?, h * columns))
        });
        let matrix = self.restore(name, name.into(), scales);
        let direction = self.builder.integers(&[0]);
        self.builder.node(name, "Unsqueeze", &[&matrix, &direction])
    }
}

/// Four gates of `size` numbers each, in ONNX's order.
fn by_gate(values: &[f32], size: usize) -> Vec<f32> {
    GATES.iter().flat_map(|&gate| &values[gate * size..(gate + 1) * size]).copied().collect()
}
