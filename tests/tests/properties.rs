//! What holds for every text and every override, not only for the golden ones.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use sparsecbm::{ConceptValue, EngineChoice, LoadOptions, Model, Prediction};
use sparsecbm_exporter::ExportOptions;
use sparsecbm_tests::exported;

/// The tiny model on each engine that needs no other library.
static MODELS: LazyLock<[Model; 2]> = LazyLock::new(|| {
    [EngineChoice::Tract, EngineChoice::Sparse].map(|engine| {
        let bytes = exported("tests/models/tiny", &ExportOptions::default());
        let options = LoadOptions::default().with_engine(engine);
        Model::from_bytes(bytes, &options).expect("the model loads")
    })
});

/// Text with words that the tiny model knows, and with anything else that is UTF-8.
fn text() -> impl Strategy<Value = String> {
    let known =
        prop::sample::select(vec!["good", "bad", "plot", "acting", "!", " ", "\u{0}", "👩‍🍳"]);
    prop_oneof![any::<String>(), vec(known, 0..40).prop_map(|words| words.join(" ")), "\\PC{0,200}",]
}

/// A concept's index and any value that it can be given.
fn overrides(model: &'static Model) -> impl Strategy<Value = Vec<(usize, ConceptValue)>> {
    let (k, c) = (model.schema().concept_count(), model.schema().class_count());
    let probabilities = vec(0.01_f32..1.0, c).prop_map(|weights| {
        let sum: f32 = weights.iter().sum();
        ConceptValue::Probabilities(weights.iter().map(|weight| weight / sum).collect())
    });
    let value = prop_oneof![
        (0..c).prop_map(ConceptValue::ClassIndex),
        probabilities,
        vec(-30.0_f32..30.0, c).prop_map(ConceptValue::Logits),
    ];
    vec((0..k, value), 0..8)
}

/// Everything that a prediction says, to the bit.
fn bits(prediction: &Prediction) -> Vec<u32> {
    let label = prediction.label();
    let numbers = prediction.concept_logits().into_iter().chain(prediction.concept_values());
    let numbers = numbers.chain(prediction.token_evidence()).copied().collect::<Vec<f32>>();
    let numbers = numbers.iter().chain(label.logits).chain(label.probabilities);
    numbers.map(|number| number.to_bits()).collect()
}

/// The prediction after some overrides, one after the other.
fn corrected(prediction: &Prediction, overrides: &[(usize, ConceptValue)]) -> Prediction {
    let concepts = &prediction.model().schema().concepts;
    let named = overrides.iter().map(|(k, value)| (&concepts[*k].name, value.clone()));
    prediction.intervene(named).expect("the overrides hold")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_has_an_answer(text in text()) {
        for model in MODELS.iter() {
            let prediction = model.predict(&text).expect("any text has an answer");
            for concept in prediction.concepts() {
                let sum: f32 = concept.probabilities.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-5, "{} sums to {sum}", concept.name);
            }
            let sum: f32 = prediction.label().probabilities.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "the label sums to {sum}");
            prop_assert!(prediction.tokens().len() <= model.schema().max_length);
            for span in prediction.tokens().iter().filter_map(|token| token.span.clone()) {
                prop_assert!(text.get(span.clone()).is_some(), "{span:?} cuts a character");
            }
        }
    }

    #[test]
    fn a_batch_is_its_texts(texts in vec(text(), 1..6)) {
        for model in MODELS.iter() {
            let batch = model.predict_batch(&texts).expect("the batch is predicted");
            prop_assert_eq!(batch.len(), texts.len());
            for (text, in_batch) in texts.iter().zip(&batch) {
                let alone = model.predict(text).expect("the text is predicted");
                prop_assert_eq!(bits(&alone), bits(in_batch));
            }
        }
    }

    #[test]
    fn undoing_gives_back_the_start(text in text(), overrides in overrides(&MODELS[0])) {
        for model in MODELS.iter() {
            let start = model.predict(&text).expect("the text is predicted");
            let changed = corrected(&start, &overrides);
            let concepts = &model.schema().concepts;
            let one_by_one = concepts.iter().fold(changed.clone(), |prediction, concept| {
                prediction.undo(&concept.name).expect("it is undone")
            });
            prop_assert_eq!(bits(&one_by_one), bits(&start));
            prop_assert_eq!(bits(&changed.undo_all()), bits(&start));
        }
    }

    #[test]
    fn the_order_of_overrides_does_not_matter(text in text(), overrides in overrides(&MODELS[0])) {
        for model in MODELS.iter() {
            let start = model.predict(&text).expect("the text is predicted");
            // Of two values for one concept the last holds, so one per concept is left.
            let mut last: Vec<_> = overrides.clone();
            last.reverse();
            last.sort_by_key(|(k, _)| *k);
            last.dedup_by_key(|(k, _)| *k);
            let together = corrected(&start, &overrides);
            let backwards = last.iter().rev().fold(start, |prediction, one| {
                corrected(&prediction, std::slice::from_ref(one))
            });
            prop_assert_eq!(bits(&together), bits(&backwards));
        }
    }

    #[test]
    fn threads_get_what_one_thread_gets(texts in vec(text(), 8)) {
        for model in MODELS.iter() {
            let predict = |text: &String| bits(&model.predict(text).expect("the text is predicted"));
            let alone: Vec<_> = texts.iter().map(predict).collect();
            let together: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> =
                    texts.iter().map(|text| scope.spawn(move || predict(text))).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            });
            prop_assert_eq!(alone, together);
        }
    }
}
