//! Self-contained HTML pages: why a model says what it says of a text, and what a model's subnetworks
//! are. One file each, no network, readable in print and without telling red from green.

mod explanation;
mod heatmap;
mod highlight;
pub(crate) mod reasons;
mod reliability;
mod shading;
mod subnetworks;

use minijinja::Environment;
use serde::Serialize;
use sparsecbm::explain::{Explanation, Subnetworks};
use sparsecbm::{Error, ErrorKind, Prediction, Result};

use sparsecbm_bench::eval::CalibrationReport;
use sparsecbm_exporter::Inspection;

/// A page that explains `prediction`; `subnetworks` adds what each concept's part of the model is.
///
/// # Errors
/// `Io` where the page cannot be written.
pub fn explanation_page(
    prediction: &Prediction,
    explanation: &Explanation,
    subnetworks: Option<&Subnetworks>,
) -> Result<String> {
    explanation_in("page.html", prediction, explanation, subnetworks)
}

/// The same without subnetworks as a part of another page, a notebook's: one element with a style of its own.
///
/// # Errors
/// `Io` where it cannot be written.
pub fn explanation_fragment(prediction: &Prediction, explanation: &Explanation) -> Result<String> {
    explanation_in("fragment.html", prediction, explanation, None)
}

fn explanation_in(
    layout: &str,
    prediction: &Prediction,
    explanation: &Explanation,
    subnetworks: Option<&Subnetworks>,
) -> Result<String> {
    #[derive(Serialize)]
    struct Page<'a> {
        layout: &'a str,
        explanation: explanation::View,
        subnetworks: Option<subnetworks::View>,
    }
    render(
        "explanation.html",
        &Page {
            layout,
            explanation: explanation::View::new(prediction, explanation),
            subnetworks: subnetworks.map(subnetworks::View::new).transpose()?,
        },
    )
}

/// A model's subnetworks as a part of another page.
///
/// # Errors
/// `Io` where it cannot be written.
pub fn subnetworks_fragment(subnetworks: &Subnetworks) -> Result<String> {
    #[derive(Serialize)]
    struct Page {
        subnetworks: subnetworks::View,
    }
    render("subnetworks-alone.html", &Page { subnetworks: subnetworks::View::new(subnetworks)? })
}

/// A page about a model: what it was trained for, and its subnetworks.
///
/// # Errors
/// `Io` where the page cannot be written.
pub fn model_page(inspection: &Inspection, subnetworks: &Subnetworks) -> Result<String> {
    #[derive(Serialize)]
    struct Page<'a> {
        inspection: &'a Inspection,
        megabytes: f64,
        subnetworks: subnetworks::View,
    }
    let sizes = &inspection.sizes;
    let bytes = sizes.weights + sizes.masks + sizes.heads + sizes.tokenizer;
    render(
        "model.html",
        &Page {
            inspection,
            megabytes: bytes as f64 / 1e6,
            subnetworks: subnetworks::View::new(subnetworks)?,
        },
    )
}

/// A page that shows how far the probabilities of the label and of each concept can be believed.
///
/// # Errors
/// `Io` where the page cannot be written.
pub fn reliability_page(calibration: &CalibrationReport, label: &str) -> Result<String> {
    #[derive(Serialize)]
    struct Page<'a> {
        label: &'a str,
        diagrams: Vec<reliability::Diagram>,
    }
    render("reliability.html", &Page { label, diagrams: reliability::diagrams(calibration, label) })
}

fn render(name: &str, page: &impl Serialize) -> Result<String> {
    const TEMPLATES: [(&str, &str); 8] = [
        ("page.html", include_str!("templates/page.html")),
        ("fragment.html", include_str!("templates/fragment.html")),
        ("style.css", include_str!("templates/style.css")),
        ("explanation.html", include_str!("templates/explanation.html")),
        ("subnetworks-alone.html", include_str!("templates/subnetworks-alone.html")),
        ("subnetworks.html", include_str!("templates/subnetworks.html")),
        ("model.html", include_str!("templates/model.html")),
        ("reliability.html", include_str!("templates/reliability.html")),
    ];
    let failed = |e: minijinja::Error| {
        Error::new(ErrorKind::Io, name, format!("{e:#}"), "a page that can be written").caused_by(e)
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).map_err(failed)?;
    }
    environment.get_template(name).and_then(|template| template.render(page)).map_err(failed)
}
