use super::parts::{Activation, LinearLayer, Norm, Table};

/// A backbone of stacked attention and feed-forward blocks.
#[derive(Debug, Clone)]
pub(crate) struct Transformer {
    pub(crate) tokens: Table,
    /// From the size of the token embeddings to that of the layers.
    pub(crate) project_in: Option<LinearLayer>,
    pub(crate) positions: Option<Positions>,
    /// Of which the first row is added everywhere: every text is one segment.
    pub(crate) segments: Option<Table>,
    pub(crate) embedding_norm: Option<Norm>,
    pub(crate) norm_place: NormPlace,
    pub(crate) layers: Vec<TransformerLayer>,
    pub(crate) final_norm: Option<Norm>,
    /// From the size of the layers to that of the last hidden state.
    pub(crate) project_out: Option<LinearLayer>,
    /// d inside the layers.
    pub(crate) hidden_size: usize,
    /// How many positions it can read.
    pub(crate) longest: usize,
}

/// Learned position embeddings: position s of a text reads row `first` + s.
#[derive(Debug, Clone)]
pub(crate) struct Positions {
    pub(crate) table: Table,
    pub(crate) first: usize,
    /// The row that padding reads; `None` where padding is counted on like text.
    pub(crate) padding: Option<usize>,
}

/// Where the norms of a layer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormPlace {
    /// x + block(norm(x))
    Before,
    /// norm(x + block(x))
    After,
}

/// An attention block and a feed-forward block.
#[derive(Debug, Clone)]
pub(crate) struct TransformerLayer {
    pub(crate) name: String,
    pub(crate) attention: AttentionBlock,
    pub(crate) attention_norm: Option<Norm>,
    pub(crate) feed_forward: FeedForward,
    pub(crate) feed_forward_norm: Option<Norm>,
}

/// Multi-head self-attention.
#[derive(Debug, Clone)]
pub(crate) struct AttentionBlock {
    /// What its own nodes are called.
    pub(crate) name: String,
    pub(crate) projections: Projections,
    pub(crate) output: LinearLayer,
    pub(crate) heads: usize,
    pub(crate) head_size: usize,
    pub(crate) reach: Reach,
    /// The base of rotary position embeddings.
    pub(crate) rotary: Option<f32>,
}

/// The layers that give query, key and value.
#[derive(Debug, Clone)]
pub(crate) enum Projections {
    Separate {
        query: LinearLayer,
        key: LinearLayer,
        value: LinearLayer,
    },
    /// One layer gives all three, one after the other.
    Joined(LinearLayer),
}

/// Which tokens a position sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    All,
    /// Itself and those before it.
    Causal,
    /// Those at most this many positions away.
    Near(usize),
}

/// outer(activation(inner(x))); where `gated`, inner gives two halves a and b, and activation(a) · b goes on.
#[derive(Debug, Clone)]
pub(crate) struct FeedForward {
    pub(crate) inner: LinearLayer,
    pub(crate) activation: Activation,
    pub(crate) gated: bool,
    pub(crate) outer: LinearLayer,
}

impl Projections {
    fn layers(&self) -> Vec<&LinearLayer> {
        match self {
            Projections::Separate { query, key, value } => vec![query, key, value],
            Projections::Joined(layer) => vec![layer],
        }
    }
}

impl Transformer {
    /// d, the size of the last hidden state.
    pub(super) fn output_size(&self) -> usize {
        self.project_out.as_ref().map_or(self.hidden_size, |layer| layer.rows)
    }

    pub(super) fn linear_layers(&self) -> Vec<LinearLayer> {
        let of_layer = |layer: &TransformerLayer| {
            let mut layers = layer.attention.projections.layers();
            layers.extend([
                &layer.attention.output,
                &layer.feed_forward.inner,
                &layer.feed_forward.outer,
            ]);
            layers.into_iter().cloned().collect::<Vec<_>>()
        };
        let first = self.project_in.clone().into_iter();
        let last = self.project_out.clone();
        first.chain(self.layers.iter().flat_map(of_layer)).chain(last).collect()
    }

    /// Embeddings and norms; biases of linear layers are not among them.
    pub(super) fn dense_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let positions = self.positions.as_ref().map(|positions| &positions.table);
        let tables = [Some(&self.tokens), positions, self.segments.as_ref()];
        let of_layers = self
            .layers
            .iter()
            .flat_map(|layer| [layer.attention_norm.as_ref(), layer.feed_forward_norm.as_ref()]);
        let norms = [self.embedding_norm.as_ref(), self.final_norm.as_ref()];
        let norms = norms.into_iter().chain(of_layers).flatten().flat_map(Norm::tensors);
        tables.into_iter().flatten().map(Table::tensor).chain(norms).collect()
    }
}
