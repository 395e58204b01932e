//! Names the shared library by the version of its interface, SCBM_ABI_VERSION, so that a program never meets
//! one that it does not fit. `bindings-c/install` gives the files the names that are said here.

use std::env;

/// `SCBM_ABI_VERSION`; a test compares the two.
const ABI: &str = "0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let name = match target("VENDOR").as_str() {
        // Programs say with an rpath where they look for it.
        "apple" => format!("-Wl,-install_name,@rpath/libsparsecbm.{ABI}.dylib"),
        // Windows has no such name: the import library says which DLL is loaded.
        _ if target("FAMILY") == "unix" => format!("-Wl,-soname,libsparsecbm.so.{ABI}"),
        _ => return,
    };
    println!("cargo::rustc-cdylib-link-arg={name}");
}
