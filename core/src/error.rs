use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in which place, what was found there and what was expected.
///
/// The message reads `PLACE: found FOUND, expected EXPECTED`. Where another library failed, its own
/// error is the [`source`](StdError::source).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    place: String,
    found: String,
    expected: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`], by what a caller can do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file or stream could not be read or written.
    Io,
    /// Bytes are not of the format they should have: not ONNX, truncated, broken JSON.
    Format,
    /// The file has a newer major version than this program knows.
    Version,
    /// The parts of a model contradict each other or its schema: a key is missing, a shape is wrong.
    Model,
    /// The caller asked for something that the model does not have, or gave a value out of range.
    Input,
    /// The engine that runs the model failed.
    Engine,
    /// The engine or device asked for is not there.
    Unavailable,
}

impl ErrorKind {
    /// Every kind; later versions may know more.
    pub const ALL: &[ErrorKind] = &[
        ErrorKind::Io,
        ErrorKind::Format,
        ErrorKind::Version,
        ErrorKind::Model,
        ErrorKind::Input,
        ErrorKind::Engine,
        ErrorKind::Unavailable,
    ];

    /// A short, stable name: `io`, `format`, `version`, `model`, `input`, `engine`, `unavailable`.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Io => "io",
            ErrorKind::Format => "format",
            ErrorKind::Version => "version",
            ErrorKind::Model => "model",
            ErrorKind::Input => "input",
            ErrorKind::Engine => "engine",
            ErrorKind::Unavailable => "unavailable",
        }
    }
}

/// The [name](ErrorKind::name).
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// From the [name](ErrorKind::name).
impl FromStr for ErrorKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<ErrorKind> {
        named(ErrorKind::ALL, ErrorKind::name, name, "kind of error")
    }
}

/// The one of `all` that is called `name`; `what` they are is told where none is.
pub(crate) fn named<T: Copy>(
    all: &[T],
    name_of: fn(T) -> &'static str,
    name: &str,
    what: &str,
) -> Result<T> {
    all.iter().copied().find(|&one| name_of(one) == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|&one| name_of(one)).collect();
        let expected = format!("one of {}", names.join(", "));
        Error::new(ErrorKind::Input, what, format!("'{name}'"), expected)
    })
}

impl Error {
    /// An error of `kind` at `place` (a file, tensor or field).
    pub fn new(
        kind: ErrorKind,
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        Error {
            kind,
            place: place.into(),
            found: found.into(),
            expected: expected.into(),
            source: None,
        }
    }

    /// The same error with the failure that caused it.
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// The same error, its place told from further out: `outer: place`.
    pub fn within(mut self, outer: impl fmt::Display) -> Error {
        self.place = format!("{outer}: {}", self.place);
        self
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file, tensor or field that is wrong.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What was found there.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What should have been there.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected {}", self.place, self.found, self.expected)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_from_the_names_that_they_show() {
        for &kind in ErrorKind::ALL {
            assert_eq!(kind.to_string().parse::<ErrorKind>().expect("its own name"), kind);
        }
        let error = "Io".parse::<ErrorKind>().expect_err("names are lower case");
        assert_eq!(error.kind(), ErrorKind::Input);
        assert_eq!(
            error.to_string(),
            "kind of error: found 'Io', expected one of io, format, version, model, input, engine, unavailable"
        );
    }
}
