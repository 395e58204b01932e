use serde::Serialize;
use sparsecbm::explain::Word;

use super::shading;

/// A piece of the text: a word with its value, or what is between words.
#[derive(Debug, PartialEq, Serialize)]
pub struct Segment {
    pub text: String,
    /// CSS class.
    pub shade: String,
    /// What is shown when pointed at; empty between words.
    pub value: String,
}

/// The text in segments, shaded by a value for each of `words`.
pub fn segments(text: Option<&str>, words: &[Word], values: &[f32]) -> Vec<Segment> {
    let largest = values.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let plain =
        |text: &str| Segment { text: text.into(), shade: String::new(), value: String::new() };
    let mut segments = Vec::new();
    let mut end = 0;
    for (word, &value) in words.iter().zip(values) {
        match (text, &word.utf8) {
            (Some(text), Some(place)) if place.start > end => {
                segments.push(plain(&text[end..place.start]));
            }
            (None, _) => segments.push(plain(" ")),
            _ => {}
        }
        end = word.utf8.as_ref().map_or(0, |place| place.end);
        segments.push(Segment {
            text: word.text.clone(),
            shade: shading::signed(value, largest),
            value: format!("{value:+.3}"),
        });
    }
    if let Some(rest) = text.and_then(|text| text.get(end..)).filter(|rest| !rest.is_empty()) {
        segments.push(plain(rest));
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, start: usize) -> Word {
        let place = start..start + text.len();
        Word { text: text.into(), utf8: Some(place), utf16: None, positions: 0..1 }
    }

    #[test]
    fn segments_give_back_the_text() {
        let text = " so  <good>!";
        let words = [word("so", 1), word("good", 6)];
        let segments = segments(Some(text), &words, &[-0.5, 1.0]);
        assert_eq!(segments.iter().map(|s| s.text.as_str()).collect::<String>(), text);
        let shades: Vec<&str> = segments.iter().map(|s| s.shade.as_str()).collect();
        assert_eq!(shades, ["", "minus-3", "", "plus-5", ""]);
    }
}
