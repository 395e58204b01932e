//! Which provider ONNX Runtime gave each node. The `ort` crate has no call for it, so this file, alone in the
//! engine, calls ONNX Runtime's C interface.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::{ptr, slice};

use ort::AsPointer;
use ort::session::Session;

/// The number of nodes of each provider, by the provider's name. The session must have been made with
/// `session.record_ep_graph_assignment_info`.
pub(super) fn nodes(session: &Session) -> ort::Result<BTreeMap<String, usize>> {
    let api = ort::api();
    let mut counts = BTreeMap::new();
    let mut subgraphs = ptr::null();
    let mut subgraph_count = 0;
    // SAFETY: the session is alive, both out-pointers are valid for writes, and a status is owned by the
    // caller, who hands it to `result_from_status`.
    unsafe {
        let status = (api.Session_GetEpGraphAssignmentInfo)(
            session.ptr(),
            &mut subgraphs,
            &mut subgraph_count,
        );
        ort::Error::result_from_status(status)?;
    }
    // SAFETY: on success ONNX Runtime has written an array of that length, which it owns and keeps as long
    // as the session.
    for &subgraph in unsafe { array(subgraphs, subgraph_count) } {
        let mut name = ptr::null();
        let mut assigned = ptr::null();
        let mut count = 0;
        // SAFETY: `subgraph` comes from the array above; the rest as there. The name is a string that ends in
        // a zero byte and lives as long as the session.
        let name = unsafe {
            ort::Error::result_from_status((api.EpAssignedSubgraph_GetEpName)(
                subgraph, &mut name,
            ))?;
            let status = (api.EpAssignedSubgraph_GetNodes)(subgraph, &mut assigned, &mut count);
            ort::Error::result_from_status(status)?;
            CStr::from_ptr(name)
        };
        *counts.entry(name.to_string_lossy().into_owned()).or_default() += count;
    }
    Ok(counts)
}

/// # Safety
/// Unless `count` is 0, `start` points to that many values, which outlive the result.
unsafe fn array<'a, T>(start: *const T, count: usize) -> &'a [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { slice::from_raw_parts(start, count) }
}
