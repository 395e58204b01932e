use std::ops::Range;

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

use crate::prediction::Prediction;
use crate::tokenizer::Token;

/// One word of a text (Unicode's word boundaries, UAX #29; a punctuation mark is a word too) and the
/// positions that stand for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Word {
    /// The word itself; the token's piece where token ids were given instead of a text.
    pub text: String,
    /// Where it is in the text, in bytes of UTF-8; `None` where token ids were given.
    pub utf8: Option<Range<usize>>,
    /// Where it is in the text, in UTF-16 code units, as JavaScript, Java and C# count.
    pub utf16: Option<Range<usize>>,
    /// The positions (tokens) that stand for it.
    pub positions: Range<usize>,
}

/// What each word adds to each concept logit, before overrides.
///
/// Pooling and head are linear, so this is exact: for each concept and class, the sum over the words
/// plus `special` plus `bias` is the logit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WordEvidence {
    /// The W words that the model read, in the order of the text.
    pub words: Vec<Word>,
    /// One entry a concept, in the schema's order.
    pub concepts: Vec<ConceptEvidence>,
}

/// What each word adds to one concept's logits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConceptEvidence {
    /// The concept's name.
    pub name: String,
    /// `[C]`: its class names.
    pub classes: Vec<String>,
    /// `[C][W]`
    pub evidence: Vec<Vec<f32>>,
    /// `[C]`: what the positions outside all words (special tokens, padding) add.
    pub special: Vec<f32>,
    /// `[C]`: the head's bias.
    pub bias: Vec<f32>,
}

impl ConceptEvidence {
    /// `[W]`: how much each word speaks for `class` rather than for the others.
    pub fn support(&self, class: usize) -> Vec<f32> {
        support(&self.evidence, class)
    }
}

/// `[W]`: each word's share of one class's logit less its mean share of the others': what moves the
/// class's probability, since softmax does not see what moves all logits alike.
pub(super) fn support(rows: &[Vec<f32>], class: usize) -> Vec<f32> {
    let of_word = |word: usize| rows.iter().map(|row| row[word]).collect::<Vec<f32>>();
    (0..rows[class].len()).map(|word| of_others(&of_word(word), class)).collect()
}

/// One class's value, of one a class, less the mean of the others'.
pub(super) fn of_others(values: &[f32], class: usize) -> f32 {
    let rest = values.iter().sum::<f32>() - values[class];
    values[class] - rest / (values.len() - 1) as f32
}

/// What occlusion and evidence say of a text's words together, `[W]`: each beside its largest value, and evidence
/// counts for half. Occlusion hears the model out but shares a window's loss among its words; evidence tells these
/// apart. A concept stands in a sentence: words of one that speaks for it more than the text does are lifted by what
/// it does more, and those of others lowered.
pub fn combined(
    text: Option<&str>,
    words: &[Word],
    occlusion: &[f32],
    evidence: &[f32],
) -> Vec<f32> {
    let scaled = |values: &[f32], weight: f32| -> Vec<f32> {
        let largest = values.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
        values.iter().map(|value| weight * value / largest).collect()
    };
    let (occlusion, evidence) = (scaled(occlusion, 1.0), scaled(evidence, 0.5));
    let mut both: Vec<f32> = occlusion.iter().zip(evidence).map(|(a, b)| a + b).collect();
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let of_text = mean(&both);
    for sentence in sentences(text, words) {
        let more = mean(&both[sentence.clone()]) - of_text;
        both[sentence].iter_mut().for_each(|value| *value += more);
    }
    both
}

/// Which words stand in one sentence (UAX #29); token ids are one.
fn sentences(text: Option<&str>, words: &[Word]) -> Vec<Range<usize>> {
    let ends = text.into_iter().flat_map(|text| {
        text.split_sentence_bound_indices().map(|(start, sentence)| start + sentence.len())
    });
    let mut first = 0;
    let mut found: Vec<Range<usize>> = ends
        .map(|end| {
            let within = |word: &Word| word.utf8.as_ref().is_some_and(|place| place.start < end);
            let last = first + words[first..].iter().take_while(|word| within(word)).count();
            std::mem::replace(&mut first, last)..last
        })
        .collect();
    found.push(first..words.len());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Indices of the largest values first.
pub fn descending(values: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}

impl Prediction {
    /// The words that the model read, in the order of the text; where token ids were given, each position
    /// is a word of its own.
    pub fn words(&self) -> Vec<Word> {
        match self.text() {
            Some(text) => words_of(text, self.tokens()),
            None => {
                let word = |(position, token): (usize, &Token)| Word {
                    text: token.piece.clone(),
                    utf8: None,
                    utf16: None,
                    positions: position..position + 1,
                };
                self.tokens().iter().enumerate().map(word).collect()
            }
        }
    }

    /// What each word adds to each concept logit: [`token_evidence`](Prediction::token_evidence), summed
    /// over the tokens of whole words.
    pub fn word_evidence(&self) -> WordEvidence {
        let words = self.words();
        let evidence = self.token_evidence();
        let schema = self.model().schema();
        let bias = self.model().concept_layer().logits_of_nothing();
        let concept = |(k, concept): (usize, &crate::schema::Variable)| {
            let classes = concept.classes.len();
            let positions = |c: usize| evidence.slice(ndarray::s![k, c, ..]);
            let of_word = |c: usize, word: &Word| -> f32 {
                positions(c).slice(ndarray::s![word.positions.clone()]).sum()
            };
            let per_class: Vec<Vec<f32>> =
                (0..classes).map(|c| words.iter().map(|word| of_word(c, word)).collect()).collect();
            ConceptEvidence {
                name: concept.name.clone(),
                classes: concept.classes.clone(),
                special: (0..classes)
                    .map(|c| positions(c).sum() - per_class[c].iter().sum::<f32>())
                    .collect(),
                evidence: per_class,
                bias: bias[k * schema.class_count()..][..classes].to_vec(),
            }
        };
        let concepts = schema.concepts.iter().enumerate().map(concept).collect();
        WordEvidence { words, concepts }
    }
}

/// Groups the positions that have a place in the text into words. A token belongs to the word in which
/// its first visible character lies; a token over several words makes one of them.
fn words_of(text: &str, tokens: &[Token]) -> Vec<Word> {
    let bounds: Vec<usize> = text.split_word_bound_indices().map(|(start, _)| start).collect();
    let bound_of = |byte: usize| bounds.partition_point(|&start| start <= byte);
    let mut groups: Vec<(usize, Range<usize>, Range<usize>)> = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        let Some(bytes) = token.span.as_ref().and_then(|span| visible(text, span)) else {
            continue;
        };
        let bound = bound_of(bytes.start);
        match groups.last_mut() {
            Some((last, word, positions)) if *last == bound && positions.end == position => {
                word.end = word.end.max(bytes.end);
                positions.end = position + 1;
            }
            _ => groups.push((bound, bytes, position..position + 1)),
        }
    }
    let mut utf16 = Utf16 { text, byte: 0, unit: 0 };
    let word = |(_, bytes, positions): (usize, Range<usize>, Range<usize>)| Word {
        text: text[bytes.clone()].into(),
        utf16: Some(utf16.at(bytes.start)..utf16.at(bytes.end)),
        utf8: Some(bytes),
        positions,
    };
    groups.into_iter().map(word).collect()
}

/// The part of the text that a token stands for: whole characters, without the white space around
/// them; `None` where nothing is left.
fn visible(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let start = text.floor_char_boundary(span.start);
    let part = &text[start..text.ceil_char_boundary(span.end).max(start)];
    let shown = part.trim();
    let blank = part.len() - part.trim_start().len();
    (!shown.is_empty()).then(|| start + blank..start + blank + shown.len())
}

/// Turns byte offsets into UTF-16 offsets in one walk, as long as they do not go back far.
struct Utf16<'a> {
    text: &'a str,
    byte: usize,
    unit: usize,
}

impl Utf16<'_> {
    fn at(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            (self.byte, self.unit) = (0, 0);
        }
        self.unit += self.text[self.byte..byte].encode_utf16().count();
        self.byte = byte;
        self.unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(piece: &str, span: Range<usize>) -> Token {
        Token { id: 0, piece: piece.into(), span: Some(span) }
    }

    #[test]
    fn pieces_make_words_with_both_kinds_of_offsets() {
        // "Café 🎉 isn't": é takes 2 bytes and 1 unit, 🎉 takes 4 bytes and 2 units.
        let text = "Café 🎉 isn't";
        let tokens = [
            Token { id: 0, piece: "[CLS]".into(), span: None },
            token("ca", 0..2),
            token("##fe", 2..5),
            token("🎉", 6..10),
            token("isn", 11..14),
            token("'", 14..15),
            token("t", 15..16),
        ];
        let words = words_of(text, &tokens);
        let seen: Vec<_> = words
            .iter()
            .map(|w| (w.text.as_str(), w.utf8.clone(), w.utf16.clone(), w.positions.clone()))
            .collect();
        assert_eq!(
            seen,
            [
                ("Café", Some(0..5), Some(0..4), 1..3),
                ("🎉", Some(6..10), Some(5..7), 3..4),
                ("isn't", Some(11..16), Some(8..13), 4..7),
            ]
        );
    }

    #[test]
    fn a_token_with_its_space_and_parts_of_one_character_are_read() {
        let words = words_of("so 🎉", &[token("so", 0..2), token("Ġa", 2..5), token("b", 5..7)]);
        let seen: Vec<_> = words.iter().map(|w| (w.text.as_str(), w.positions.clone())).collect();
        assert_eq!(seen, [("so", 0..1), ("🎉", 1..3)]);
    }

    #[test]
    fn a_sentence_that_speaks_for_it_lifts_its_words() {
        let text = "So loud. Good food!";
        let places = [0..2, 3..7, 7..8, 9..13, 14..18, 18..19];
        let words = words_of(text, &places.map(|place| token(&text[place.clone()], place)));
        assert_eq!(sentences(Some(text), &words), [0..3, 3..6]);
        assert_eq!(sentences(None, &words), vec![0..6; 1]);
        assert!(sentences(Some(""), &[]).is_empty());
        let occlusion = [0.0, 4.0, 0.0, 0.0, 1.0, 0.0];
        let evidence = [0.0; 6];
        let both = combined(Some(text), &words, &occlusion, &evidence);
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&both, &[0.125, 1.125, 0.125, -0.125, 0.125, -0.125]), "{both:?}");
        let one = combined(None, &words, &occlusion, &evidence);
        assert!(close(&one, &[0.0, 1.0, 0.0, 0.0, 0.25, 0.0]), "{one:?}");
    }
}
