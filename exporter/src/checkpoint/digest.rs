use sha2::{Digest, Sha256};
use sparsecbm::Result;

use super::tensors::Tensors;

/// A digest of parts.
#[derive(Clone)]
pub(super) struct Parts<D>(pub(super) D);

impl<D: Digest> Parts<D> {
    /// Adds a part. Lengths keep parts apart that would read alike one after the other.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

impl Parts<Sha256> {
    /// Adds every tensor, and gives the digest in hexadecimal digits.
    pub(super) fn with_tensors(mut self, tensors: &Tensors) -> Result<String> {
        tensors.each(|name, kind, shape, bytes| {
            self.add(name.as_bytes());
            self.add(format!("{kind:?} {shape:?}").as_bytes());
            self.add(bytes);
        })?;
        Ok(hexadecimal(&self.0.finalize()))
    }
}

/// A digest as it is written: two digits a byte.
pub(crate) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
