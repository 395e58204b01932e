use std::ffi::{CStr, c_char};

/// Version of this binary interface. It is the number at the end of the shared library's soname, and
/// changes where a program that was compiled against an older header would go wrong.
pub const SCBM_ABI_VERSION: u32 = 0;

/// The `SCBM_ABI_VERSION` of the library in use: where it differs from the header's, the program and the
/// library do not fit together. Cannot fail. Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn scbm_abi_version() -> u32 {
    SCBM_ABI_VERSION
}

/// The library's own version, such as `0.1.0`. Cannot fail. Any thread, any time; the string lives as long
/// as the library.
#[unsafe(no_mangle)]
pub extern "C" fn scbm_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("a package version holds no zero byte"),
        };
    VERSION.as_ptr()
}

/// The major version of the exported files that the library reads. Cannot fail. Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn scbm_format_version() -> u32 {
    sparsecbm::schema::FORMAT_MAJOR
}
