use serde::Serialize;
use sparsecbm_bench::eval::{Calibration, CalibrationReport};

/// One reliability diagram in a box of 100 by 100: confidence to the right, share of right classes upwards.
#[derive(Serialize)]
pub struct Diagram {
    name: String,
    ece: String,
    nll: String,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
    /// Where confidence and accuracy would agree.
    ideal: String,
    note: String,
}

/// The label's, then each concept's.
pub fn diagrams(report: &CalibrationReport, label: &str) -> Vec<Diagram> {
    let concepts = report.concepts.iter().map(|(name, found)| diagram(name, found));
    std::iter::once(diagram(label, &report.label)).chain(concepts).collect()
}

fn diagram(name: &str, found: &Calibration) -> Diagram {
    let width = 100.0 / found.bins.len() as f64;
    let filled = found.bins.iter().enumerate().filter(|(_, bin)| bin.count > 0);
    let bar = |(index, bin): (usize, &sparsecbm_bench::eval::Bin)| Bar {
        x: format!("{:.1}", index as f64 * width + 0.5),
        y: format!("{:.1}", 100.0 * (1.0 - bin.accuracy)),
        width: format!("{:.1}", width - 1.0),
        height: format!("{:.1}", 100.0 * bin.accuracy),
        ideal: format!("{:.1}", 100.0 * (1.0 - bin.confidence)),
        note: format!(
            "{} texts: sure of {:.0} %, right in {:.0} %",
            bin.count,
            100.0 * bin.confidence,
            100.0 * bin.accuracy
        ),
    };
    Diagram {
        name: name.into(),
        ece: format!("{:.3}", found.ece),
        nll: format!("{:.3}", found.nll),
        bars: filled.map(bar).collect(),
    }
}
