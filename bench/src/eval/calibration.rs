use serde::Serialize;

use super::metrics::argmax;

/// Bins of the reliability diagram.
const BINS: usize = 15;

/// How far probabilities can be believed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error (Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017): the mean over
    /// 15 equal bins of the largest probability of the distance between it and the share of right classes.
    pub ece: f64,
    /// Mean negative log likelihood of the right class, in nats.
    pub nll: f64,
    /// What `ece` is made of; no part of the JSON.
    #[serde(skip)]
    pub bins: Vec<Bin>,
}

/// The predictions whose largest probability lies in one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    /// How many they are.
    pub count: usize,
    /// Their mean largest probability.
    pub confidence: f64,
    /// The share of them whose class is right.
    pub accuracy: f64,
}

impl Calibration {
    /// Compares probabilities with the right classes.
    pub fn of<'a>(predictions: impl IntoIterator<Item = (&'a [f32], usize)>) -> Calibration {
        let mut bins = vec![Bin::default(); BINS];
        let (mut nll, mut count) = (0.0, 0);
        for (probabilities, right) in predictions {
            let class = argmax(probabilities);
            let confidence = f64::from(probabilities[class]);
            // A bin holds its upper end, so that 1 is in the last.
            let bin = (confidence * BINS as f64).ceil() as usize;
            let bin = &mut bins[bin.clamp(1, BINS) - 1];
            bin.count += 1;
            bin.confidence += confidence;
            bin.accuracy += f64::from(u8::from(class == right));
            nll -= f64::from(probabilities[right].max(f32::MIN_POSITIVE)).ln();
            count += 1;
        }
        let mut ece = 0.0;
        for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
            ece += (bin.confidence - bin.accuracy).abs() / f64::from(count);
            bin.confidence /= bin.count as f64;
            bin.accuracy /= bin.count as f64;
        }
        Calibration { ece, nll: nll / f64::from(count), bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_mean_distance_of_confidence_and_accuracy() {
        let sure: &[f32] = &[0.9, 0.1];
        let unsure: &[f32] = &[0.4, 0.6];
        let found = Calibration::of([(sure, 0), (sure, 0), (sure, 1), (unsure, 1)]);
        // 0.9 where 2 of 3 are right, 0.6 where all are.
        let expected = (3.0 * (0.9 - 2.0 / 3.0) + 0.4) / 4.0;
        assert!((found.ece - expected).abs() < 1e-6, "{}", found.ece);
        let nll = -(2.0 * 0.9f64.ln() + 0.1f64.ln() + 0.6f64.ln()) / 4.0;
        assert!((found.nll - nll).abs() < 1e-6, "{}", found.nll);
        assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<usize>(), 4);
    }

    #[test]
    fn certainty_lies_in_the_last_bin() {
        let certain: &[f32] = &[1.0, 0.0];
        let found = Calibration::of([(certain, 0)]);
        assert_eq!((found.ece, found.bins[BINS - 1].count), (0.0, 1));
    }
}
