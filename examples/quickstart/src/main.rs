//! The main job in one run: export the shipped checkpoint, predict real reviews, suppose and correct a concept
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
/// How many reviews to correct.
const READ: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no parent folder")?;
    let checkpoint = examples.join("models/cebab");
    let file = std::env::temp_dir().join("sparsecbm-cebab.onnx");

    println!("Exporting {} …", checkpoint.display());
    export(&Checkpoint::open(&checkpoint)?, &ExportOptions::default())?.write_to(&file)?;
    let size = fs::metadata(&file)?.len() as f64 / 1e6;
    println!("Wrote {} ({size:.1} MB): the whole model, tokenizer included.\n", file.display());

    let model = Model::load(&file, &LoadOptions::default())?;
    let reviews = fs::read_to_string(examples.join("data/cebab/validation.jsonl"))?;
    let reviews: Vec<Value> =
        reviews.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "review",
            "the model says, because",
            "suppose",
            "the model then",
            "people, of the review edited so",
        ]);
    for edit in first_edits(&reviews).take(SHOWN) {
        let text = edit.original["text"].as_str().ok_or("a review without text")?;
        let prediction = model.predict(text)?;
        let supposed = prediction.suppose([(edit.concept, edit.class)])?;
        table.add_row([
            text.to_string(),
            format!("{}\n{}", stars(&prediction), reasons(&prediction)),
            format!("{} is {}", edit.concept, edit.class),
            stars(&supposed),
            format!("{} stars", edit.rating),
        ]);
    }
    println!(
        "What if one thing had been otherwise? Reviews in which a person rewrote one concept:\n{table}"
    );

    let (mut wrong, mut changed) = (0, 0);
    for review in reviews.iter().take(READ) {
        let text = review["text"].as_str().ok_or("a review without text")?;
        let prediction = model.predict(text)?;
        let Some((concept, truth)) = first_wrong_concept(&prediction, review) else { continue };
        wrong += 1;
        let corrected = prediction.correct([(&concept, truth.as_str())])?;
        changed += usize::from(corrected.label().class != prediction.label().class);
    }
    println!(
        "\nOf the first {READ} reviews the model misreads a concept in {wrong}. \
         Corrected, for the text is what it was, it changes the stars of {changed}."
    );
    Ok(())
}

/// A person's edit of one concept of a review.
struct Edit<'a> {
    original: &'a Value,
    concept: &'a str,
    class: &'a str,
    /// What people gave the edited review.
    rating: &'a Value,
}

/// The first edit of each review that changed its concept and its rating.
fn first_edits(reviews: &[Value]) -> impl Iterator<Item = Edit<'_>> {
    let mut originals = HashSet::new();
    reviews.iter().filter_map(move |edited| {
        let concept = edited["edited"].as_str()?;
        let original = reviews.iter().find(|review| {
            review["edited"].is_null() && review["original_id"] == edited["original_id"]
        })?;
        let changed =
            original[concept] != edited[concept] && original["rating"] != edited["rating"];
        let new = changed && originals.insert(edited["original_id"].to_string());
        let class = edited[concept].as_str()?;
        new.then_some(Edit { original, concept, class, rating: &edited["rating"] })
    })
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
