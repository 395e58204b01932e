use sha2::{Digest, Sha256};
use sparsecbm::Result;

use super::{Checkpoint, MaskedLayer};

impl Checkpoint {
    /// What tells this checkpoint from any other: SHA-256 in hexadecimal digits of schema, tokenizer, masks and
    /// tensors.
    pub(crate) fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            // Lengths keep parts apart that would read alike one after the other.
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(self.schema_json.as_bytes());
        add(self.tokenizer_json.as_bytes());
        for MaskedLayer { layer, block_rows } in &self.layers {
            add(layer.name.as_bytes());
            add(&block_rows.to_le_bytes());
            add(&self.masks(layer)?.bits);
        }
        self.tensors.each(|name, kind, shape, bytes| {
            add(name.as_bytes());
            add(format!("{kind:?} {shape:?}").as_bytes());
            add(bytes);
        })?;
        Ok(hexadecimal(&hash.finalize()))
    }
}

/// A digest as it is written: two digits a byte.
pub(crate) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
