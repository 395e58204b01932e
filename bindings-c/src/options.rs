//! Structs of options that the caller makes: they begin with their own size and only grow.

use std::mem::MaybeUninit;
use std::ptr;

use crate::arguments::{array, reference};
use crate::status::Failure;

/// A struct of options: its first field is its size, and zero in any other means the default.
///
/// # Safety
/// Every pattern of bits must be a value: numbers and pointers alone. Its first field is a `u32`.
pub(crate) unsafe trait Options: Sized {
    /// The struct's name in C.
    const NAME: &'static str;
}

/// The size of the smallest struct there ever was: its size and one number.
const SMALLEST: usize = 8;
/// No struct will ever be larger: the size is not one that was forgotten to be set.
const LARGEST: usize = 1 << 16;

/// The fields that this library knows, zero where the caller's header did not have them; `None` where
/// `options` is NULL.
///
/// # Safety
/// `options` is NULL, misaligned, or points to as many bytes as its first field says.
pub(crate) unsafe fn known<T: Options>(options: *const T) -> Result<Option<T>, Failure> {
    if options.is_null() {
        return Ok(None);
    }
    // SAFETY: the first field is there, as the caller promises.
    let size = unsafe { *reference(options.cast::<u32>(), "options")? } as usize;
    if !(SMALLEST..=LARGEST).contains(&size) {
        let expected = format!("sizeof({})", T::NAME);
        return Err(Failure::argument("options: struct_size", size.to_string(), &expected));
    }
    let shared = size.min(size_of::<T>());
    let mut known = MaybeUninit::<T>::zeroed();
    // SAFETY: `shared` bytes are readable there, as the caller promises, and fit here.
    unsafe { ptr::copy_nonoverlapping(options.cast::<u8>(), known.as_mut_ptr().cast(), shared) };
    // SAFETY: the bytes between what this library knows and the size are readable, as promised.
    let rest = unsafe { array(options.cast::<u8>().add(shared), size - shared, "options")? };
    if rest.iter().any(|&byte| byte != 0) {
        let expected = "zero in the fields that this library does not know";
        return Err(Failure::argument("options", format!("{size} bytes"), expected));
    }
    // SAFETY: every pattern of bits is a value, as whoever implemented `Options` promises.
    Ok(Some(unsafe { known.assume_init() }))
}
