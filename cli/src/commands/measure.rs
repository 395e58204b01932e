use std::path::Path;

use serde::Serialize;
use sparsecbm::{EngineChoice, LoadOptions, Model, Result};
use sparsecbm_bench::eval::{Review, evaluate, read_reviews};
use sparsecbm_exporter::{Checkpoint, ExportOptions, Exported, WeightForm, export};

use super::{input, tables};

/// What an export does to the accuracy on labelled reviews.
#[derive(Serialize)]
pub struct Measured {
    reviews: usize,
    /// With the checkpoint's own weights.
    before: Accuracy,
    /// With the weights as the file stores them.
    after: Accuracy,
}

/// Shares of right classes, in 0 to 1.
#[derive(Serialize)]
struct Accuracy {
    concepts: f64,
    label: f64,
}

/// Runs the reviews in `data` through an export of the checkpoint that rounds nothing, and through
/// `exported`.
pub fn measure(checkpoint: &Checkpoint, exported: &Exported, data: &Path) -> Result<Measured> {
    let (reader, place) = input::open(data)?;
    let reviews = read_reviews(reader, &place, checkpoint.schema())?;
    let exact =
        ExportOptions { weights: WeightForm::F32, check: false, ..ExportOptions::default() };
    Ok(Measured {
        reviews: reviews.len(),
        before: accuracy(export(checkpoint, &exact)?.to_bytes()?, &reviews)?,
        after: accuracy(exported.to_bytes()?, &reviews)?,
    })
}

fn accuracy(file: Vec<u8>, reviews: &[Review]) -> Result<Accuracy> {
    // As the export's check does: the engine that is always there.
    let on_tract = LoadOptions::default().with_engine(EngineChoice::Tract);
    let model = Model::from_bytes(file, &on_tract)?;
    let bar = input::progress_bar(reviews.len());
    let report = evaluate(&model, reviews, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let report = report?;
    Ok(Accuracy { concepts: report.concept_accuracy, label: report.label_accuracy })
}

impl Measured {
    /// As a table for people.
    pub fn describe(&self) -> String {
        let mut table = tables::table(["accuracy", "checkpoint", "file", "change in points"]);
        let mut add = |name: &str, before: f64, after: f64| {
            let change = format!("{:+.2}", 100.0 * (after - before));
            table.add_row([name, &tables::percent(before), &tables::percent(after), &change]);
        };
        add("concepts", self.before.concepts, self.after.concepts);
        add("label", self.before.label, self.after.label);
        format!("\nOn {} reviews:\n{table}", self.reviews)
    }
}
