//! Every form of the exported file, from both tiny checkpoints, through the exporter's own check.

use std::path::{Path, PathBuf};

use sparsecbm_exporter::{Checkpoint, ExportOptions, MaskForm, WeightForm, export};

const WEIGHTS: [WeightForm; 3] = [WeightForm::F32, WeightForm::F16, WeightForm::Int8];
const MASKS: [MaskForm; 2] = [MaskForm::Folded, MaskForm::Packed];

fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models").join(name)
}

#[test]
fn every_form_gives_what_the_checkpoint_gives() {
    for name in ["tiny", "tiny-executed"] {
        let checkpoint = Checkpoint::open(checkpoint(name)).expect("the checkpoint is sound");
        for weights in WEIGHTS {
            for masks in MASKS {
                let options = ExportOptions { weights, masks, ..ExportOptions::default() };
                let exported = export(&checkpoint, &options)
                    .unwrap_or_else(|e| panic!("{name} {weights:?} {masks:?}: {e}"));
                println!(
                    "{name} {weights:?} {masks:?} {} {:?}",
                    exported.report.bytes, exported.report.check
                );
            }
        }
    }
}
