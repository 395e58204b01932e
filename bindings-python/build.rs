//! On macOS a module that takes Python's symbols from its process needs the linker's leave.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
