use std::path::{Path, PathBuf};

use plotters::prelude::*;
use sparsecbm::Result;

use super::{ConceptFaithfulness, MeanCurve, OverrideEffect, Study};
use crate::charts::{Area, COLOURS, Draw, Drawn, FONT, Line, SIZE, lines_chart, write_charts};
use crate::eval::PolicyCurve;

/// Draws a study as SVG files in `folder`, and names them: `policies.svg`, `deletion.svg` and, where
/// there were human edits, `overrides.svg`.
///
/// # Errors
/// `Io` where a file cannot be written.
pub fn write_figures(study: &Study, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut charts: Vec<(&str, Draw)> =
        vec![("policies.svg", Box::new(|area| policies(&study.policies, area)))];
    if !study.faithfulness.is_empty() {
        charts.push(("deletion.svg", Box::new(|area| deletion(study, area))));
    }
    if !study.overrides.is_empty() {
        charts.push(("overrides.svg", Box::new(|area| overrides(study, area))));
    }
    write_charts(folder, &charts)
}

fn policies(policies: &[PolicyCurve], area: &Area) -> Drawn {
    let points = |values: &[f64]| {
        values.iter().enumerate().map(|(n, value)| (n as f64, 100.0 * value)).collect()
    };
    let curves = policies.iter();
    let lines: Vec<Line> =
        curves.map(|curve| (curve.policy.clone(), points(&curve.label_accuracy))).collect();
    let axes = ["concepts asked about", "label accuracy, %"];
    lines_chart(area, &lines, axes, SeriesLabelPosition::LowerRight)
}

fn deletion(study: &Study, area: &Area) -> Drawn {
    let mean = |pick: fn(&ConceptFaithfulness) -> &MeanCurve| {
        let curves: Vec<&MeanCurve> = study.faithfulness.iter().map(pick).collect();
        let steps = curves[0].deletion.len();
        let at = |step: usize| {
            let sum: f64 = curves.iter().map(|curve| curve.deletion[step]).sum();
            (100.0 * step as f64 / (steps - 1) as f64, sum / curves.len() as f64)
        };
        (0..steps).map(at).collect()
    };
    let lines: [Line; 4] = [
        ("by evidence".into(), mean(|f| &f.evidence)),
        ("by occlusion".into(), mean(|f| &f.occlusion)),
        ("by both".into(), mean(|f| &f.combined)),
        ("in random order".into(), mean(|f| &f.random)),
    ];
    let axes = ["words masked out, %", "probability of the concept's class"];
    lines_chart(area, &lines, axes, SeriesLabelPosition::UpperRight)
}

/// Room for the legend below the bars, in bars' rows.
const LEGEND: f64 = 0.75;

/// Two bars a method: correlation and share of right signs.
fn overrides(study: &Study, area: &Area) -> Drawn {
    let count = study.overrides.len() as f64;
    let (plot, names) = area.split_horizontally(SIZE.0);
    drop(names);
    let mut chart = ChartBuilder::on(&plot)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(190)
        .build_cartesian_2d(0.0..1.0, -LEGEND..count)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_y_axis()
        .x_labels(6)
        .label_style((FONT, 14))
        .draw()?;
    type Figure = fn(&OverrideEffect) -> Option<f64>;
    let figures: [(&str, Figure); 2] = [
        ("correlation with the real change", |o| o.effect.pearson),
        ("share of right signs", |o| o.effect.sign_accuracy),
    ];
    for (series, (name, figure)) in figures.into_iter().enumerate() {
        let colour = COLOURS[series];
        let bar = |(index, effect): (usize, &OverrideEffect)| {
            let top = count - index as f64 - 0.12 - 0.38 * series as f64;
            let value = figure(effect).unwrap_or(0.0).max(0.0);
            Rectangle::new([(0.0, top), (value, top - 0.36)], colour.filled())
        };
        chart
            .draw_series(study.overrides.iter().enumerate().map(bar))?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
        for (index, effect) in study.overrides.iter().enumerate() {
            let middle = count - index as f64 - 0.30 - 0.38 * series as f64;
            let value = figure(effect).unwrap_or(0.0);
            let place = chart.backend_coord(&(value.max(0.0), middle));
            let text = format!("{value:.2}");
            area.draw(&Text::new(text, (place.0 + 4, place.1 - 7), (FONT, 13)))?;
        }
    }
    for (index, effect) in study.overrides.iter().enumerate() {
        let place = chart.backend_coord(&(0.0, count - index as f64 - 0.5));
        let right = (FONT, 14).into_font().into_text_style(area).pos(
            plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Center,
            ),
        );
        area.draw(&Text::new(effect.method.clone(), (place.0 - 8, place.1), right))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 14))
        .draw()?;
    Ok(())
}
