use sparsecbm::explain::descending;

/// The index of the largest value, the first of equals.
pub fn argmax(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// Share of right classes.
pub fn accuracy(predicted: &[usize], gold: &[usize]) -> f64 {
    let right = predicted.iter().zip(gold).filter(|(p, g)| p == g).count();
    right as f64 / gold.len() as f64
}

/// The ordinary macro-F1: the mean over `classes` classes of each class's F1, 0 for a class that
/// neither was predicted nor is right anywhere.
pub fn macro_f1(predicted: &[usize], gold: &[usize], classes: usize) -> f64 {
    mean((0..classes).map(|class| Counts::of(class, predicted, gold).f1()))
}

/// The macro-F1 that the SparseCBM paper's figures are in: for each class the mean of the F1 of
/// "this class" and of "any other class", averaged over the classes. True negatives count, so it is
/// well above the ordinary one; it is of use only beside the paper's figures.
pub fn paper_macro_f1(predicted: &[usize], gold: &[usize], classes: usize) -> f64 {
    mean((0..classes).map(|class| {
        let counts = Counts::of(class, predicted, gold);
        (counts.f1() + counts.of_the_rest().f1()) / 2.0
    }))
}

/// Average precision of `scores` as an order, the largest first: the mean over the `right` ones of the share of right
/// ones among those up to it. Right ones of equal scores all
/// count as the last of them.
pub fn average_precision(scores: &[f32], right: &[bool]) -> f64 {
    let all = right.iter().filter(|&&right| right).count();
    let (mut seen, mut found, mut sum) = (0, 0, 0.0);
    for group in descending(scores).chunk_by(|&a, &b| scores[a] == scores[b]) {
        let hits = group.iter().filter(|&&index| right[index]).count();
        (seen, found) = (seen + group.len(), found + hits);
        sum += hits as f64 * found as f64 / seen as f64;
    }
    sum / all as f64
}

/// Area under the ROC curve: how often a right one has a larger score than a wrong one, equal scores counting half.
pub fn roc_area(scores: &[f32], right: &[bool]) -> f64 {
    let all = right.iter().filter(|&&right| right).count();
    let (mut found, mut area) = (0, 0.0);
    for group in descending(scores).chunk_by(|&a, &b| scores[a] == scores[b]) {
        let hits = group.iter().filter(|&&index| right[index]).count();
        area += (group.len() - hits) as f64 * (found as f64 + hits as f64 / 2.0);
        found += hits;
    }
    area / (all * (right.len() - all)) as f64
}

/// Pearson's correlation; `None` where either side does not vary or there are fewer than two values.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mean_x, mean_y) = (mean(x.iter().copied()), mean(y.iter().copied()));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| f(x - mean_x, y - mean_y)).sum()
    };
    let (xx, yy, xy) = (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
    let product = (xx * yy).sqrt();
    (product > 0.0).then(|| xy / product)
}

/// The mean; NaN of nothing.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// One class against the rest.
struct Counts {
    true_positives: usize,
    true_negatives: usize,
    wrong: usize,
}

impl Counts {
    fn of(class: usize, predicted: &[usize], gold: &[usize]) -> Counts {
        let mut counts = Counts { true_positives: 0, true_negatives: 0, wrong: 0 };
        for (p, g) in predicted.iter().zip(gold) {
            match (*p == class, *g == class) {
                (true, true) => counts.true_positives += 1,
                (false, false) => counts.true_negatives += 1,
                _ => counts.wrong += 1,
            }
        }
        counts
    }

    fn of_the_rest(&self) -> Counts {
        Counts {
            true_positives: self.true_negatives,
            true_negatives: self.true_positives,
            wrong: self.wrong,
        }
    }

    fn f1(&self) -> f64 {
        match 2 * self.true_positives + self.wrong {
            0 => 0.0,
            named => 2.0 * self.true_positives as f64 / named as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLD: [usize; 6] = [0, 0, 0, 1, 1, 2];
    const PREDICTED: [usize; 6] = [0, 0, 1, 1, 2, 2];

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn accuracy_is_the_share_of_right_classes() {
        assert!(close(accuracy(&PREDICTED, &GOLD), 4.0 / 6.0));
    }

    #[test]
    fn macro_f1_averages_over_classes() {
        // F1: class 0 4/5, class 1 2/4, class 2 2/3.
        assert!(close(macro_f1(&PREDICTED, &GOLD, 3), (0.8 + 0.5 + 2.0 / 3.0) / 3.0));
        // A class that never occurs counts as 0.
        assert!(close(macro_f1(&PREDICTED, &GOLD, 4), (0.8 + 0.5 + 2.0 / 3.0) / 4.0));
    }

    #[test]
    fn the_papers_macro_f1_counts_true_negatives() {
        // F1 of the rest: class 0 6/7, class 1 6/8, class 2 8/9.
        let rest = 6.0 / 7.0 + 0.75 + 8.0 / 9.0;
        let own = 0.8 + 0.5 + 2.0 / 3.0;
        assert!(close(paper_macro_f1(&PREDICTED, &GOLD, 3), (rest + own) / 6.0));
    }

    #[test]
    fn pearson_is_the_correlation() {
        assert!(close(pearson(&[1.0, 2.0, 3.0], &[-2.0, -4.0, -6.0]).unwrap(), -1.0));
        // Deviations (-1, 0, 1) and (-4/3, 5/3, -1/3): 1 / sqrt(2 · 42/9).
        let expected = 1.0 / (2.0f64 * 42.0 / 9.0).sqrt();
        assert!(close(pearson(&[1.0, 2.0, 3.0], &[0.0, 3.0, 1.0]).unwrap(), expected));
        assert_eq!(pearson(&[1.0, 1.0], &[0.0, 3.0]), None);
        assert_eq!(pearson(&[], &[]), None);
    }

    #[test]
    fn orders_are_measured_by_hand_counted_figures() {
        let right = [true, false, true, false];
        // The order 0, 1, 2, 3: precision 1 and 2/3.
        assert!(
            (average_precision(&[4.0, 3.0, 2.0, 1.0], &right) - (1.0 + 2.0 / 3.0) / 2.0).abs()
                < 1e-12
        );
        // Of four pairs of a right and a wrong one, three are in order.
        assert!((roc_area(&[4.0, 3.0, 2.0, 1.0], &right) - 0.75).abs() < 1e-12);
        assert_eq!(average_precision(&[0.0; 4], &right), 0.5);
        assert_eq!(roc_area(&[0.0; 4], &right), 0.5);
    }
}
