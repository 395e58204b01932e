use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use sparsecbm::{Error, ErrorKind, Result};

use super::{ConceptFaithfulness, MeanCurve, OverrideEffect, Study};

/// Width and height.
const SIZE: (u32, u32) = (640, 400);
/// Told apart by colour-blind people too (Okabe and Ito's palette).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
];
const FONT: &str = "sans-serif";

/// A line: its name and its points.
type Line = (String, Vec<(f64, f64)>);

/// Draws a study as SVG files in `folder`, and names them: `policies.svg`, `deletion.svg` and, where
/// there were human edits, `overrides.svg`.
///
/// # Errors
/// `Io` where a file cannot be written.
pub fn write_figures(study: &Study, folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    let mut written = Vec::new();
    let mut draw = |name: &str, figure: &dyn Fn(&Area) -> Drawn| -> Result<()> {
        let path = folder.join(name);
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|e| failed(&path, e))?;
        figure(&area).and_then(|()| Ok(area.present()?)).map_err(|e| failed(&path, e))?;
        drop(area);
        written.push(path);
        Ok(())
    };
    draw("policies.svg", &|area| policies(study, area))?;
    if !study.faithfulness.is_empty() {
        draw("deletion.svg", &|area| deletion(study, area))?;
    }
    if !study.overrides.is_empty() {
        draw("overrides.svg", &|area| overrides(study, area))?;
    }
    Ok(written)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn policies(study: &Study, area: &Area) -> Drawn {
    let points = |values: &[f64]| {
        values.iter().enumerate().map(|(n, value)| (n as f64, 100.0 * value)).collect()
    };
    let curves = study.policies.iter();
    let lines: Vec<Line> =
        curves.map(|curve| (curve.policy.clone(), points(&curve.label_accuracy))).collect();
    lines_chart(area, &lines, "concepts asked about", "label accuracy, %")
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
    let lines: [Line; 3] = [
        ("by evidence".into(), mean(|f| &f.evidence)),
        ("by occlusion".into(), mean(|f| &f.occlusion)),
        ("in random order".into(), mean(|f| &f.random)),
    ];
    lines_chart(area, &lines, "words masked out, %", "probability of the concept's class")
}

fn lines_chart(area: &Area, lines: &[Line], x: &str, y: &str) -> Drawn {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let right = points().map(|point| point.0).fold(0.0, f64::max);
    let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let room = 0.08 * (high - low).max(1e-6);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..right, low - room..high + room)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(if right < 10.0 { right as usize + 1 } else { 6 })
        .x_label_formatter(&|x| format!("{x:.0}"))
        .x_desc(x)
        .y_desc(y)
        .label_style((FONT, 14))
        .draw()?;
    for ((name, points), colour) in lines.iter().zip(COLOURS) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
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

/// Two bars a method: correlation and share of right signs.
fn overrides(study: &Study, area: &Area) -> Drawn {
    let count = study.overrides.len() as f64;
    let (plot, names) = area.split_horizontally(SIZE.0);
    drop(names);
    let mut chart = ChartBuilder::on(&plot)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(190)
        .build_cartesian_2d(0.0..1.0, 0.0..count)?;
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

fn failed(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, path.display().to_string(), error.to_string(), "a file to write")
}
