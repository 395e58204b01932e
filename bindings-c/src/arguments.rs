//! What C gives, checked before it is believed: NULL, alignment, lengths, UTF-8.

use std::ffi::{CStr, c_char};
use std::slice;

use crate::status::Failure;

/// A handle or struct.
///
/// # Safety
/// `pointer` is NULL, misaligned, or points to a `T` that outlives the result.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    check(pointer, name)?;
    // SAFETY: neither NULL nor misaligned, so it points to a `T`, as the caller promises.
    Ok(unsafe { &*pointer })
}

/// `count` values in a row; `pointer` may be NULL where `count` is 0.
///
/// # Safety
/// Unless it is NULL or misaligned, `pointer` points to `count` values, which outlive the result.
pub(crate) unsafe fn array<'a, T>(
    pointer: *const T,
    count: usize,
    name: &str,
) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    check(pointer, name)?;
    if count > isize::MAX as usize / size_of::<T>() {
        let found = format!("{count} elements");
        return Err(Failure::argument(name, found, "as many as memory can hold"));
    }
    // SAFETY: neither NULL, misaligned nor too long, so it points to `count` values, as the caller promises.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// UTF-8 with a length; `pointer` may be NULL where `length` is 0.
///
/// # Safety
/// As for [`array`].
pub(crate) unsafe fn text<'a>(
    pointer: *const c_char,
    length: usize,
    name: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: as the caller promises.
    utf8(unsafe { array(pointer.cast(), length, name) }?, name)
}

/// UTF-8 that ends in a zero byte.
///
/// # Safety
/// `pointer` is NULL or points to a string that ends in a zero byte and outlives the result.
pub(crate) unsafe fn string<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    check(pointer, name)?;
    // SAFETY: not NULL, so it is such a string, as the caller promises.
    utf8(unsafe { CStr::from_ptr(pointer) }.to_bytes(), name)
}

/// A place for results, which is written only once they are all there.
pub(crate) struct Out<T> {
    start: *mut T,
    count: usize,
}

impl<T> Out<T> {
    /// A place for one value.
    ///
    /// # Safety
    /// `pointer` is NULL, misaligned, or valid for writing a `T` as long as the result lives.
    pub(crate) unsafe fn new(pointer: *mut T, name: &str) -> Result<Out<T>, Failure> {
        // SAFETY: as the caller promises.
        unsafe { Out::array(pointer, 1, name) }
    }

    /// A place for `count` values in a row; `pointer` may be NULL where `count` is 0.
    ///
    /// # Safety
    /// As for [`Out::new`], for `count` values.
    pub(crate) unsafe fn array(
        pointer: *mut T,
        count: usize,
        name: &str,
    ) -> Result<Out<T>, Failure> {
        if count > 0 {
            check(pointer, name)?;
        }
        Ok(Out { start: pointer, count })
    }

    pub(crate) fn write(self, value: T) {
        self.write_all([value]);
    }

    /// Writes as many values as there is place for.
    pub(crate) fn write_all(self, values: impl IntoIterator<Item = T>) {
        for (i, value) in values.into_iter().take(self.count).enumerate() {
            // SAFETY: neither NULL nor misaligned, so there is place for `count` values, as whoever made it
            // promised. What was there is the caller's and may be uninitialised: it is not dropped.
            unsafe { self.start.add(i).write(value) };
        }
    }
}

/// The element of `values` at `index`.
pub(crate) fn element<'a, T>(values: &'a [T], index: usize, name: &str) -> Result<&'a T, Failure> {
    values.get(index).ok_or_else(|| {
        let expected = match values.len() {
            0 => "nothing: there are none".to_string(),
            count => format!("0 to {}", count - 1),
        };
        Failure::argument(name, index.to_string(), &expected)
    })
}

fn check<T>(pointer: *const T, name: &str) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::argument(name, "NULL", "a pointer"));
    }
    if !pointer.is_aligned() {
        let expected = format!("a multiple of {}", align_of::<T>());
        return Err(Failure::argument(name, format!("address {pointer:p}"), &expected));
    }
    Ok(())
}

fn utf8<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str, Failure> {
    str::from_utf8(bytes).map_err(|e| {
        let found = format!("byte {:#04x} at {}", bytes[e.valid_up_to()], e.valid_up_to());
        Failure::argument(name, found, "UTF-8")
    })
}
