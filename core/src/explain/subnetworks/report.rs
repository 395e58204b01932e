use serde::Serialize;

use super::Subnetworks;
use super::layer::{Layer, ones};
use crate::{Error, ErrorKind, Result};

/// How dense the subnetworks are, what they share and what each has to itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SubnetworkReport {
    /// The K concepts' names.
    pub concepts: Vec<String>,
    /// `[K]`: share of the masked weights that each concept keeps.
    pub density: Vec<f64>,
    /// `[K][K]`: Jaccard similarity (kept by both / kept by either).
    pub overlap: Vec<Vec<f64>>,
    /// `[K]`: share of what a concept keeps that no other concept keeps.
    pub exclusive: Vec<f64>,
    /// Share of the masked weights that at least one concept keeps.
    pub used: f64,
    /// One entry a masked matrix, in the order of the backbone.
    pub layers: Vec<LayerSubnetworks>,
}

/// The same of one matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerSubnetworks {
    /// The linear layer's name in the backbone.
    pub name: String,
    /// Its output size.
    pub rows: usize,
    /// Its input size.
    pub columns: usize,
    /// `[K]`: share of the matrix that each concept keeps.
    pub density: Vec<f64>,
    /// `[K][K]`: Jaccard similarity.
    pub overlap: Vec<Vec<f64>>,
    /// `[K]`: share of what a concept keeps that no other concept keeps.
    pub exclusive: Vec<f64>,
    /// Share of the matrix that at least one concept keeps.
    pub used: f64,
    /// Its neurons: one a row.
    pub neurons: Units,
    /// Its attention heads: groups of rows, in query, key and value matrices of files that say how
    /// many there are.
    pub heads: Option<Units>,
    /// `[K][heads]`: share of the weights into each attention head that each concept keeps.
    pub head_density: Option<Vec<Vec<f64>>>,
}

/// Which concepts use which neurons, or attention heads, of a matrix. A unit serves a concept that
/// keeps at least one weight into it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Units {
    /// How many there are.
    pub count: usize,
    /// `[K]`: indices of the units that serve this concept only.
    pub exclusive: Vec<Vec<usize>>,
    /// Indices of the units that serve no concept.
    pub unused: Vec<usize>,
}

/// Weights counted over one matrix or several.
struct Counts {
    size: usize,
    /// `[K][K]`: kept by both, and by either.
    both: Vec<Vec<usize>>,
    either: Vec<Vec<usize>>,
    /// `[K]`
    alone: Vec<usize>,
    used: usize,
}

impl Subnetworks {
    /// Density, overlap and exclusive use, for the whole backbone and each matrix.
    pub fn report(&self) -> SubnetworkReport {
        let concepts = self.schema.concept_count();
        let counts: Vec<Counts> = self.layers.iter().map(|layer| self.count(layer)).collect();
        let mut whole = Counts::nothing(concepts);
        counts.iter().for_each(|counts| whole.add(counts));
        let layers = self.layers.iter().zip(&counts).map(|(layer, counts)| {
            let heads = self.heads(layer).map(|heads| self.kept_by_unit(layer, heads));
            let head_density = heads.as_ref().map(|kept| {
                let size = layer.rows * layer.columns / kept[0].len();
                let row = |kept: &Vec<usize>| kept.iter().map(|&kept| share(kept, size)).collect();
                kept.iter().map(row).collect()
            });
            LayerSubnetworks {
                name: layer.name.clone(),
                rows: layer.rows,
                columns: layer.columns,
                density: counts.density(),
                overlap: counts.overlap(),
                exclusive: counts.exclusive(),
                used: share(counts.used, counts.size),
                neurons: Units::new(&self.kept_by_unit(layer, layer.rows)),
                heads: heads.as_deref().map(Units::new),
                head_density,
            }
        });
        SubnetworkReport {
            concepts: self.schema.concepts.iter().map(|concept| concept.name.clone()).collect(),
            density: whole.density(),
            overlap: whole.overlap(),
            exclusive: whole.exclusive(),
            used: share(whole.used, whole.size),
            layers: layers.collect(),
        }
    }

    /// `[rows][columns]`: share of the weights that a concept keeps in each cell of a grid over one
    /// matrix; a grid finer than the matrix is as fine as the matrix.
    ///
    /// # Errors
    /// `Input` where the model has no such concept or masked matrix, or the grid no cell.
    pub fn heatmap(
        &self,
        concept: &str,
        layer: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Vec<Vec<f32>>> {
        let mask = self.schema.mask_of(self.schema.concept_index(concept)?);
        let layer = self.layers.iter().find(|known| known.name == layer).ok_or_else(|| {
            let found = format!("'{layer}'");
            Error::new(ErrorKind::Input, "layer", found, "the name of a masked matrix")
        })?;
        if rows == 0 || columns == 0 {
            let found = format!("{rows} × {columns}");
            return Err(Error::new(ErrorKind::Input, "heat map", found, "1 × 1 cells or more"));
        }
        let (rows, columns) = (rows.min(layer.rows), columns.min(layer.columns));
        let mut kept = vec![vec![0usize; columns]; rows];
        let mut size = vec![vec![0usize; columns]; rows];
        for row in 0..layer.rows {
            for column in 0..layer.columns {
                let cell = (row * rows / layer.rows, column * columns / layer.columns);
                size[cell.0][cell.1] += 1;
                kept[cell.0][cell.1] += usize::from(layer.keeps(&layer.masks[mask], row, column));
            }
        }
        let cells = kept.iter().zip(&size).map(|(kept, size)| {
            kept.iter().zip(size).map(|(&kept, &size)| share(kept, size) as f32).collect()
        });
        Ok(cells.collect())
    }

    fn count(&self, layer: &Layer) -> Counts {
        let concepts = self.schema.concept_count();
        let mask = |k: usize| &layer.masks[self.schema.mask_of(k)];
        let pair = |i: usize, j: usize, join: fn(u8, u8) -> u8| {
            let joined: Vec<u8> = mask(i).iter().zip(mask(j)).map(|(&a, &b)| join(a, b)).collect();
            layer.kept(&joined)
        };
        let pairs = |join: fn(u8, u8) -> u8| -> Vec<Vec<usize>> {
            (0..concepts).map(|i| (0..concepts).map(|j| pair(i, j, join)).collect()).collect()
        };
        let union = (0..concepts).map(mask).fold(vec![0u8; mask(0).len()], |mut union, mask| {
            union.iter_mut().zip(mask).for_each(|(kept, bits)| *kept |= bits);
            union
        });
        Counts {
            size: layer.rows * layer.columns,
            both: pairs(|a, b| a & b),
            either: pairs(|a, b| a | b),
            alone: (0..concepts).map(|k| layer.kept(&self.alone(layer, k))).collect(),
            used: ones(&union) * layer.block_rows,
        }
    }

    /// The weights of one matrix that concept k alone keeps; none where all concepts use one mask.
    pub(super) fn alone(&self, layer: &Layer, k: usize) -> Vec<u8> {
        let shares_mask =
            |other| other != k && self.schema.mask_of(other) == self.schema.mask_of(k);
        if (0..self.schema.concept_count()).any(shares_mask) {
            return vec![0; layer.masks[0].len()];
        }
        layer.split(self.schema.mask_of(k)).0
    }

    /// How many attention heads the rows of a matrix are, where they are any.
    fn heads(&self, layer: &Layer) -> Option<usize> {
        // How the backbones name what makes queries, keys and values.
        const PROJECTIONS: [&str; 9] = [
            ".query", ".key", ".value", ".q_lin", ".k_lin", ".v_lin", ".q_proj", ".k_proj",
            ".v_proj",
        ];
        let projection = PROJECTIONS.iter().any(|end| layer.name.ends_with(end));
        self.attention_heads
            .filter(|&heads| projection && heads > 0 && layer.rows.is_multiple_of(heads))
    }

    /// `[K][count]`: weights kept in each of `count` groups of rows of equal size.
    fn kept_by_unit(&self, layer: &Layer, count: usize) -> Vec<Vec<usize>> {
        let height = layer.rows / count;
        let kept = |k: usize, unit: usize| {
            let mask = &layer.masks[self.schema.mask_of(k)];
            (unit * height..(unit + 1) * height).map(|row| layer.kept_in_row(mask, row)).sum()
        };
        let of_concept = |k| (0..count).map(|unit| kept(k, unit)).collect();
        (0..self.schema.concept_count()).map(of_concept).collect()
    }
}

impl Units {
    /// From the weights `[K][count]` kept in each unit.
    fn new(kept: &[Vec<usize>]) -> Units {
        let count = kept[0].len();
        let users = |unit: usize| kept.iter().filter(|kept| kept[unit] > 0).count();
        let only = |kept: &Vec<usize>| {
            (0..count).filter(|&unit| kept[unit] > 0 && users(unit) == 1).collect()
        };
        Units {
            count,
            exclusive: kept.iter().map(only).collect(),
            unused: (0..count).filter(|&unit| users(unit) == 0).collect(),
        }
    }
}

impl Counts {
    fn nothing(concepts: usize) -> Counts {
        let square = vec![vec![0; concepts]; concepts];
        Counts { size: 0, both: square.clone(), either: square, alone: vec![0; concepts], used: 0 }
    }

    fn add(&mut self, other: &Counts) {
        self.size += other.size;
        self.used += other.used;
        let sum = |into: &mut Vec<usize>, from: &Vec<usize>| {
            into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
        };
        self.both.iter_mut().zip(&other.both).for_each(|(into, from)| sum(into, from));
        self.either.iter_mut().zip(&other.either).for_each(|(into, from)| sum(into, from));
        sum(&mut self.alone, &other.alone);
    }

    fn density(&self) -> Vec<f64> {
        (0..self.both.len()).map(|k| share(self.both[k][k], self.size)).collect()
    }

    fn overlap(&self) -> Vec<Vec<f64>> {
        let row = |(both, either): (&Vec<usize>, &Vec<usize>)| {
            both.iter().zip(either).map(|(&both, &either)| share(both, either)).collect()
        };
        self.both.iter().zip(&self.either).map(row).collect()
    }

    fn exclusive(&self) -> Vec<f64> {
        let kept = (0..self.both.len()).map(|k| self.both[k][k]);
        self.alone
            .iter()
            .zip(kept)
            .map(|(&alone, kept)| if kept == 0 { 0.0 } else { share(alone, kept) })
            .collect()
    }
}

/// A part of a whole; two empty masks are alike, so 0 of 0 is all.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
