use numpy::ndarray::Array2;
use numpy::{PyArray2, ToPyArray};
use pyo3::prelude::*;

use crate::error::to_python;
use crate::report::report;

/// Which weights each concept of a model uses.
#[pyclass(frozen, module = "sparsecbm")]
pub(crate) struct Subnetworks {
    inner: sparsecbm::explain::Subnetworks,
}

impl Subnetworks {
    pub(crate) fn new(inner: sparsecbm::explain::Subnetworks) -> Subnetworks {
        Subnetworks { inner }
    }
}

#[pymethods]
impl Subnetworks {
    /// Density, overlap and exclusive use, for the whole backbone and each matrix; shares from 0 to 1.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &py.detach(|| self.inner.report()))
    }

    /// [rows, columns]: share of the weights that a concept keeps in each cell of a grid over one matrix.
    ///
    /// A grid finer than the matrix is as fine as the matrix.
    #[pyo3(signature = (concept, layer, *, rows=64, columns=64))]
    fn heatmap<'py>(
        &self,
        py: Python<'py>,
        concept: &str,
        layer: &str,
        rows: usize,
        columns: usize,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let grid = py.detach(|| self.inner.heatmap(concept, layer, rows, columns));
        let grid = grid.map_err(to_python)?;
        let width = grid.first().map_or(0, Vec::len);
        let cells = grid.iter().flatten().copied().collect();
        let grid = Array2::from_shape_vec((grid.len(), width), cells).expect("rows of one length");
        Ok(grid.to_pyarray(py))
    }

    fn __repr__(&self) -> String {
        let report = self.inner.report();
        let kept = report.concepts.iter().zip(&report.density);
        let kept: Vec<String> =
            kept.map(|(name, density)| format!("{name} {:.1} %", 100.0 * density)).collect();
        format!("Subnetworks(of {} matrices each keeps: {})", report.layers.len(), kept.join(", "))
    }

    /// For notebooks: the part of `inspect --html` that draws them.
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| sparsecbm_cli::report::subnetworks_fragment(&self.inner)).map_err(to_python)
    }
}
