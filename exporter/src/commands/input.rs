use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sparsecbm::{Error, ErrorKind, Result};

/// The file at `path`, or standard input for `-`, and what errors call it.
pub fn open(path: &Path) -> Result<(Box<dyn Read>, String)> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), "standard input".into()));
    }
    let place = path.display().to_string();
    let file = File::open(path).map_err(|e| {
        Error::new(ErrorKind::Io, &place, e.to_string(), "a readable file").caused_by(e)
    })?;
    Ok((Box::new(file), place))
}

/// A progress bar over `length` texts on stderr; a silent one where that is no terminal.
pub fn progress_bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(
        Some(length as u64),
        if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        },
    );
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}, {eta} left")
        .expect("a fixed, valid template");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
