//! Writes what the Rust crate says of every golden case, as bits, for `tests/c/goldens.c`:
//! `expected MODEL.onnx GOLDENS >FILE`, GOLDENS being the name of a model that has golden vectors.

use std::error::Error;
use std::io::{Write, stdout};

use sparsecbm::{ConceptValue, EngineChoice, LoadOptions, Model, Prediction, Question};
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
    let classes: Vec<usize> = model.schema().concepts.iter().map(|c| c.classes.len()).collect();
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
            let overrides = case.overrides(row, &classes);
            writeln!(out, "overrides {}", overrides.len())?;
            let mut prediction = model.predict_tokens(&ids)?;
            for (k, question, probabilities) in overrides {
                let number = if question == Question::Correct { 2 } else { 1 };
                writeln!(out, "concept {k} question {number}")?;
                write_line(&mut out, "probabilities", &probabilities)?;
                let name = &model.schema().concepts[k].name;
                let value = ConceptValue::Probabilities(probabilities);
                prediction = prediction.overridden([(question, name, value)])?;
            }
            write_outputs(&mut out, &prediction)?;
        }
    }
    Ok(())
}

fn write_outputs(out: &mut impl Write, prediction: &Prediction) -> std::io::Result<()> {
    let label = prediction.label();
    write_line(out, "label_logits", label.logits)?;
    write_line(out, "label_probabilities", label.probabilities)?;
    for (concept, evidence) in prediction.concepts().zip(prediction.token_evidence().outer_iter()) {
        write_line(out, "concept_logits", concept.logits)?;
        write_line(out, "concept_values", concept.probabilities)?;
        for class in evidence.outer_iter().take(concept.logits.len()) {
            write_line(out, "evidence", &class.to_vec())?;
        }
    }
    Ok(())
}

fn write_line(out: &mut impl Write, name: &str, values: &[f32]) -> std::io::Result<()> {
    writeln!(out, "{name} {} {}", values.len(), hexadecimal(values))
}

/// The bits of each value in base 16.
fn hexadecimal(values: &[f32]) -> String {
    let words: Vec<String> =
        values.iter().map(|value| format!("{:08x}", value.to_bits())).collect();
    words.join(" ")
}
