use std::fmt;
use std::ops::{Deref, DerefMut};

use anstyle::Style;
use comfy_table::{ContentArrangement, LineStyle, TableStyle};
use sparsecbm::LabelPrediction;
use sparsecbm_bench::eval::PolicyCurve;

/// A line under the header and no other.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table whose header is bold.
pub struct Table(comfy_table::Table);

impl Deref for Table {
    type Target = comfy_table::Table;

    fn deref(&self) -> &comfy_table::Table {
        &self.0
    }
}

impl DerefMut for Table {
    fn deref_mut(&mut self) -> &mut comfy_table::Table {
        &mut self.0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        let text = self.0.to_string();
        let mut header = true;
        for (index, line) in text.lines().enumerate() {
            header &= !line.starts_with('─');
            let end = if index == 0 { "" } else { "\n" };
            match header {
                true => write!(f, "{end}{bold}{line}{bold:#}")?,
                false => write!(f, "{end}{line}")?,
            }
        }
        Ok(())
    }
}

/// An empty table, no wider than the terminal.
pub fn table<S: ToString>(header: impl IntoIterator<Item = S>) -> Table {
    let mut table = comfy_table::Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.into_iter().map(|cell| cell.to_string()));
    Table(table)
}

/// A number with three digits that count.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        // As it is rounded: 9.999 is 10.0.
        size => {
            2 - format!("{size:.2e}").split_once('e').map_or(0, |(_, e)| e.parse().unwrap_or(0))
        }
    };
    format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
}

/// Bytes, for people.
pub fn megabytes(bytes: usize) -> String {
    format!("{} MB", number(bytes as f64 / 1e6))
}

/// A label in one line, its class bold.
pub fn label(label: &LabelPrediction) -> String {
    let bold = Style::new().bold();
    let share = percent(label.probabilities[label.class_index].into());
    let mean = label.expected_value.map(|mean| format!(", mean {}", number(mean.into())));
    let mean = mean.unwrap_or_default();
    format!("{bold}{}: {}{bold:#} ({share}{mean})", label.name, label.class)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown: Vec<String> =
            [0.0, 16.658, 9.999, 125.25, 1234.5, 0.01234, -3.4099].map(number).to_vec();
        assert_eq!(shown, ["0", "16.7", "10.0", "125", "1234", "0.0123", "-3.41"]);
    }

    #[test]
    fn the_header_alone_is_bold() {
        let mut table = table(["a", "b"]);
        table.add_row(["1", "2"]);
        let text = table.to_string();
        let bold: Vec<bool> = text.lines().map(|line| line.starts_with("\u{1b}[1m")).collect();
        assert_eq!(bold, [true, false, false], "{text:?}");
    }
}
