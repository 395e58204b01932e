use serde::Serialize;
use sparsecbm::explain::{FaithfulnessOptions, OcclusionOptions, combined, descending};
use sparsecbm::{Prediction, Result};

use super::words::{mean_of, occluded};

/// Into how many steps each text's words are divided.
const STEPS: usize = 5;

/// Deletion and insertion curves of one concept, on average over texts of five words or more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConceptFaithfulness {
    /// The concept's name.
    pub concept: String,
    /// How many texts.
    pub texts: usize,
    /// Words in the order of their evidence.
    pub evidence: MeanCurve,
    /// Words in the order of what is lost when each is masked out alone.
    pub single_words: MeanCurve,
    /// Words in the order of occlusion by its default windows.
    pub occlusion: MeanCurve,
    /// Words in the order that reasons are chosen by: occlusion, evidence and sentences together.
    pub combined: MeanCurve,
    /// Words in random order.
    pub random: MeanCurve,
    /// Share of the texts whose deletion area under evidence is below that under the random order.
    pub evidence_beats_random: f64,
    /// The same of occlusion.
    pub occlusion_beats_random: f64,
}

/// Means over texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MeanCurve {
    /// Probability of the class with 0, 1/5, … all words masked out.
    pub deletion: Vec<f64>,
    /// Probability of the class with 0, 1/5, … all words put back.
    pub insertion: Vec<f64>,
    /// Area under the deletion curve: small where the order is faithful.
    pub deletion_area: f64,
    /// Area under the insertion curve: large where the order is faithful.
    pub insertion_area: f64,
}

/// Measures every concept on some predictions, none of them overridden.
///
/// # Errors
/// `Engine` where the engine fails.
pub fn faithfulness(predictions: &[&Prediction], seed: u64) -> Result<Vec<ConceptFaithfulness>> {
    let mut options = FaithfulnessOptions::default();
    options.steps = STEPS;
    let mut random = fastrand::Rng::with_seed(seed);
    let long: Vec<&&Prediction> = predictions.iter().filter(|p| p.words().len() >= STEPS).collect();
    let Some(first) = long.first() else { return Ok(Vec::new()) };
    let mut found: Vec<ConceptFaithfulness> =
        first.model().schema().concepts.iter().map(|c| nothing(&c.name, long.len())).collect();
    for prediction in &long {
        let evidence = prediction.word_evidence();
        let widths = OcclusionOptions::default().windows;
        let of_width = |&width: &usize| Ok(occluded(prediction, width)?.0);
        let occlusions = widths.iter().map(of_width).collect::<Result<Vec<_>>>()?;
        let single = widths.iter().position(|&width| width == 1).expect("single words among them");
        for (k, concept) in prediction.concepts().enumerate() {
            let mut shuffled: Vec<usize> = (0..evidence.words.len()).collect();
            random.shuffle(&mut shuffled);
            let class = concept.class_index;
            let own = evidence.concepts[k].support(class);
            let supports: Vec<Vec<f32>> =
                occlusions.iter().map(|by| by.concepts[k].support(class)).collect();
            let lost = mean_of(&supports.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let orders = [
                descending(&own),
                descending(&supports[single]),
                descending(&lost),
                descending(&combined(prediction.text(), &evidence.words, &lost, &own)),
                shuffled,
            ];
            let curve =
                |order: &Vec<usize>| prediction.faithfulness(concept.name, "", order, &options);
            let [by_evidence, by_single_words, by_occlusion, by_both, by_chance] =
                orders.each_ref().map(curve);
            let (by_evidence, by_occlusion, by_chance) = (by_evidence?, by_occlusion?, by_chance?);
            let share = 1.0 / long.len() as f64;
            let beats = |curve: &sparsecbm::explain::Faithfulness| {
                share * f64::from(u8::from(curve.deletion_area < by_chance.deletion_area))
            };
            let total = &mut found[k];
            total.evidence_beats_random += beats(&by_evidence);
            total.occlusion_beats_random += beats(&by_occlusion);
            total.evidence.add(&by_evidence, share);
            total.single_words.add(&by_single_words?, share);
            total.occlusion.add(&by_occlusion, share);
            total.combined.add(&by_both?, share);
            total.random.add(&by_chance, share);
        }
    }
    Ok(found)
}

fn nothing(concept: &str, texts: usize) -> ConceptFaithfulness {
    ConceptFaithfulness {
        concept: concept.into(),
        texts,
        evidence: MeanCurve::default(),
        single_words: MeanCurve::default(),
        occlusion: MeanCurve::default(),
        combined: MeanCurve::default(),
        random: MeanCurve::default(),
        evidence_beats_random: 0.0,
        occlusion_beats_random: 0.0,
    }
}

impl MeanCurve {
    fn add(&mut self, curve: &sparsecbm::explain::Faithfulness, share: f64) {
        let add = |total: &mut Vec<f64>, values: &[f32]| {
            total.resize(values.len(), 0.0);
            total.iter_mut().zip(values).for_each(|(sum, value)| *sum += share * f64::from(*value));
        };
        add(&mut self.deletion, &curve.deletion);
        add(&mut self.insertion, &curve.insertion);
        self.deletion_area += share * f64::from(curve.deletion_area);
        self.insertion_area += share * f64::from(curve.insertion_area);
    }
}
