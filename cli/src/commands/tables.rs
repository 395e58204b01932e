use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use sparsecbm_bench::eval::PolicyCurve;

/// A line under the header and no other.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// An empty table, no wider than the terminal.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A small share as a percentage, with two digits that count.
pub fn small_percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 || percent >= 1.0 {
        return format!("{percent:.1} %");
    }
    let digits = 1 - percent.log10().floor() as i32;
    format!("{percent:.*} %", digits as usize)
}

/// Label accuracy by policy, and the error of the label's mean where it has one.
pub fn policies(curves: &[PolicyCurve]) -> Table {
    let mut table =
        table(["label accuracy by policy", "concepts asked: 0, 1, 2, …", "error of the mean"]);
    let list = |values: &[f64], show: &dyn Fn(f64) -> String| {
        values.iter().map(|value| show(*value)).collect::<Vec<_>>().join("  ")
    };
    for curve in curves {
        let errors = curve.label_error.as_deref().unwrap_or_default();
        table.add_row([
            curve.policy.clone(),
            list(&curve.label_accuracy, &percent),
            list(errors, &|error| format!("{error:.3}")),
        ]);
    }
    table
}
