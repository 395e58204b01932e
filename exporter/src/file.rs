//! Writes exported files: whole or not at all, and in two parts where one would be too large.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use sparsecbm::{Error, ErrorKind, Result};
use tempfile::NamedTempFile;

use crate::export::Exported;
use crate::gradient::ExportedGradients;
use crate::streaming::StreamingModel;

/// ONNX readers refuse a protobuf message of more than 2 GiB.
const LARGEST_FILE: usize = i32::MAX as usize;
/// Smaller tensors (shapes, biases) stay in the model's own file.
const SMALLEST_OUTSIDE: usize = 1024;
/// Where tensors begin in a data file: pages, so that readers can map them.
const ALIGNMENT: usize = 4096;

impl Exported<'_> {
    /// Writes the file to `path`, and where it would be larger than 2 GiB, its weights to `path.data`
    /// beside it. A failure leaves no half file. Gives the paths of what was written.
    ///
    /// # Errors
    /// `Io` where a file cannot be written or the checkpoint can no longer be read, `Input` where a weight does not fit
    /// the weight form, `Model` where one is no finite number.
    pub fn write_to(self, path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        self.write_split(path, LARGEST_FILE)
    }

    /// As [`Exported::write_to`], with another limit in bytes on the size of the file.
    ///
    /// # Errors
    /// `Io` where a file cannot be written or the checkpoint can no longer be read, `Input` where a weight does not fit
    /// the weight form, `Model` where one is no finite number.
    pub fn write_split(self, path: impl AsRef<Path>, limit: usize) -> Result<Vec<PathBuf>> {
        write(self.model, path.as_ref(), limit)
    }
}

impl ExportedGradients<'_> {
    /// Writes the file beside the model in `path`, in its name with the ending `.gradients.onnx`; where it would be
    /// larger than 2 GiB, its weights as [`Exported::write_to`] does. Gives the paths of what was written.
    ///
    /// # Errors
    /// `Io` where a file cannot be written or the checkpoint can no longer be read, `Input` where a weight does not fit
    /// the weight form, `Model` where one is no finite number.
    pub fn write_beside(self, path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        write(self.model, &path.as_ref().with_extension("gradients.onnx"), LARGEST_FILE)
    }
}

/// Writes a model to `path`, its weights to a file beside it where it is larger than `limit` bytes.
fn write(mut model: StreamingModel, path: &Path, limit: usize) -> Result<Vec<PathBuf>> {
    if model.encoded_len() <= limit {
        let file = filled(path, |write| model.write(write))?;
        file.persist(path).map_err(|e| failed(path, e.error))?;
        return Ok(vec![path.into()]);
    }
    // The model names the file beside it, and names inside a model are UTF-8.
    let location = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        let found = "a name that is not UTF-8";
        Error::new(ErrorKind::Input, path.display().to_string(), found, "a file's name in UTF-8")
    })?;
    let location = format!("{location}.data");
    let data_path = path.with_file_name(&location);
    let data =
        filled(&data_path, |write| model.move_out(&location, SMALLEST_OUTSIDE, ALIGNMENT, write))?;
    let file = filled(path, |write| model.write(write))?;
    data.persist(&data_path).map_err(|e| failed(&data_path, e.error))?;
    if let Err(e) = file.persist(path) {
        // Weights alone are of no use; that this fails too is the lesser news.
        let _ = std::fs::remove_file(&data_path);
        return Err(failed(path, e.error));
    }
    Ok(vec![path.into(), data_path])
}

/// What takes a file's bytes, piece by piece.
type Sink<'w> = &'w mut dyn FnMut(&[u8]) -> Result<()>;

/// A temporary file beside `path`, filled by `fill`.
fn filled(path: &Path, fill: impl FnOnce(Sink) -> Result<()>) -> Result<NamedTempFile> {
    let mut file = beside(path)?;
    let mut writer = BufWriter::new(file.as_file_mut());
    fill(&mut |bytes| writer.write_all(bytes).map_err(|e| failed(path, e)))?;
    writer.flush().map_err(|e| failed(path, e))?;
    drop(writer);
    Ok(file)
}

/// A temporary file in the folder of `path`, which a rename can put in its place.
fn beside(path: &Path) -> Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    // As any new file is made; temporary ones are readable by their owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(".sparsecbm-").tempfile_in(folder).map_err(|e| failed(path, e))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, path.display().to_string(), error.to_string(), "a file to write")
        .caused_by(error)
}
