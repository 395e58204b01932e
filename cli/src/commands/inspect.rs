use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use serde::Serialize;
use sparsecbm::explain::Subnetworks;
use sparsecbm::sparse::TOKENS;
use sparsecbm::{EngineChoice, LoadOptions, MaskStatistics, Model, PlannedProduct, Result, Schema};
use sparsecbm_exporter::{Inspection, inspect};

use crate::report;

use super::tables::{self, Table};
use super::{print, print_json, write_file};

#[derive(Args)]
pub struct Arguments {
    /// A checkpoint's folder or an exported file.
    model: PathBuf,
    /// Write a page about an exported file and its subnetworks: one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// How the engine `sparse` would run each product of an exported file: its layout, and what it is
    /// estimated to cost.
    #[arg(long)]
    plan: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    inspection: &'a Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a [PlannedProduct]>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let inspection = inspect(&arguments.model)?;
    if let Some(path) = &arguments.html {
        let subnetworks = Subnetworks::load(&arguments.model)?;
        write_file(path, &report::model_page(&inspection, &subnetworks)?)?;
    }
    let model = match arguments.plan {
        true => {
            let options = LoadOptions::default().with_engine(EngineChoice::Sparse);
            Some(Model::load(&arguments.model, &options)?)
        }
        false => None,
    };
    if arguments.json {
        let plan = model.as_ref().map(Model::plan);
        return print_json(&Output { inspection: &inspection, plan });
    }
    let mut text = describe(&inspection);
    if let Some(model) = &model {
        let instructions = model.device().instructions.as_deref().unwrap_or_default();
        text += &format!(
            "\n\nPlan of the engine sparse on {instructions}, estimates for {TOKENS} tokens:\n{}",
            plan(model.plan())
        );
    }
    print(&text)
}

/// A row a product, and the sums.
fn plan(products: &[PlannedProduct]) -> Table {
    let mut table = tables::table([
        "product",
        "layout",
        "computed",
        "weights kept",
        "multiplied",
        "KB",
        "estimate, µs",
        "if dense, µs",
    ]);
    let mut row =
        |name: &str, layout: &str, size: String, sums: (usize, usize, usize, f64, f64)| {
            let (kept, multiplied, bytes, time, dense) = sums;
            table.add_row([
                name.to_string(),
                layout.to_string(),
                size,
                kept.to_string(),
                multiplied.to_string(),
                format!("{:.1}", bytes as f64 / 1e3),
                format!("{time:.1}"),
                format!("{dense:.1}"),
            ]);
        };
    let mut all = (0, 0, 0, 0.0, 0.0);
    for p in products {
        let sums = (p.weights, p.multiplied, p.bytes, p.microseconds, p.dense_microseconds);
        row(&p.name, p.layout.name(), format!("{} × {}", p.rows, p.columns), sums);
        all = (all.0 + sums.0, all.1 + sums.1, all.2 + sums.2, all.3 + sums.3, all.4 + sums.4);
    }
    row("all", "", String::new(), all);
    table
}

fn describe(inspection: &Inspection) -> String {
    let sizes = &inspection.sizes;
    let megabytes = tables::megabytes;
    let bold = Style::new().bold();
    let mut parts = vec![format!(
        "{bold}{} with {} M weights{bold:#}: weights {}, masks {}, heads {}, tokenizer {}",
        inspection.backbone,
        tables::number(inspection.parameters as f64 / 1e6),
        megabytes(sizes.weights),
        megabytes(sizes.masks),
        megabytes(sizes.heads),
        megabytes(sizes.tokenizer),
    )];
    if let Some(export) = &inspection.export {
        parts.push(format!(
            "exported by {}: weights {}, masks {}, layout {}, operator set {}",
            export["exporter"].as_str().unwrap_or("?"),
            export["weights"].as_str().unwrap_or("?"),
            export["masks"].as_str().unwrap_or("?"),
            export["layout"].as_str().unwrap_or("?"),
            export["opset"],
        ));
    }
    parts.push(describe_schema(&inspection.schema));
    let names: Vec<&str> = inspection.schema.concepts.iter().map(|c| c.name.as_str()).collect();
    parts.push(format!(
        "\nShare of weights that each mask keeps:\n\n{}",
        densities(&inspection.masks, &names)
    ));
    parts.push(format!(
        "\nOverlap of the masks (kept by both / kept by either):\n\n{}",
        overlaps(&inspection.masks, &names)
    ));
    if let Some(mean) = inspection.mean_overlap {
        parts.push(format!("mean of two different concepts: {mean:.3}"));
    }
    parts.join("\n")
}

fn describe_schema(schema: &Schema) -> String {
    // Semantics, pooling and intervention are written as the schema's JSON writes them.
    let json = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(text)) => text,
        _ => "?".into(),
    };
    let mut text = format!(
        "semantics {}, pooling {}, intervention {}, at most {} tokens",
        json(serde_json::to_value(schema.semantics)),
        json(serde_json::to_value(schema.pooling)),
        json(serde_json::to_value(schema.intervention)),
        schema.max_length,
    );
    for variable in &schema.concepts {
        text += &format!("\nconcept {}: {}", variable.name, variable.classes.join(", "));
    }
    text + &format!("\nlabel {}: {}", schema.label.name, schema.label.classes.join(", "))
}

fn densities(masks: &MaskStatistics, concepts: &[&str]) -> Table {
    let last = ["any", "size", "block"];
    let mut table = tables::table(["layer"].iter().chain(concepts).chain(&last));
    let percent = |share: &f64| tables::percent(*share);
    for layer in &masks.layers {
        let mut row = vec![layer.name.clone()];
        row.extend(layer.density.iter().map(percent));
        row.push(percent(&layer.used));
        row.push(format!("{} × {}", layer.rows, layer.columns));
        row.push(format!("{} × 1", layer.block_rows));
        table.add_row(row);
    }
    let mut whole = vec!["all".to_string()];
    whole.extend(masks.density.iter().map(percent));
    table.add_row(whole);
    table
}

fn overlaps(masks: &MaskStatistics, concepts: &[&str]) -> Table {
    let mut table = tables::table([""].iter().chain(concepts));
    for (concept, shares) in concepts.iter().zip(&masks.overlap) {
        let mut row = vec![concept.to_string()];
        row.extend(shares.iter().map(|share| format!("{share:.3}")));
        table.add_row(row);
    }
    table
}
