//! Writes what the Rust crate says of every golden case, as bits, for `tests/c/goldens.c`:
//! `expected MODEL.onnx GOLDENS >FILE`, GOLDENS being the name of a model that has golden vectors.

use std::error::Error;
use std::io::{Write, stdout};

use sparsecbm::{ConceptValue, EngineChoice, LoadOptions, Model, Prediction};
use sparsecbm_tests::Goldens;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, goldens] = arguments.as_slice() else {
        return Err("expected MODEL.onnx GOLDENS".into());
    };
    let mut options = LoadOptions::default();
    options.engine = EngineChoice::Tract;
    let model = Model::load(model, &options)?;
    let goldens = Goldens::read(goldens);
    let mut out = stdout().lock();
    let rows: usize =
        goldens.cases.iter().filter(|c| c.texts.is_some()).map(|case| case.rows()).sum();
    writeln!(out, "rows {rows}")?;
    for case in &goldens.cases {
        for (row, text) in case.texts.iter().flatten().enumerate() {
            let ids = case.token_ids(row);
            let list: Vec<String> = ids.iter().map(u32::to_string).collect();
            writeln!(out, "ids {} {}", ids.len(), list.join(" "))?;
            writeln!(out, "text {}\n{text}", text.len())?;
            let overrides = case.overrides(row);
            writeln!(out, "overrides {}", overrides.len())?;
            for (k, probabilities) in &overrides {
                writeln!(out, "concept {k} {}", hexadecimal(probabilities))?;
            }
            let overrides = overrides.into_iter().map(|(k, probabilities)| {
                (&model.schema().concepts[k].name, ConceptValue::Probabilities(probabilities))
            });
            write_outputs(&mut out, &model.predict_tokens(&ids)?.intervene(overrides)?)?;
        }
    }
    Ok(())
}

fn write_outputs(out: &mut impl Write, prediction: &Prediction) -> std::io::Result<()> {
    let mut line = |name: &str, values: &[f32]| {
        writeln!(out, "{name} {} {}", values.len(), hexadecimal(values))
    };
    let label = prediction.label();
    line("label_logits", label.logits)?;
    line("label_probabilities", label.probabilities)?;
    for (concept, evidence) in prediction.concepts().zip(prediction.token_evidence().outer_iter()) {
        line("concept_logits", concept.logits)?;
        line("concept_values", concept.probabilities)?;
        for class in evidence.outer_iter() {
            line("evidence", &class.to_vec())?;
        }
    }
    Ok(())
}

/// The bits of each value in base 16.
fn hexadecimal(values: &[f32]) -> String {
    let words: Vec<String> =
        values.iter().map(|value| format!("{:08x}", value.to_bits())).collect();
    words.join(" ")
}
