use serde::Serialize;
use sparsecbm::explain::{Explanation, Faithfulness, WhatIf};
use sparsecbm::{ConceptPrediction, Prediction, Schema};

use super::highlight::{Segment, segments};
use super::reasons::{Effects, Piece, override_note, pieces};
use super::shading;

/// What the page about one prediction shows, in the order of the page.
#[derive(Serialize)]
pub struct View {
    label: String,
    class: String,
    /// One bar a label class.
    classes: Vec<Bar>,
    mean: Option<String>,
    dropped: usize,
    baseline: String,
    logit: String,
    /// One bar a concept: what it adds to the label class's logit.
    contributions: Vec<Bar>,
    label_classes: Vec<String>,
    /// Concepts × label classes.
    table: Vec<Row>,
    /// The text with the phrases that matter; empty where token ids were given.
    text: Vec<Piece>,
    concepts: Vec<ConceptView>,
    what_if: Vec<Row>,
    /// Heads of the columns; empty where concepts have different classes, which the cells then name.
    what_if_classes: Vec<String>,
    what_if_width: usize,
    counterfactual: Option<CounterfactualView>,
    suggestions: Vec<Row>,
    curves: Vec<Curve>,
}

#[derive(Serialize)]
struct Bar {
    name: String,
    note: String,
    value: String,
    positive: bool,
    /// Length in percent of the room there is.
    length: f32,
    chosen: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    shade: String,
    chosen: bool,
}

#[derive(Serialize)]
struct ConceptView {
    name: String,
    class: String,
    probability: String,
    /// What was done to it, if anything.
    overridden: Option<String>,
    phrases: Vec<PhraseView>,
    /// What is told where there is no phrase.
    none: &'static str,
    evidence: Vec<Segment>,
    occlusion: Option<Vec<Segment>>,
    integrated: Option<Vec<Segment>>,
}

#[derive(Serialize)]
struct PhraseView {
    text: String,
    is_for: bool,
    effects: String,
}

#[derive(Serialize)]
struct CounterfactualView {
    changes: Vec<String>,
    class: String,
    mean: Option<String>,
}

/// A deletion and an insertion curve as SVG points in a box of 100 by 60.
#[derive(Serialize)]
struct Curve {
    title: String,
    deletion: String,
    insertion: String,
    deletion_area: String,
    insertion_area: String,
}

impl View {
    pub fn new(prediction: &Prediction, explanation: &Explanation) -> View {
        let label = prediction.label();
        let contributions = &explanation.contributions;
        let schema = prediction.model().schema();
        View {
            label: label.name.into(),
            class: label.class.into(),
            classes: label_bars(prediction),
            mean: label.expected_value.map(|mean| format!("{mean:.2}")),
            dropped: prediction.dropped_tokens(),
            baseline: format!("{:+.2}", contributions.baseline[label.class_index]),
            logit: format!("{:+.2}", label.logits[label.class_index]),
            contributions: contribution_bars(explanation, label.class_index),
            label_classes: contributions.label_classes.clone(),
            table: contribution_table(explanation),
            text: pieces(explanation),
            concepts: prediction
                .concepts()
                .enumerate()
                .map(|(k, concept)| concept_view(explanation, k, concept))
                .collect(),
            what_if: explanation
                .what_if
                .iter()
                .map(|what_if| what_if_row(what_if, what_if_classes(schema).is_empty()))
                .collect(),
            what_if_width: schema.class_count(),
            what_if_classes: what_if_classes(schema),
            counterfactual: explanation.counterfactual.as_ref().map(|found| CounterfactualView {
                changes: found
                    .changes
                    .iter()
                    .map(|c| format!("{} were {} instead of {}", c.concept, c.to, c.from))
                    .collect(),
                class: found.label.clone(),
                mean: found.expected_value.map(|mean| format!("{mean:.2}")),
            }),
            suggestions: suggestion_rows(explanation),
            curves: explanation.faithfulness.iter().map(curve).collect(),
        }
    }
}

fn label_bars(prediction: &Prediction) -> Vec<Bar> {
    let label = prediction.label();
    let classes = &prediction.model().schema().label.classes;
    let bar = |(index, (class, p)): (usize, (&String, &f32))| Bar {
        name: class.clone(),
        note: String::new(),
        value: format!("{:.1} %", 100.0 * p),
        positive: true,
        length: 100.0 * p,
        chosen: index == label.class_index,
    };
    classes.iter().zip(label.probabilities).enumerate().map(bar).collect()
}

fn contribution_bars(explanation: &Explanation, class: usize) -> Vec<Bar> {
    let concepts = &explanation.contributions.concepts;
    let largest = concepts
        .iter()
        .map(|concept| concept.label_logits[class].abs())
        .fold(explanation.contributions.rest[class].abs().max(1e-6), f32::max);
    let bar = |concept: &sparsecbm::explain::ConceptContribution| {
        let value = concept.label_logits[class];
        let note = concept
            .override_share
            .as_ref()
            .map_or(String::new(), |share| format!("the override changed {:+.2}", share[class]));
        Bar {
            name: format!("{}: {}", concept.name, concept.class),
            note,
            value: format!("{value:+.2}"),
            positive: value >= 0.0,
            length: 100.0 * value.abs() / largest,
            chosen: concept.override_share.is_some(),
        }
    };
    let mut bars: Vec<Bar> = concepts.iter().map(bar).collect();
    let rest = explanation.contributions.rest[class];
    if rest != 0.0 {
        bars.push(Bar {
            name: "what else the text says".into(),
            note: String::new(),
            value: format!("{rest:+.2}"),
            positive: rest >= 0.0,
            length: 100.0 * rest.abs() / largest,
            chosen: false,
        });
    }
    bars
}

fn contribution_table(explanation: &Explanation) -> Vec<Row> {
    let concepts = &explanation.contributions.concepts;
    let all = concepts.iter().flat_map(|concept| &concept.label_logits);
    let largest = all.map(|value| value.abs()).fold(0.0, f32::max);
    let cell = |&value: &f32| Cell {
        text: format!("{value:+.2}"),
        shade: shading::signed(value, largest),
        chosen: false,
    };
    let row = |concept: &sparsecbm::explain::ConceptContribution| Row {
        name: concept.name.clone(),
        cells: concept.label_logits.iter().map(cell).collect(),
    };
    let mut rows: Vec<Row> = concepts.iter().map(row).collect();
    let rest = &explanation.contributions.rest;
    if rest.iter().any(|&value| value != 0.0) {
        let cells = rest.iter().map(cell).collect();
        rows.push(Row { name: "what else the text says".into(), cells });
    }
    rows
}

fn concept_view(explanation: &Explanation, k: usize, concept: ConceptPrediction) -> ConceptView {
    let reason = &explanation.reasons[k];
    let effects = Effects::of(explanation);
    let phrases = reason.phrases.iter().map(|phrase| PhraseView {
        text: phrase.text.clone(),
        is_for: phrase.support > 0.0,
        effects: effects.tell(reason, phrase),
    });
    // Words speak for or against what the model itself read, whatever the overrides.
    let own = reason.class_index;
    let text = explanation.text.as_deref();
    let evidence = &explanation.evidence;
    let occlusion = explanation.occlusion.as_ref();
    let integrated = explanation.integrated.as_ref().filter(|found| found.complete);
    ConceptView {
        name: concept.name.into(),
        class: concept.class.into(),
        probability: format!("{:.1} %", 100.0 * concept.probabilities[concept.class_index]),
        overridden: override_note(&concept, reason),
        phrases: phrases.collect(),
        none: effects.none(reason),
        evidence: segments(text, &evidence.words, &evidence.concepts[k].support(own)),
        occlusion: occlusion
            .map(|found| segments(text, &found.words, &found.concepts[k].support(own))),
        integrated: integrated
            .map(|found| segments(text, &found.words, &found.concepts[k].support(own))),
    }
}

/// The classes that all concepts share, if they do.
fn what_if_classes(schema: &Schema) -> Vec<String> {
    let first = &schema.concepts[0].classes;
    let shared = schema.concepts.iter().all(|concept| &concept.classes == first);
    if shared { first.clone() } else { Vec::new() }
}

fn what_if_row(what_if: &WhatIf, named: bool) -> Row {
    let cell = |(class, outcome): (usize, &sparsecbm::explain::Outcome)| {
        let mean =
            outcome.expected_value.map_or(String::new(), |mean| format!(" (mean {mean:.2})"));
        Cell {
            text: match named {
                true => format!("{}: {}{mean}", outcome.class, outcome.label),
                false => format!("{}{mean}", outcome.label),
            },
            shade: String::new(),
            chosen: class == what_if.class_index,
        }
    };
    Row {
        name: what_if.concept.clone(),
        cells: what_if.outcomes.iter().enumerate().map(cell).collect(),
    }
}

fn suggestion_rows(explanation: &Explanation) -> Vec<Row> {
    let row = |suggestion: &sparsecbm::explain::Suggestion| {
        let numbers = [
            suggestion.score,
            suggestion.uncertainty,
            suggestion.contribution,
            suggestion.expected_change,
            suggestion.cost,
        ];
        let cell = |number: f32| Cell {
            text: format!("{number:.3}"),
            shade: String::new(),
            chosen: false,
        };
        Row { name: suggestion.concept.clone(), cells: numbers.into_iter().map(cell).collect() }
    };
    explanation.suggestions.iter().map(row).collect()
}

fn curve(found: &Faithfulness) -> Curve {
    let points = |values: &[f32]| {
        let point = |(x, y): (&f32, &f32)| format!("{:.1},{:.1}", 100.0 * x, 60.0 * (1.0 - y));
        found.shares.iter().zip(values).map(point).collect::<Vec<_>>().join(" ")
    };
    Curve {
        title: format!("{}: {} (by {})", found.concept, found.class, found.method),
        deletion: points(&found.deletion),
        insertion: points(&found.insertion),
        deletion_area: format!("{:.3}", found.deletion_area),
        insertion_area: format!("{:.3}", found.insertion_area),
    }
}
