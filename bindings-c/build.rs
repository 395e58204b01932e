//! Names the shared library by the version of its interface, SCBM_ABI_VERSION, so that a program never meets
//! one that it does not fit.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsparsecbm.so.0");
}
