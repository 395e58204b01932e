//! What every call must keep to, whether it succeeds or fails.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use sparsecbm_c as c;

/// Whether a call made an object. One that fails writes nothing, and tells why.
pub(super) fn made<T>(status: c::Status, object: *mut T) -> bool {
    let sound = status == c::SCBM_OK;
    assert_ne!(status, c::SCBM_ERROR_INTERNAL, "a defect: {:?}", last_error());
    assert_eq!(sound, !object.is_null(), "status {status} and the object disagree");
    assert!(sound || !last_error().to_bytes().is_empty(), "status {status} without a message");
    sound
}

/// What a call writes, if it succeeds.
pub(super) fn given<T>(call: impl FnOnce(*mut T) -> c::Status) -> Option<T> {
    let mut place = MaybeUninit::uninit();
    let status = call(place.as_mut_ptr());
    assert_ne!(status, c::SCBM_ERROR_INTERNAL, "a defect: {:?}", last_error());
    // SAFETY: a call that succeeds has written its result.
    (status == c::SCBM_OK).then(|| unsafe { place.assume_init() })
}

fn last_error() -> &'static CStr {
    // SAFETY: the message lives until the thread's next call; it is looked at at once.
    unsafe { CStr::from_ptr(c::scbm_last_error()) }
}
