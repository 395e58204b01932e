//! The texts that examples ask about.

use std::path::Path;

use serde_json::Value;

/// Each text of a file of lines, or of JSON objects whose `field` holds it; blank lines are left out.
pub fn read(
    path: &Path,
    field: &str,
) -> Result<impl Iterator<Item = Result<String, String>>, String> {
    let place = path.display().to_string();
    let file = std::fs::read_to_string(path).map_err(|e| format!("{place}: {e}"))?;
    let lines: Vec<String> = file.lines().map(String::from).collect();
    let texts = lines.into_iter().filter(|line| !line.trim().is_empty());
    Ok(texts.map(move |line| match line.starts_with('{') {
        false => Ok(line),
        true => {
            let row: Value = serde_json::from_str(&line).map_err(|e| e.to_string())?;
            let text = row[field].as_str();
            Ok(text.ok_or_else(|| format!("{place}: no text in field '{field}'"))?.into())
        }
    }))
}
