//! Which words may be worth showing: few, in phrases, as a person would mark them.

use std::ops::Range;

use super::words::{Word, descending};

/// A word is marked where it has at least this share of the support of the word that has most.
const SHARE_OF_LARGEST: f32 = 1.0 / 3.0;

/// At most this share of a text's words is marked, but `FEW` in any text.
const SHARE_OF_TEXT: f32 = 1.0 / 3.0;
const FEW: usize = 3;

/// Words that may stand unmarked between two that are marked, and are then marked with them.
const GAP: usize = 1;

/// The phrases that speak for a class, at most `most`, the one with most of `support` `[W]` first. Where the signs of
/// `support` are turned round: those that speak against it. `text` is what the words' places are in.
pub(super) fn phrases(
    text: Option<&str>,
    words: &[Word],
    support: &[f32],
    most: usize,
) -> Vec<Range<usize>> {
    let largest = support.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let said: Vec<usize> =
        descending(support).into_iter().filter(|&word| !is_mark(&words[word].text)).collect();
    let room = FEW.max((said.len() as f32 * SHARE_OF_TEXT) as usize);
    let enough = |word: usize| support[word] > 0.0 && support[word] >= largest * SHARE_OF_LARGEST;
    let mut marked: Vec<usize> = said.into_iter().take(room).filter(|&word| enough(word)).collect();
    marked.sort_unstable();
    let mut runs: Vec<Range<usize>> = Vec::new();
    for word in marked {
        match runs.last_mut() {
            Some(run)
                if word - run.end <= GAP
                    && support[run.end..word].iter().all(|&value| value >= 0.0)
                    && (run.end..=word).all(|next| goes_on(text, words, next)) =>
            {
                run.end = word + 1;
            }
            _ => runs.push(word..word + 1),
        }
    }
    let sum = |run: &Range<usize>| support[run.clone()].iter().sum::<f32>();
    runs.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    runs.truncate(most);
    runs
}

/// Whether a word is no word but punctuation. Signs beyond it, emoji for one, say something.
fn is_mark(word: &str) -> bool {
    word.chars().all(|c| {
        c.is_ascii_punctuation()
            || matches!(c, '\u{a1}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}')
            || matches!(c, '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}')
    })
}

/// Whether a phrase may hold a word and the one before: no clause ends there, and no line.
fn goes_on(text: Option<&str>, words: &[Word], next: usize) -> bool {
    const ENDS: &str = ".,;:!?…—–()[]¡¿、。，；：！？";
    let is_end = |word: &Word| word.text.chars().all(|c| ENDS.contains(c));
    let (before, word) = (&words[next - 1], &words[next]);
    let between = match (text, &before.utf8, &word.utf8) {
        (Some(text), Some(before), Some(word)) => text.get(before.end..word.start),
        _ => None,
    };
    !is_end(before) && !is_end(word) && !between.is_some_and(|between| between.contains('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a text that stand between blanks, with their places.
    fn words(text: &str) -> Vec<Word> {
        let part = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
        let word = |(position, word): (usize, &str)| Word {
            text: word.into(),
            utf8: Some(part(word)..part(word) + word.len()),
            utf16: None,
            positions: position..position + 1,
        };
        text.split_whitespace().enumerate().map(word).collect()
    }

    fn found(text: &str, support: &[f32]) -> Vec<Range<usize>> {
        phrases(Some(text), &words(text), support, 3)
    }

    #[test]
    fn neighbours_are_one_phrase_over_one_word_and_not_over_a_comma() {
        let text = "the music was so loud , but great food";
        let loud = [0.1, 2.0, 0.5, 2.5, 4.0, 3.0, 0.2, 1.9, 0.1];
        assert_eq!(found(text, &loud), vec![1..5; 1]);
        let against_in_the_gap = [0.1, 2.0, -0.5, 2.5, 4.0, 3.0, 0.2, 0.1, 0.1];
        assert_eq!(found(text, &against_in_the_gap), [3..5, 1..2]);
        let across_the_comma = [0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 2.9, 0.0, 0.0];
        assert_eq!(found(text, &across_the_comma), [4..5, 6..7]);
        let next_line = "so\nloud and\nbad or not at all here";
        assert_eq!(found(next_line, &[1.0, 1.1, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), [1..3, 0..1]);
    }

    #[test]
    fn no_more_than_a_third_of_the_words_and_never_more_phrases_than_asked_for() {
        let text = "a b c d e f g h i j k l";
        assert_eq!(found(text, &[1.0; 12]).iter().map(Range::len).sum::<usize>(), 4);
        let apart = [1.0, 0.0, 0.0, 1.1, 0.0, 0.0, 1.2, 0.0, 0.0, 1.3, 0.0, 0.0];
        assert_eq!(found(text, &apart), [9..10, 6..7, 3..4]);
        assert_eq!(phrases(Some(text), &words(text), &apart, 1), vec![9..10; 1]);
    }

    #[test]
    fn punctuation_is_never_a_phrase_and_emoji_may_be_one() {
        assert_eq!(found("good ! 🎉 …", &[0.1, 2.0, 1.5, 3.0]), vec![2..3; 1]);
        assert!(found("so so", &[-1.0, 0.0]).is_empty());
        assert!(found("", &[]).is_empty());
    }
}
