//! NumPy arrays over what Rust holds.

use numpy::ndarray::{ArrayView, Dimension};
use numpy::{PyArray, PyArrayMethods};
use pyo3::prelude::*;

/// A read-only array over `values`, without a copy. It keeps `owner` alive.
///
/// # Safety
/// `values` lie in memory that `owner` holds, unmoved and unchanged, as long as it lives.
pub(crate) unsafe fn shared<'py, D: Dimension>(
    values: ArrayView<'_, f32, D>,
    owner: Bound<'py, PyAny>,
) -> Bound<'py, PyArray<f32, D>> {
    // SAFETY: as the caller promises.
    let array = unsafe { PyArray::borrow_from_array(&values, owner) };
    // What Rust holds is read by others: nobody may write to it.
    array.readwrite().make_nonwriteable();
    array
}
