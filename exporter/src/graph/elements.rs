//! Elements of constants that a graph does not hold: they are made from the checkpoint when they are written.

use std::sync::Arc;

use sparsecbm::Result;

use crate::backbone::LinearLayer;
use crate::checkpoint::Checkpoint;
use crate::weights::{Stored, WeightForm};

/// How many numbers are turned into a weight form at once.
const PIECE: usize = 1 << 18;

/// What the elements of a constant are.
#[derive(Clone)]
pub(crate) enum Elements {
    /// A matrix as the weight form stores it.
    Matrix(Arc<Matrix>),
    /// The factors of the matrix, one a row.
    Scales(Arc<Matrix>),
    /// The bits of all masks of a layer.
    Masks(LinearLayer),
}

/// Makes numbers from a checkpoint.
pub(super) type Values = Box<dyn Fn(&Checkpoint) -> Result<Vec<f32>> + Send + Sync>;

/// One matrix or several, row-major, made from a checkpoint.
pub(crate) struct Matrix {
    /// What is named in errors.
    pub(super) name: String,
    pub(super) columns: usize,
    pub(super) form: WeightForm,
    pub(super) values: Values,
}

impl Elements {
    /// Calls `write` with the elements as a file holds them, little-endian, piece by piece.
    ///
    /// # Errors
    /// `Input` where a weight does not fit the form, `Model` where one is no number, `Io` where the checkpoint
    /// can no longer be read; those of `write`.
    pub(crate) fn write(
        &self,
        checkpoint: &Checkpoint,
        write: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match self {
            Elements::Matrix(matrix) => {
                matrix.pieces(checkpoint, |stored| write(&stored.elements()))
            }
            Elements::Scales(matrix) => {
                matrix.pieces(checkpoint, |stored| write(&stored.factors()))
            }
            Elements::Masks(layer) => write(checkpoint.masks(layer)?.bits()),
        }
    }
}

impl Matrix {
    fn pieces(
        &self,
        checkpoint: &Checkpoint,
        mut read: impl FnMut(Stored) -> Result<()>,
    ) -> Result<()> {
        let rows = (PIECE / self.columns).max(1);
        for piece in (self.values)(checkpoint)?.chunks(rows * self.columns) {
            read(Stored::new(self.form, piece.to_vec(), self.columns, &self.name)?)?;
        }
        Ok(())
    }
}
