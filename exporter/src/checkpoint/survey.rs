use std::collections::HashMap;

use sha2::{Digest, Sha256};
use sparsecbm::schema::Semantics;
use sparsecbm::{MaskStatistics, Result};

use super::Checkpoint;
use super::digest::Parts;
use crate::backbone::LinearLayer;

/// What an export must know of all masks: they are read once, one layer's after the other's.
pub(crate) struct MaskSurvey {
    pub(crate) statistics: MaskStatistics,
    /// Of each layer and each of its masks, the rows that it keeps, where some are dead and no other is cut.
    live_rows: HashMap<String, Vec<Option<Vec<usize>>>>,
    /// The digest of what comes before the tensors.
    digest: Parts<Sha256>,
}

impl Checkpoint {
    /// Reads all masks.
    ///
    /// # Errors
    /// `Io` where a file can no longer be read.
    pub(crate) fn survey(&self) -> Result<MaskSurvey> {
        let mut live_rows = HashMap::new();
        let mut digest = Parts(Sha256::new());
        digest.add(self.schema_json.as_bytes());
        digest.add(self.tokenizer_json.as_bytes());
        let sets = self.mask_sets().map(|set| {
            let set = set?;
            digest.add(set.layer().as_bytes());
            digest.add(&set.block_rows().to_le_bytes());
            digest.add(set.bits());
            let live = set.masks().map(|mask| mask.live_rows()).collect();
            live_rows.insert(set.layer().to_string(), live);
            Ok(set)
        });
        let statistics = MaskStatistics::count(sets, self.schema.concept_count())?;
        Ok(MaskSurvey { statistics, live_rows, digest })
    }

    /// What tells this checkpoint from any other: SHA-256 in hexadecimal digits of schema, tokenizer, masks and
    /// tensors.
    ///
    /// # Errors
    /// `Io` where a file can no longer be read.
    pub(crate) fn digest(&self, survey: &MaskSurvey) -> Result<String> {
        survey.digest.clone().with_tensors(&self.tensors)
    }

    /// How many weights are in rows that a folded file leaves out, over all its branches.
    pub(crate) fn dead_weights(&self, survey: &MaskSurvey) -> usize {
        let branches = match self.schema.semantics {
            Semantics::AsIntended => self.schema.concept_count(),
            Semantics::AsExecuted => 1,
        };
        let dead = |layer: &LinearLayer| -> usize {
            let live = (0..branches).filter_map(|k| survey.live_rows(layer, k));
            live.map(|live| (layer.rows - live.len()) * layer.columns).sum()
        };
        self.layers.iter().map(|known| dead(&known.layer)).sum()
    }
}

impl MaskSurvey {
    /// The rows that mask k of `layer` keeps, where it is structured by rows and some are dead.
    pub(crate) fn live_rows(&self, layer: &LinearLayer, k: usize) -> Option<&[usize]> {
        self.live_rows[&layer.name][k].as_deref()
    }
}
