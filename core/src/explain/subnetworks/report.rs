use serde::Serialize;

use super::{Subnetworks, split};
use crate::error::{Error, ErrorKind, Result};
use crate::masks::{Mask, MaskSet, fraction};

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
        let counts: Vec<Counts> = self.sets.iter().map(|layer| self.count(layer)).collect();
        let mut whole = Counts::nothing(concepts);
        counts.iter().for_each(|counts| whole.add(counts));
        let layers = self.sets.iter().zip(&counts).map(|(layer, counts)| {
            let heads = self.heads(layer).map(|heads| self.kept_by_unit(layer, heads));
            let head_density = heads.as_ref().map(|kept| {
                let size = layer.rows() * layer.columns() / kept[0].len();
                let row =
                    |kept: &Vec<usize>| kept.iter().map(|&kept| fraction(kept, size)).collect();
                kept.iter().map(row).collect()
            });
            LayerSubnetworks {
                name: layer.layer().into(),
                rows: layer.rows(),
                columns: layer.columns(),
                density: counts.density(),
                overlap: counts.overlap(),
                exclusive: counts.exclusive(),
                used: fraction(counts.used, counts.size),
                neurons: Units::new(&self.kept_by_unit(layer, layer.rows())),
                heads: heads.as_deref().map(Units::new),
                head_density,
            }
        });
        SubnetworkReport {
            concepts: self.schema.concepts.iter().map(|concept| concept.name.clone()).collect(),
            density: whole.density(),
            overlap: whole.overlap(),
            exclusive: whole.exclusive(),
            used: fraction(whole.used, whole.size),
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
        let concept = self.schema.concept_index(concept)?;
        let layer = self.sets.iter().find(|known| known.layer() == layer).ok_or_else(|| {
            let found = format!("'{layer}'");
            Error::new(ErrorKind::Input, "layer", found, "the name of a masked matrix")
        })?;
        if rows == 0 || columns == 0 {
            let found = format!("{rows} × {columns}");
            return Err(Error::new(ErrorKind::Input, "heat map", found, "1 × 1 cells or more"));
        }
        let (rows, columns) = (rows.min(layer.rows()), columns.min(layer.columns()));
        let mask = layer.mask(self.schema.mask_of(concept));
        let mut kept = vec![vec![0usize; columns]; rows];
        let mut size = vec![vec![0usize; columns]; rows];
        for row in 0..layer.rows() {
            for column in 0..layer.columns() {
                let cell = (row * rows / layer.rows(), column * columns / layer.columns());
                size[cell.0][cell.1] += 1;
                kept[cell.0][cell.1] += usize::from(mask.keeps_weight(row, column));
            }
        }
        let cells = kept.iter().zip(&size).map(|(kept, size)| {
            kept.iter().zip(size).map(|(&kept, &size)| fraction(kept, size) as f32).collect()
        });
        Ok(cells.collect())
    }

    fn count(&self, layer: &MaskSet) -> Counts {
        let concepts = self.schema.concept_count();
        let masks = self.masks(layer);
        let pairs = |join: fn(&Mask, &Mask) -> Mask| -> Vec<Vec<usize>> {
            let row = |a| masks.iter().map(|b| join(a, b).kept_weights()).collect();
            masks.iter().map(row).collect()
        };
        let union = masks.iter().fold(masks[0].nothing(), |union, mask| union.or(mask));
        Counts {
            size: layer.rows() * layer.columns(),
            both: pairs(Mask::and),
            either: pairs(Mask::or),
            alone: (0..concepts).map(|k| split(&self.schema, layer, k).0.kept_weights()).collect(),
            used: union.kept_weights(),
        }
    }

    /// Of each concept, the mask that it uses.
    fn masks(&self, layer: &MaskSet) -> Vec<Mask> {
        (0..self.schema.concept_count()).map(|k| layer.mask(self.schema.mask_of(k))).collect()
    }

    /// How many attention heads the rows of a matrix are, where they are any.
    fn heads(&self, layer: &MaskSet) -> Option<usize> {
        // How the backbones name what makes queries, keys and values.
        const PROJECTIONS: [&str; 9] = [
            ".query", ".key", ".value", ".q_lin", ".k_lin", ".v_lin", ".q_proj", ".k_proj",
            ".v_proj",
        ];
        let projection = PROJECTIONS.iter().any(|end| layer.layer().ends_with(end));
        self.attention_heads
            .filter(|&heads| projection && heads > 0 && layer.rows().is_multiple_of(heads))
    }

    /// `[K][count]`: weights kept in each of `count` groups of rows of equal size.
    fn kept_by_unit(&self, layer: &MaskSet, count: usize) -> Vec<Vec<usize>> {
        let height = layer.rows() / count;
        let kept = |mask: &Mask, unit: usize| {
            (unit * height..(unit + 1) * height).map(|row| mask.kept_in_row(row)).sum()
        };
        let of_concept = |mask: &Mask| (0..count).map(|unit| kept(mask, unit)).collect();
        self.masks(layer).iter().map(of_concept).collect()
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
        (0..self.both.len()).map(|k| fraction(self.both[k][k], self.size)).collect()
    }

    fn overlap(&self) -> Vec<Vec<f64>> {
        let row = |(both, either): (&Vec<usize>, &Vec<usize>)| {
            both.iter().zip(either).map(|(&both, &either)| fraction(both, either)).collect()
        };
        self.both.iter().zip(&self.either).map(row).collect()
    }

    fn exclusive(&self) -> Vec<f64> {
        let kept = (0..self.both.len()).map(|k| self.both[k][k]);
        self.alone
            .iter()
            .zip(kept)
            .map(|(&alone, kept)| if kept == 0 { 0.0 } else { fraction(alone, kept) })
            .collect()
    }
}
