use sparsecbm::format::tensors;

/// A linear layer, which has masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinearLayer {
    /// Its name in the backbone, without `.weight`.
    pub(crate) name: String,
    /// Outputs.
    pub(crate) rows: usize,
    /// Inputs.
    pub(crate) columns: usize,
    /// Whether it adds a bias.
    pub(crate) bias: bool,
    pub(crate) orientation: Orientation,
}

/// How a checkpoint holds the weight of a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orientation {
    /// `[out, in]`, as PyTorch's `Linear` does.
    OutIn,
    /// `[in, out]`, as GPT-2's `Conv1D` does.
    InOut,
}

impl LinearLayer {
    /// A layer with a bias, as PyTorch's `Linear` is by default.
    pub(crate) fn new(name: String, rows: usize, columns: usize) -> LinearLayer {
        LinearLayer { name, rows, columns, bias: true, orientation: Orientation::OutIn }
    }

    pub(crate) fn with_bias(self, bias: bool) -> LinearLayer {
        LinearLayer { bias, ..self }
    }

    pub(crate) fn stored(self, orientation: Orientation) -> LinearLayer {
        LinearLayer { orientation, ..self }
    }

    pub(crate) fn weight_name(&self) -> String {
        tensors::weight(&self.name)
    }

    pub(crate) fn bias_name(&self) -> String {
        tensors::bias(&self.name)
    }

    /// The shape in which a checkpoint holds the weight, and masks of single weights.
    pub(crate) fn stored_shape(&self) -> [usize; 2] {
        match self.orientation {
            Orientation::OutIn => [self.rows, self.columns],
            Orientation::InOut => [self.columns, self.rows],
        }
    }

    /// Row-major values of the stored shape as `[out, in]`.
    pub(crate) fn as_out_in<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        match self.orientation {
            Orientation::OutIn => values,
            Orientation::InOut => (0..self.rows)
                .flat_map(|row| values.iter().skip(row).step_by(self.rows).copied())
                .collect(),
        }
    }
}

/// A table of embeddings: `name.weight`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Table {
    pub(crate) fn new(name: &str, rows: usize, columns: usize) -> Table {
        Table { name: name.into(), rows, columns }
    }

    pub(crate) fn weight_name(&self) -> String {
        format!("{}.weight", self.name)
    }

    pub(super) fn tensor(&self) -> (String, Vec<usize>) {
        (self.weight_name(), vec![self.rows, self.columns])
    }
}

/// A layer norm: `name.weight` and perhaps `name.bias`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Norm {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) epsilon: f32,
    pub(crate) bias: bool,
}

impl Norm {
    pub(super) fn tensors(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        let bias = self.bias.then(|| format!("{}.bias", self.name));
        [Some(format!("{}.weight", self.name)), bias]
            .into_iter()
            .flatten()
            .map(|name| (name, vec![self.size]))
    }
}

/// What stands between the two layers of a feed-forward block, by Hugging Face's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// x · Φ(x), exactly, by the error function (Hendrycks, Gimpel: *Gaussian Error Linear Units*, 2016).
    Gelu,
    /// The same source's approximation: 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    GeluNew,
    /// max(x, 0)
    Relu,
}
