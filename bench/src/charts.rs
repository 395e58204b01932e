//! Charts as SVG files.

use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use sparsecbm::{Error, ErrorKind, Result};

/// Width and height.
pub(crate) const SIZE: (u32, u32) = (640, 400);
/// Told apart by colour-blind people too (Okabe and Ito's palette).
pub(crate) const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
];
pub(crate) const FONT: &str = "sans-serif";

/// A line: its name and its points.
pub(crate) type Line = (String, Vec<(f64, f64)>);
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Drawn = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;
/// What draws one chart.
pub(crate) type Draw<'a> = Box<dyn Fn(&Area) -> Drawn + 'a>;

/// Draws each chart into the file of its name in `folder`, which is made where it is not there.
///
/// # Errors
/// `Io` where a file cannot be written.
pub(crate) fn write_charts(folder: &Path, charts: &[(&str, Draw)]) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    let write = |(name, draw): &(&str, Draw)| {
        let path = folder.join(name);
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|e| failed(&path, e))?;
        draw(&area).and_then(|()| Ok(area.present()?)).map_err(|e| failed(&path, e))?;
        drop(area);
        Ok(path)
    };
    charts.iter().map(write).collect()
}

/// Lines over axes called `x` and `y`; their names stand where `legend` says.
pub(crate) fn lines_chart(
    area: &Area,
    lines: &[Line],
    [x, y]: [&str; 2],
    legend: SeriesLabelPosition,
) -> Drawn {
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
        .position(legend)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 14))
        .draw()?;
    Ok(())
}

fn failed(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, path.display().to_string(), error.to_string(), "a file to write")
}
