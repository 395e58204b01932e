use std::ffi::{CString, c_char, c_void};

use sparsecbm::explain::SubnetworkReport;

use crate::arguments::{Out, array, element, reference, string};
use crate::names::{self, c_string};
use crate::status::{Failure, Status, entry, free};

/// Which weights of an exported model each concept uses. Never changes, so any number of threads may use
/// one at the same time. Needs neither the file nor a model any more. Freed by `scbm_subnetworks_free`.
pub struct Subnetworks {
    report: SubnetworkReport,
    concepts: Vec<CString>,
    layers: Vec<CString>,
    json: CString,
}

/// How much there is of a model's subnetworks.
#[repr(C)]
pub struct SubnetworksInfo {
    /// K, the number of concepts.
    pub concept_count: usize,
    /// The number of masked matrices.
    pub layer_count: usize,
    /// Share of the masked weights that at least one concept keeps.
    pub used: f64,
}

/// The weights that one concept uses, over all masked matrices. Its pointers live as long as the
/// subnetworks.
#[repr(C)]
pub struct Subnetwork {
    /// The concept's name.
    pub concept_name: *const c_char,
    /// Share of the masked weights that the concept keeps.
    pub density: f64,
    /// Share of what the concept keeps that no other concept keeps.
    pub exclusive: f64,
    /// K numbers: Jaccard similarity with each concept (kept by both / kept by either).
    pub overlap: *const f64,
}

/// One masked matrix. Its pointers live as long as the subnetworks.
#[repr(C)]
pub struct Layer {
    /// The linear layer's name in the backbone.
    pub name: *const c_char,
    /// Its output size.
    pub rows: usize,
    /// Its input size.
    pub columns: usize,
    /// Share of the matrix that at least one concept keeps.
    pub used: f64,
    /// K numbers: share of the matrix that each concept keeps.
    pub density: *const f64,
    /// K numbers: share of what each concept keeps that no other concept keeps.
    pub exclusive: *const f64,
}

/// Reads from an exported file which weights each concept uses.
///
/// `path`: UTF-8, ends in a zero byte. `subnetworks`: receives them, the caller's to free. Threads: any.
/// Errors: `IO`, `FORMAT`, `VERSION`, `MODEL` where masks are missing or of a wrong shape, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_subnetworks_load(
    path: *const c_char,
    subnetworks: *mut *mut Subnetworks,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (path, out) = unsafe { (string(path, "path")?, Out::new(subnetworks, "subnetworks")?) };
        out.write(Subnetworks::new(sparsecbm::explain::Subnetworks::load(path)?)?);
        Ok(())
    })
}

/// Reads from an exported file in memory which weights each concept uses.
///
/// `bytes`: `length` bytes, not needed after the call. Else as `scbm_subnetworks_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_subnetworks_from_memory(
    bytes: *const c_void,
    length: usize,
    subnetworks: *mut *mut Subnetworks,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (bytes, out) = unsafe {
            (array::<u8>(bytes.cast(), length, "bytes")?, Out::new(subnetworks, "subnetworks")?)
        };
        out.write(Subnetworks::new(sparsecbm::explain::Subnetworks::from_bytes(bytes.to_vec())?)?);
        Ok(())
    })
}

/// Frees subnetworks; NULL is fine. What was read from them is gone with them. Threads: any, when no other
/// is in a call that was given them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_subnetworks_free(subnetworks: *mut Subnetworks) {
    // SAFETY: as the caller promises.
    unsafe { free(subnetworks) }
}

/// How much there is.
///
/// `info`: receives it. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_subnetworks_get_info(
    subnetworks: *const Subnetworks,
    info: *mut SubnetworksInfo,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(subnetworks, info, "info", |subnetworks| {
            Ok(SubnetworksInfo {
                concept_count: subnetworks.concepts.len(),
                layer_count: subnetworks.layers.len(),
                used: subnetworks.report.used,
            })
        })
    }
}

/// Everything as JSON, also which neurons and attention heads serve which concept.
///
/// `json`: receives a string that lives as long as the subnetworks. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_subnetworks_get_json(
    subnetworks: *const Subnetworks,
    json: *mut *const c_char,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { read(subnetworks, json, "json", |subnetworks| Ok(subnetworks.json.as_ptr())) }
}

/// The weights that one concept uses.
///
/// `concept_index`: 0 to K − 1. `subnetwork`: receives them; its pointers live as long as the subnetworks.
/// Threads: any. Errors: `ARGUMENT`, also where there is no such concept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_subnetworks_get_concept(
    subnetworks: *const Subnetworks,
    concept_index: usize,
    subnetwork: *mut Subnetwork,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(subnetworks, subnetwork, "subnetwork", |subnetworks| {
            let name = element(&subnetworks.concepts, concept_index, "concept_index")?;
            Ok(Subnetwork {
                concept_name: name.as_ptr(),
                density: subnetworks.report.density[concept_index],
                exclusive: subnetworks.report.exclusive[concept_index],
                overlap: subnetworks.report.overlap[concept_index].as_ptr(),
            })
        })
    }
}

/// One masked matrix, in the order of the backbone.
///
/// `index`: 0 to `layer_count` − 1. `layer`: receives it; its pointers live as long as the subnetworks.
/// Threads: any. Errors: `ARGUMENT`, also where there is no such matrix.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_subnetworks_get_layer(
    subnetworks: *const Subnetworks,
    index: usize,
    layer: *mut Layer,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(subnetworks, layer, "layer", |subnetworks| {
            let found = element(&subnetworks.report.layers, index, "index")?;
            Ok(Layer {
                name: subnetworks.layers[index].as_ptr(),
                rows: found.rows,
                columns: found.columns,
                used: found.used,
                density: found.density.as_ptr(),
                exclusive: found.exclusive.as_ptr(),
            })
        })
    }
}

/// Reads something from subnetworks into `out`, which errors call `name`.
///
/// # Safety
/// Each pointer is NULL, or `subnetworks` are alive and `out` valid for writes.
unsafe fn read<T>(
    subnetworks: *const Subnetworks,
    out: *mut T,
    name: &str,
    value: impl FnOnce(&Subnetworks) -> Result<T, Failure>,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (subnetworks, out) =
            unsafe { (reference(subnetworks, "subnetworks")?, Out::new(out, name)?) };
        out.write(value(subnetworks)?);
        Ok(())
    })
}

impl Subnetworks {
    fn new(inner: sparsecbm::explain::Subnetworks) -> Result<*mut Subnetworks, Failure> {
        let report = inner.report();
        let concepts: Result<_, _> = report.concepts.iter().map(|name| c_string(name)).collect();
        let layers: Result<_, _> =
            report.layers.iter().map(|layer| c_string(&layer.name)).collect();
        let json = names::json(&report)?;
        let made = Subnetworks { concepts: concepts?, layers: layers?, json, report };
        Ok(Box::into_raw(Box::new(made)))
    }
}
