use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};
use sparsecbm::{Error, ErrorKind, Result, Schema};

/// One text, or those of a file.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct TextArguments {
    /// The text.
    text: Option<String>,
    /// Take every line of a file, or of standard input for `-`. Where the first line that is not
    /// empty begins with `{`, every line is a JSON object whose field named by the model's schema
    /// holds the text; else every line is a text. Empty lines are passed over.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

/// What was asked about.
pub enum Texts {
    /// The text of the command line.
    One(String),
    /// Those of a file.
    Lines(Vec<String>),
}

impl TextArguments {
    /// The texts, from a file where one was given.
    pub fn read(&self, schema: &Schema) -> Result<Texts> {
        match &self.input {
            Some(path) => Ok(Texts::Lines(read_texts(path, schema)?)),
            None => Ok(Texts::One(self.text.clone().unwrap_or_default())),
        }
    }
}

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

/// The texts of a file, or of standard input for `-`: each line one, or where the first line that is not empty
/// begins with `{`, a JSON object whose field named by the schema holds it. Empty lines are passed over.
pub fn read_texts(path: &Path, schema: &Schema) -> Result<Vec<String>> {
    let (mut reader, place) = open(path)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|e| {
        Error::new(ErrorKind::Io, &place, e.to_string(), "a readable file").caused_by(e)
    })?;
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let lines: Vec<_> = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    let json = lines.first().is_some_and(|(_, line)| line.trim_ascii_start().starts_with(b"{"));
    let text = |(index, line): (usize, &[u8])| {
        let text = if json { json_text(line, &schema.data_fields.text) } else { plain_text(line) };
        text.map_err(|e| e.within(format!("{place}: line {}", index + 1)))
    };
    let texts = lines.into_iter().map(text).collect::<Result<Vec<_>>>()?;
    if texts.is_empty() {
        return Err(Error::new(ErrorKind::Input, place, "no text", "at least one line"));
    }
    Ok(texts)
}

fn json_text(line: &[u8], field: &str) -> Result<String> {
    let mut row: Map<String, Value> = serde_json::from_slice(line).map_err(|e| {
        Error::new(ErrorKind::Format, "review", e.to_string(), "a JSON object").caused_by(e)
    })?;
    match row.remove(field) {
        Some(Value::String(text)) => Ok(text),
        other => {
            let found = other.map_or("no such field".into(), |value| value.to_string());
            Err(Error::new(ErrorKind::Input, format!("field '{field}'"), found, "a string"))
        }
    }
}

fn plain_text(line: &[u8]) -> Result<String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|e| {
        Error::new(ErrorKind::Format, "text", e.to_string(), "a line of UTF-8").caused_by(e)
    })?;
    Ok(text.into())
}
