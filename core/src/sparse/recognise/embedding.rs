use super::graph::Graph;
use super::linear::stored;
use super::{Norm, normalization};
use crate::onnx::NodeProto;
use crate::sparse::masked::{Mask, Masked, Weights};

/// The norm of a sum of rows of tables.
pub(crate) struct Embedding {
    pub(crate) sources: Vec<Source>,
    pub(crate) norm: Norm,
}

/// One summand: rows of a table.
pub(crate) struct Source {
    table: Masked,
    pub(crate) rows: Rows,
}

/// Which row a position takes.
pub(crate) enum Rows {
    /// That of its token id.
    Token,
    /// That of its place.
    Position,
    /// Always the same.
    Fixed(usize),
}

impl Source {
    pub(crate) fn table(&self) -> &Masked {
        &self.table
    }
}

/// `value` as an embedding.
pub(super) fn embedding(graph: &Graph, value: &str) -> Option<Embedding> {
    let (norm, sum) = normalization(graph, value)?;
    let mut sources = Vec::new();
    add_sources(graph, sum, &mut sources, graph.node_count())?;
    // Something must say how many positions there are.
    let varied = sources.iter().any(|source| !matches!(source.rows, Rows::Fixed(_)));
    varied.then_some(Embedding { sources, norm })
}

/// Takes sums apart, at most `depth` deep.
fn add_sources(graph: &Graph, value: &str, into: &mut Vec<Source>, depth: usize) -> Option<()> {
    if let Some([a, b]) = graph.apart(value, "Add") {
        let depth = depth.checked_sub(1)?;
        add_sources(graph, a, into, depth)?;
        return add_sources(graph, b, into, depth);
    }
    into.push(source(graph, value)?);
    Some(())
}

/// `value` as rows of a table in one of the weight forms.
fn source(graph: &Graph, value: &str) -> Option<Source> {
    let (table, scales, selection) = if let Some([whole, factors]) = graph.apart(value, "Mul") {
        let (table, rows) = selected(graph, graph.cast(whole)?)?;
        let (scales, scale_rows) = selected(graph, factors)?;
        (rows.same(&scale_rows)).then_some((table, Some(scales), rows))?
    } else {
        let (table, rows) = selected(graph, graph.cast(value).unwrap_or(value))?;
        (table, None, rows)
    };
    let (weights, [rows, columns]) = match scales {
        None => plain(graph, table)?,
        Some(scales) => {
            let tensor = graph.constant(table)?;
            let [rows, columns] = graph.shape(tensor)?;
            let (factors, scales) = graph.floats(scales)?;
            let int8 = tensor.data_type == crate::onnx::DataType::Int8 as i32;
            (int8 && graph.shape(factors)? == [rows, 1]).then_some(())?;
            (Weights::Int8 { values: tensor.raw_data.clone(), scales }, [rows, columns])
        }
    };
    let table = Masked { rows, columns, weights, mask: Mask::NonZero };
    let within = match selection {
        Rows::Fixed(row) => row < rows,
        Rows::Token | Rows::Position => true,
    };
    (within && table.is_sound()).then_some(Source { table, rows: selection })
}

/// A table that is stored as floats of either size.
fn plain(graph: &Graph, name: &str) -> Option<(Weights, [usize; 2])> {
    let tensor = graph.constant(name)?;
    if tensor.data_type != crate::onnx::DataType::Float16 as i32 {
        return stored(graph, name);
    }
    Some((Weights::Half(tensor.raw_data.clone()), graph.shape(tensor)?))
}

/// `value` as rows of a constant: its name, and which rows.
fn selected<'a>(graph: &Graph<'a>, value: &str) -> Option<(&'a str, Rows)> {
    let node: &NodeProto = graph.producer(value)?;
    match node.op_type.as_str() {
        "Gather" if graph.integer(node, "axis", 0) == 0 => {
            let [table, index] = graph.inputs(node)?;
            let rows = match index {
                "input_ids" => Rows::Token,
                constant => Rows::Fixed(graph.index(constant)?),
            };
            Some((table, rows))
        }
        "Slice" => {
            let [table, start, end, axis] = graph.inputs(node)?;
            let shape = graph.node(end, "Shape")?;
            let as_written = graph.integers(start)? == [0]
                && graph.integers(axis)? == [0]
                && graph.inputs(shape)? == ["input_ids"]
                && (graph.integer(shape, "start", 0), graph.integer(shape, "end", 0)) == (1, 2);
            as_written.then_some((table, Rows::Position))
        }
        _ => None,
    }
}

impl Rows {
    fn same(&self, other: &Rows) -> bool {
        match (self, other) {
            (Rows::Token, Rows::Token) | (Rows::Position, Rows::Position) => true,
            (Rows::Fixed(a), Rows::Fixed(b)) => a == b,
            _ => false,
        }
    }
}
