//! Prints the C library's header, made from the library's source. To renew the committed one:
//! `cargo run -p sparsecbm-c-header >target/sparsecbm.h && mv target/sparsecbm.h bindings-c/include`

use std::path::Path;

use cbindgen::{Builder, Config};

/// The source files that export something, in the header's order.
const FILES: [&str; 20] = [
    "version",
    "status",
    "engine",
    "load",
    "model",
    "tokens",
    "predict",
    "prediction",
    "question",
    "intervene",
    "correct",
    "explain",
    "explanation",
    "words",
    "occlusion",
    "integrated",
    "subnetworks",
    "patch",
    "gradients",
    "edit",
];

fn main() {
    print!("{}", header());
}

fn header() -> String {
    let library = library();
    let config = Config::from_file(library.join("cbindgen.toml")).expect("cbindgen.toml is read");
    let sources = FILES.map(|file| library.join("src").join(file).with_extension("rs"));
    let builder = sources.into_iter().fold(Builder::new().with_config(config), Builder::with_src);
    let mut header = Vec::new();
    builder.generate().expect("the source makes a header").write(&mut header);
    String::from_utf8(header).expect("a header is UTF-8")
}

fn library() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("header lies in the library's folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_header_is_that_of_the_source() {
        let committed = std::fs::read_to_string(library().join("include/sparsecbm.h"));
        assert!(
            committed.expect("the header is there") == header(),
            "include/sparsecbm.h is not what the source says; bindings-c/README.md tells how to renew it"
        );
    }
}
