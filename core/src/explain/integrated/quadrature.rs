use std::f64::consts::PI;

/// Points in 0 to 1 and their weights, for an integral from 0 to 1: exact for polynomials up to degree
/// 2 · `count` − 1.
pub(super) fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let point = |index: usize| {
        // Tricomi's approximation, which Newton's method brings to the root next to it.
        let mut x = (PI * (index as f64 + 0.75) / (count as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (value, previous) = legendre(count, x);
            slope = count as f64 * (x * value - previous) / (x * x - 1.0);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        ((1.0 - x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(point).collect()
}

/// The Legendre polynomials of degree `degree` and one less at `x`.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut value, mut previous) = (1.0, 0.0);
    for n in 0..degree {
        let n = n as f64;
        (value, previous) = (((2.0 * n + 1.0) * x * value - n * previous) / (n + 1.0), value);
    }
    (value, previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_integrated_exactly() {
        for count in [1, 2, 3, 10, 50, 201] {
            let rule = gauss_legendre(count);
            for degree in [0, 1, 2 * count - 1] {
                let sum: f64 = rule.iter().map(|(x, w)| w * x.powi(degree as i32)).sum();
                let exact = 1.0 / (degree as f64 + 1.0);
                assert!((sum - exact).abs() < 1e-12, "{count} points, degree {degree}: {sum}");
            }
            assert!(rule.iter().all(|(x, w)| (0.0..1.0).contains(x) && *w > 0.0));
        }
    }

    #[test]
    fn two_points_are_those_of_the_tables() {
        let rule = gauss_legendre(2);
        let expected = 0.5 - 0.5 / 3.0_f64.sqrt();
        assert!((rule[0].0 - expected).abs() < 1e-15 && (rule[0].1 - 0.5).abs() < 1e-15);
    }
}
