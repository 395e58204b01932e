use std::path::PathBuf;
use std::time::Duration;

use anstyle::Style;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use sparsecbm::Result;
use sparsecbm_exporter::{
    Checkpoint, ExportOptions, ExportReport, GradientReport, export, export_gradients,
};

use super::forms::{LayoutChoice, MaskForm, WeightForm};
use super::measure::{Measured, measure};
use super::{print, print_json, tables};

#[derive(Args)]
pub struct Arguments {
    /// The checkpoint's folder.
    checkpoint: PathBuf,
    /// The ONNX file to write; over 2 GiB the weights go into a second file, OUTPUT.data.
    #[arg(short, long, required_unless_present = "triton")]
    output: Option<PathBuf>,
    /// Write a model repository of Triton Inference Server into this folder, instead of a file.
    #[arg(long, value_name = "FOLDER", conflicts_with = "output")]
    triton: Option<PathBuf>,
    /// How weights are stored.
    #[arg(long, value_enum, default_value_t)]
    weights: WeightForm,
    /// How masks are stored.
    #[arg(long, value_enum, default_value_t)]
    masks: MaskForm,
    /// How the graph runs the backbone under each mask: batched is for GPUs.
    #[arg(long, value_enum, default_value_t)]
    layout: LayoutChoice,
    /// The largest difference between the file's outputs and the checkpoint's, with the weights as the
    /// file stores them.
    #[arg(long, default_value_t = ExportOptions::default().atol)]
    atol: f32,
    /// Write a second file, OUTPUT with the ending .gradients.onnx: the gradients of each concept's logits by
    /// its mask's bits and by the word embeddings. Edits of masks and integrated gradients need it.
    #[arg(long, conflicts_with = "triton")]
    with_gradients: bool,
    /// Write the file without running it. The check takes minutes and many times the file's memory where
    /// models are large.
    #[arg(long)]
    no_check: bool,
    /// Labelled reviews as JSON lines: report the accuracy on them with the checkpoint's own weights and
    /// with those of the file.
    #[arg(long, value_name = "DATA")]
    measure: Option<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// What is reported as JSON.
#[derive(Serialize)]
struct Output<'a> {
    files: &'a [PathBuf],
    #[serde(flatten)]
    report: &'a ExportReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    gradients: Option<&'a GradientReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<&'a Measured>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let options = ExportOptions {
        weights: arguments.weights.into(),
        masks: arguments.masks.into(),
        layout: arguments.layout.into(),
        atol: arguments.atol,
        check: !arguments.no_check,
    };
    let spinner = ProgressBar::new_spinner()
        .with_message(format!("exporting {}", arguments.checkpoint.display()));
    spinner.enable_steady_tick(Duration::from_millis(100));
    let checkpoint = Checkpoint::open(&arguments.checkpoint)?;
    let exported = export(&checkpoint, &options)?;
    let gradients = match arguments.with_gradients {
        true => Some(export_gradients(&checkpoint, &options)?),
        false => None,
    };
    spinner.finish_and_clear();
    let accuracy = match &arguments.measure {
        Some(data) => Some(measure(&checkpoint, &exported, data)?),
        None => None,
    };
    let report = exported.report.clone();
    let mut files = match (&arguments.output, &arguments.triton) {
        (Some(file), _) => exported.write_to(file)?,
        (None, Some(folder)) => exported.write_triton(folder, &checkpoint)?,
        (None, None) => unreachable!("clap requires one of them"),
    };
    let mut of_gradients = None;
    if let (Some(gradients), Some(file)) = (gradients, &arguments.output) {
        of_gradients = Some(gradients.report);
        files.extend(gradients.write_beside(file)?);
    }
    if arguments.json {
        let accuracy = accuracy.as_ref();
        return print_json(&Output {
            files: &files,
            report: &report,
            gradients: of_gradients.as_ref(),
            accuracy,
        });
    }
    let mut text = describe(&files, &report);
    if let Some(check) = of_gradients.and_then(|report| report.check) {
        text += &format!(
            "\nChecked the gradients along random directions against differences of an evaluation of the \
             checkpoint: by word embeddings to {:.1e} of their length, by the masks of {} layers to {:.1e}.",
            check.embedding_gradient, check.layers, check.mask_gradient
        );
    }
    if let Some(accuracy) = &accuracy {
        text += &accuracy.describe();
    }
    print(&text)
}

fn describe(files: &[PathBuf], report: &ExportReport) -> String {
    let bold = Style::new().bold();
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let mut text = format!(
        "{bold}Wrote {}{bold:#} ({}): {} with {} M weights.",
        names.join(" and "),
        tables::megabytes(report.bytes),
        report.description.backbone,
        tables::number(report.description.parameters as f64 / 1e6),
    );
    if report.removed_weights > 0 {
        text += &format!(
            "\nLeft out {} M weights, over all concepts, in rows that a mask does not keep.",
            tables::number(report.removed_weights as f64 / 1e6)
        );
    }
    let Some(check) = &report.check else { return text };
    let mut header = vec!["output", "largest difference"];
    if check.rounding.is_some() {
        header.push("moved by rounding weights");
    }
    let mut table = tables::table(header);
    for (index, (output, difference)) in check.differences.by_output().into_iter().enumerate() {
        let mut row = vec![output.to_string(), format!("{difference:.1e}")];
        row.extend(check.rounding.map(|moved| format!("{:.1e}", moved.by_output()[index].1)));
        table.add_row(row);
    }
    text += &format!(
        "\nChecked on {} inputs against an evaluation of the checkpoint:\n\n{table}",
        check.inputs
    );
    text
}
