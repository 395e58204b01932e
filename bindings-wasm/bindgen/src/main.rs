//! Writes the JavaScript side of a compiled module: `sparsecbm-bindgen MODULE.wasm FOLDER`.
//!
//! wasm-bindgen's generator and the crate inside the module must be of one version, and its command-line
//! tool takes minutes to install. As a dependency it is pinned by this workspace's lock file.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder] = arguments.as_slice() else {
        eprintln!("usage: sparsecbm-bindgen MODULE.wasm FOLDER");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("bindings");
    // The package has its own hand-written types, and its entries know where the module is.
    bindgen.typescript(false).omit_default_module_path(true);
    match bindgen.web(true).and_then(|bindgen| bindgen.generate(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sparsecbm-bindgen: {module}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
