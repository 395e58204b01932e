use super::graph::Graph;
use super::linear::stored;
use super::{Norm, normalization};
use crate::onnx::{DataType, NodeProto};
use crate::sparse::masked::{Masked, Weights};

/// A sum of rows of tables, under a norm where there is one.
pub(crate) struct Embedding {
    /// One at least.
    pub(crate) sources: Vec<Source>,
    pub(crate) norm: Option<Norm>,
}

impl Embedding {
    /// Channels that it gives.
    pub(crate) fn size(&self) -> usize {
        self.sources[0].table().columns
    }

    pub(super) fn agrees(&self) -> bool {
        let size = self.size();
        self.sources.iter().all(|source| source.table().columns == size)
            && self.norm.as_ref().is_none_or(|norm| norm.weight.len() == size)
    }
}

/// One summand: rows of a table.
pub(crate) struct Source {
    table: Masked,
    pub(crate) rows: Rows,
}

/// Which row a position takes.
#[derive(PartialEq)]
pub(crate) enum Rows {
    /// That of its token id.
    Token,
    /// That of its place, which is row `first` for the first position; padding that of `padding`, if that is any.
    Position { first: usize, padding: Option<usize> },
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
    let (norm, sum) = normalization(graph, value).unzip();
    let sum = sum.unwrap_or(value);
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
        (rows == scale_rows).then_some((table, Some(scales), rows))?
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
            let int8 = tensor.data_type == DataType::Int8 as i32;
            (int8 && graph.shape(factors)? == [rows, 1]).then_some(())?;
            (Weights::Int8 { values: tensor.raw_data.clone(), scales }, [rows, columns])
        }
    };
    let table = Masked { rows, columns, weights, mask: None };
    let within = match selection {
        Rows::Fixed(row) => row < rows,
        Rows::Token | Rows::Position { .. } => true,
    };
    (within && table.is_sound()).then_some(Source { table, rows: selection })
}

/// A table that is stored as floats of either size.
fn plain(graph: &Graph, name: &str) -> Option<(Weights, [usize; 2])> {
    let tensor = graph.constant(name)?;
    if tensor.data_type != DataType::Float16 as i32 {
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
                constant if graph.constant(constant).is_some() => {
                    Rows::Fixed(graph.index(constant)?)
                }
                computed => apart_from_padding(graph, computed)?,
            };
            Some((table, rows))
        }
        "Slice" => {
            let (table, first) = graph.places(value)?;
            Some((table, Rows::Position { first, padding: None }))
        }
        _ => None,
    }
}

/// `value` as the rows that positions take, padding a row of its own.
fn apart_from_padding(graph: &Graph, value: &str) -> Option<Rows> {
    let [attended, rows, padding] = graph.apart(graph.cast_to(value, DataType::Int64)?, "Where")?;
    let [numbers, first] = graph.apart(rows, "Add")?;
    let first = whole(graph.scalar(first)?)?;
    let padding = Some(whole(graph.scalar(padding)?)?);
    let as_written = graph.is_place(numbers) && graph.is_attended(attended);
    as_written.then_some(Rows::Position { first, padding })
}

/// A float as the row that it says.
fn whole(number: f32) -> Option<usize> {
    (number >= 0.0 && number.fract() == 0.0 && number < f32::from(u16::MAX))
        .then_some(number as usize)
}
