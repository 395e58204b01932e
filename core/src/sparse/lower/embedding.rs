use super::graph::Graph;
use super::linear::stored;
use super::mismatch::{Matched, Mismatch, require};
use super::{Norm, normalization};
use crate::format::tensors;
use crate::onnx::DataType;
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

    /// Goes on where all tables and the norm have as many channels.
    pub(super) fn require_sizes(&self) -> Matched<()> {
        let size = self.size();
        if let Some(source) = self.sources.iter().find(|source| source.table().columns != size) {
            let found = format!("{} channels", source.table().columns);
            return Err(Mismatch::at_constant(&source.name, format!("{size} channels"), found));
        }
        self.norm.as_ref().map_or(Ok(()), |norm| norm.require(size))
    }
}

/// One summand: rows of a table.
pub(crate) struct Source {
    name: String,
    table: Masked,
    pub(crate) rows: Rows,
}

/// Which row a position takes.
#[derive(PartialEq)]
pub(crate) enum Rows {
    /// That of its token id.
    Token,
    /// That of its number, which is row `first` for the first position; padding that of `padding`, if that is any.
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
pub(super) fn embedding(graph: &Graph, value: &str) -> Matched<Embedding> {
    let (norm, sum) = match graph.is(value, "LayerNormalization") {
        true => {
            let (norm, sum) = normalization(graph, value)?;
            (Some(norm), sum)
        }
        false => (None, value),
    };
    let mut sources = Vec::new();
    add_sources(graph, sum, &mut sources, graph.node_count())?;
    // Something must say how many positions there are.
    let varied = sources.iter().any(|source| !matches!(source.rows, Rows::Fixed(_)));
    match varied {
        true => Ok(Embedding { sources, norm }),
        false => Err(graph.other(sum, "a row for each token or position")),
    }
}

/// Whether `value` is rows of a table of one number form, and nothing that was computed of them.
pub(super) fn is_rows(graph: &Graph, value: &str) -> bool {
    let scaled = || graph.apart::<2>(value, "Mul").is_ok_and(|[rows, _]| graph.is(rows, "Cast"));
    graph.is(value, "Gather") || graph.is(value, "Cast") || scaled()
}

/// Takes sums apart, at most `depth` deep.
fn add_sources(graph: &Graph, value: &str, into: &mut Vec<Source>, depth: usize) -> Matched<()> {
    if graph.is(value, "Add") {
        let [a, b] = graph.apart(value, "Add")?;
        let depth = depth.checked_sub(1).ok_or_else(|| graph.other(value, "a sum that ends"))?;
        add_sources(graph, a, into, depth)?;
        return add_sources(graph, b, into, depth);
    }
    into.push(source(graph, value)?);
    Ok(())
}

/// `value` as rows of a table in one of the weight forms.
fn source(graph: &Graph, value: &str) -> Matched<Source> {
    if graph.is(value, "Mul") {
        let node = graph.node(value, "Mul")?;
        let [whole, factors] = graph.inputs(node)?;
        let (name, rows) = selected(graph, graph.cast(whole)?)?;
        let (scales, scale_rows) = selected(graph, factors)?;
        require(node, rows == scale_rows, "factors of the same rows", "of others")?;
        let (tensor, sizes @ [count, _]) = graph.typed(name, DataType::Int8)?;
        let (factors, scales) = graph.floats(scales)?;
        graph.require_shape(factors, [count, 1])?;
        let weights = Weights::Int8 { values: tensor.raw_data.clone(), scales };
        return table(name, weights, sizes, rows);
    }
    let rows = if graph.is(value, "Cast") { graph.cast(value)? } else { value };
    let (name, rows) = selected(graph, rows)?;
    let (weights, sizes) = plain(graph, name)?;
    table(name, weights, sizes, rows)
}

fn table(
    name: &str,
    weights: Weights,
    [rows, columns]: [usize; 2],
    selection: Rows,
) -> Matched<Source> {
    let table = Masked { rows, columns, weights, mask: None };
    if let Rows::Fixed(row) = selection
        && row >= rows
    {
        let found = format!("row {row} of {rows}");
        return Err(Mismatch::at_constant(name, "a row that is there", found));
    }
    match table.has_its_size() && table.is_finite() {
        true => Ok(Source { name: name.into(), table, rows: selection }),
        false => {
            let expected = "finite numbers, as many as the shape says";
            Err(Mismatch::at_constant(name, expected, "others"))
        }
    }
}

/// A table that is stored as floats of either size.
fn plain(graph: &Graph, name: &str) -> Matched<(Weights, [usize; 2])> {
    let tensor = graph.constant(name)?;
    if tensor.data_type != DataType::Float16 as i32 {
        return stored(graph, name);
    }
    Ok((Weights::Half(tensor.raw_data.clone()), graph.shape(tensor)?))
}

/// `value` as rows of a constant: its name, and which rows.
fn selected<'a>(graph: &Graph<'a>, value: &str) -> Matched<(&'a str, Rows)> {
    let expected = "Gather or Slice of a table of embeddings";
    let node = graph.producer(value, expected)?;
    match node.op_type.as_str() {
        "Gather" => {
            let [table, index] = graph.inputs(node)?;
            graph.require_integer(node, "axis", 0, 0)?;
            let rows = match index {
                tensors::INPUT_IDS => Rows::Token,
                constant if graph.is_constant(constant) => Rows::Fixed(graph.index(constant)?),
                computed => apart_from_padding(graph, computed)?,
            };
            Ok((table, rows))
        }
        "Slice" => {
            let (table, first) = graph.rows_by_position(value)?;
            Ok((table, Rows::Position { first, padding: None }))
        }
        _ => Err(graph.other(value, expected)),
    }
}

/// `value` as the rows that positions take, padding a row of its own.
fn apart_from_padding(graph: &Graph, value: &str) -> Matched<Rows> {
    let choice = graph.node(graph.cast_to(value, DataType::Int64)?, "Where")?;
    let [attended, rows, padding] = graph.inputs(choice)?;
    let sum = graph.node(rows, "Add")?;
    let [numbers, first] = graph.inputs(sum)?;
    let first = graph.whole(first)?;
    let padding = Some(graph.whole(padding)?);
    graph.require_position_numbers(numbers)?;
    graph.require_attended(attended)?;
    Ok(Rows::Position { first, padding })
}
