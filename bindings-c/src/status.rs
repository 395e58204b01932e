use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use sparsecbm::{Error, ErrorKind};

/// What every function that can fail returns: `SCBM_OK` or one of the `SCBM_ERROR_…`. The numbers never
/// change their meaning; a later library may return numbers that are not in this header.
pub type Status = i32;

/// The call did what it says.
pub const SCBM_OK: Status = 0;
/// A file could not be read.
pub const SCBM_ERROR_IO: Status = 1;
/// Bytes are not an exported model: not ONNX, cut short, broken metadata.
pub const SCBM_ERROR_FORMAT: Status = 2;
/// The file is of a newer version than the library knows.
pub const SCBM_ERROR_VERSION: Status = 3;
/// The parts of a model contradict each other.
pub const SCBM_ERROR_MODEL: Status = 4;
/// The model has no such concept or class, or a value is out of range.
pub const SCBM_ERROR_INPUT: Status = 5;
/// The engine that runs the model failed.
pub const SCBM_ERROR_ENGINE: Status = 6;
/// The engine asked for is not in this library or on this machine.
pub const SCBM_ERROR_UNAVAILABLE: Status = 7;
/// The call itself is wrong: NULL where a pointer must be, an impossible length, an index out of range,
/// bytes that are not UTF-8, a number that stands for nothing.
pub const SCBM_ERROR_ARGUMENT: Status = 8;
/// A defect in the library. The objects involved may still be freed and used.
pub const SCBM_ERROR_INTERNAL: Status = 9;

/// A call that failed: what the caller is told.
pub(crate) struct Failure {
    status: Status,
    message: String,
}

impl Failure {
    /// A wrong call: the argument, what it was, and what it should have been.
    pub(crate) fn argument(name: &str, found: impl Into<String>, expected: &str) -> Failure {
        let error = Error::new(ErrorKind::Input, name, found, expected);
        Failure { status: SCBM_ERROR_ARGUMENT, message: error.to_string() }
    }

    fn panicked(payload: &(dyn Any + Send)) -> Failure {
        let what = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Failure { status: SCBM_ERROR_INTERNAL, message: format!("defect in sparsecbm: {what}") }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let status = match error.kind() {
            ErrorKind::Io => SCBM_ERROR_IO,
            ErrorKind::Format => SCBM_ERROR_FORMAT,
            ErrorKind::Version => SCBM_ERROR_VERSION,
            ErrorKind::Model => SCBM_ERROR_MODEL,
            ErrorKind::Input => SCBM_ERROR_INPUT,
            ErrorKind::Engine => SCBM_ERROR_ENGINE,
            ErrorKind::Unavailable => SCBM_ERROR_UNAVAILABLE,
            // The crate may learn kinds before this table does.
            _ => SCBM_ERROR_INTERNAL,
        };
        Failure { status, message: error.to_string() }
    }
}

thread_local! {
    /// Why the thread's last call failed; `None` where it did not.
    static MESSAGE: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Runs the body of a function that the library exports: errors and panics become a status and the
/// thread's message, and no panic reaches the caller's frames.
pub(crate) fn entry(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    // What a panic may leave half done is dropped with it: handles are not changed after they are made.
    let outcome = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(Failure::panicked(&*payload)));
    let (status, message) = match outcome {
        Ok(()) => (SCBM_OK, None),
        Err(failure) => {
            let text = failure.message.replace('\0', "\u{fffd}");
            (failure.status, CString::new(text).ok())
        }
    };
    // A thread that is ending has no message any more.
    let _ = MESSAGE.try_with(|last| last.replace(message));
    status
}

/// Drops an object that the library made. Leaves the thread's message as it is.
///
/// # Safety
/// `object` is NULL, or came from [`Box::into_raw`] and is not used again.
pub(crate) unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        // SAFETY: as the caller promises.
        let object = unsafe { Box::from_raw(object) };
        // There is no one to tell of a panic here.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(object)));
    }
}

/// Why this thread's last call of a function that returns a `scbm_status` failed, in one line:
/// `PLACE: found FOUND, expected EXPECTED`. The empty string where that call did not fail.
///
/// The string belongs to the library and stays until this thread's next call of a function that returns a
/// `scbm_status`; the functions that free objects do not touch it. Cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn scbm_last_error() -> *const c_char {
    const NONE: &CStr = c"";
    let message = MESSAGE.try_with(|last| last.borrow().as_ref().map(|message| message.as_ptr()));
    message.ok().flatten().unwrap_or(NONE.as_ptr())
}

/// The name of a status: `ok`, `io`, `format`, `version`, `model`, `input`, `engine`, `unavailable`,
/// `argument`, `internal`; `unknown` for any other number. Cannot fail. Any thread, any time; the string
/// lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn scbm_status_name(status: Status) -> *const c_char {
    let name = match status {
        SCBM_OK => c"ok",
        SCBM_ERROR_IO => c"io",
        SCBM_ERROR_FORMAT => c"format",
        SCBM_ERROR_VERSION => c"version",
        SCBM_ERROR_MODEL => c"model",
        SCBM_ERROR_INPUT => c"input",
        SCBM_ERROR_ENGINE => c"engine",
        SCBM_ERROR_UNAVAILABLE => c"unavailable",
        SCBM_ERROR_ARGUMENT => c"argument",
        SCBM_ERROR_INTERNAL => c"internal",
        _ => c"unknown",
    };
    name.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error() -> String {
        // SAFETY: the string lives until the next call.
        unsafe { CStr::from_ptr(scbm_last_error()) }.to_str().expect("UTF-8").to_string()
    }

    #[test]
    fn a_panic_becomes_a_status_and_a_message_and_leaves_the_next_calls_alone() {
        for _ in 0..2 {
            let number = 7;
            assert_eq!(entry(|| panic!("lost count at {number}")), SCBM_ERROR_INTERNAL);
            assert_eq!(last_error(), "defect in sparsecbm: lost count at 7");
            assert_eq!(entry(|| std::panic::panic_any(1)), SCBM_ERROR_INTERNAL);
            assert_eq!(last_error(), "defect in sparsecbm: no message");
            assert_eq!(entry(|| Ok(())), SCBM_OK);
            assert_eq!(last_error(), "");
        }
    }

    #[test]
    fn a_message_is_its_threads_own_and_holds_no_zero_byte() {
        entry(|| Err(Failure::argument("text", "a\0b", "none")));
        let other = std::thread::spawn(last_error).join().expect("the thread ends");
        assert_eq!(other, "");
        assert_eq!(last_error(), "text: found a\u{fffd}b, expected none");
    }

    #[test]
    fn freeing_survives_a_panic() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        // SAFETY: the pointer comes from `Box::into_raw` and is used once.
        unsafe { free(Box::into_raw(Box::new(Bomb))) };
    }
}
