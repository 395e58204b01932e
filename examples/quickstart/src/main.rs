//! The main job in one run: export the shipped checkpoint, predict real reviews, correct a concept
//! and see the label follow.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde_json::Value;
use sparsecbm::{LoadOptions, Model, Prediction};
use sparsecbm_exporter::{Checkpoint, ExportOptions, export};

/// How many reviews to show.
const SHOWN: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no parent folder")?;
    let checkpoint = examples.join("models/cebab");
    let file = std::env::temp_dir().join("sparsecbm-cebab.onnx");

    println!("Exporting {} …", checkpoint.display());
    export(&Checkpoint::open(&checkpoint)?, &ExportOptions::default())?.write_to(&file)?;
    let size = fs::metadata(&file)?.len() as f64 / 1e6;
    println!("Wrote {} ({size:.1} MB): the whole model, tokenizer included.\n", file.display());

    let model = Model::load(&file, &LoadOptions::default())?;
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["review", "a person said", "the model says, because", "corrected", "now"]);
    let reviews = fs::read_to_string(examples.join("data/cebab/validation.jsonl"))?;
    let (mut read, mut wrong, mut changed) = (0, 0, 0);
    let mut originals = HashSet::new();
    for line in reviews.lines() {
        let review: Value = serde_json::from_str(line)?;
        let text = review["text"].as_str().ok_or("a review without text")?;
        let prediction = model.predict(text)?;
        read += 1;
        let Some((concept, truth)) = first_wrong_concept(&prediction, &review) else { continue };
        wrong += 1;
        let corrected = prediction.intervene([(&concept, truth.as_str())])?;
        if corrected.label().class == prediction.label().class {
            continue;
        }
        changed += 1;
        // People rewrote each original several times.
        if !originals.insert(review["original_id"].to_string()) {
            continue;
        }
        table.add_row([
            text.to_string(),
            format!("{} stars", review["rating"]),
            format!("{}\n{}", stars(&prediction), reasons(&prediction)),
            format!("{concept} is {truth}"),
            stars(&corrected),
        ]);
        if originals.len() == SHOWN {
            break;
        }
    }
    println!(
        "Of the first {read} validation reviews, the model reads a concept wrongly in {wrong}; told the right class, \
         it changes the stars of {changed}."
    );
    println!("One of each original:\n{table}");
    Ok(())
}

/// The first concept that the model reads otherwise than the people who labelled the review.
fn first_wrong_concept(prediction: &Prediction, review: &Value) -> Option<(String, String)> {
    prediction.concepts().find_map(|concept| {
        let truth = review[concept.name].as_str()?;
        (truth != concept.class).then(|| (concept.name.into(), truth.into()))
    })
}

fn stars(prediction: &Prediction) -> String {
    let label = prediction.label();
    let mean = label.expected_value.map_or(String::new(), |mean| format!(" (mean {mean:.2})"));
    format!("{} stars{mean}", label.class)
}

fn reasons(prediction: &Prediction) -> String {
    let reason = |c: sparsecbm::ConceptPrediction| {
        format!("{} {} {:.0} %", c.name, c.class, 100.0 * c.probabilities[c.class_index])
    };
    prediction.concepts().map(reason).collect::<Vec<_>>().join("\n")
}
