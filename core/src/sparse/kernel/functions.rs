use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LN_2, LOG2_E};

use super::vector::{MOST_LANES, Vector};

/// What a product's results go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    Identity,
    /// x · Φ(x), by the error function.
    Gelu,
    /// x · Φ(x), approximated by the hyperbolic tangent.
    GeluTanh,
    /// max(x, 0)
    Relu,
}

impl Activation {
    /// Of the sums of some rows, for `then`: every case goes on by itself, so that the sums stay in registers.
    #[inline(always)]
    pub(super) fn apply<V: Vector, const WIDTH: usize, const HEIGHT: usize>(
        self,
        mut sums: [[V; WIDTH]; HEIGHT],
        then: impl FnOnce([[V; WIDTH]; HEIGHT]),
    ) {
        match self {
            Activation::Identity => then(sums),
            // Two rows side by side keep the processor busy and still fit its registers.
            Activation::Gelu if HEIGHT.is_multiple_of(2) => {
                for row in (0..HEIGHT).step_by(2) {
                    [sums[row], sums[row + 1]] = gelu([sums[row], sums[row + 1]]);
                }
                then(sums);
            }
            Activation::Gelu => then(gelu(sums)),
            Activation::GeluTanh => {
                for sum in sums.as_flattened_mut() {
                    *sum = gelu_tanh(*sum);
                }
                then(sums);
            }
            Activation::Relu => {
                for sum in sums.as_flattened_mut() {
                    let zero = V::splat(sum.known(), 0.0);
                    *sum = sum.max(zero);
                }
                then(sums);
            }
        }
    }

    /// Of one number, to the same accuracy.
    pub(crate) fn of(self, x: f32) -> f32 {
        use super::{InstructionSet, Kernel};
        struct One(Activation, f32);
        impl Kernel for One {
            type Output = f32;
            #[inline(always)]
            fn run<V: Vector>(self, known: V::Known) -> f32 {
                let mut lanes = [0.0; MOST_LANES];
                // SAFETY: no register has more lanes.
                let store = |[[result]]: [[V; 1]; 1]| unsafe { result.store(lanes.as_mut_ptr()) };
                self.0.apply([[V::splat(known, self.1)]], store);
                lanes[0]
            }
        }
        InstructionSet::best().run(One(self, x))
    }
}

/// From here on erf(x / √2) is taken to be 1; there, that is wrong by 3e-7.
const ERF_LIMIT: f32 = 5.15;

/// erf(x / √2) / x for |x| ≤ [`ERF_LIMIT`] as a polynomial in t = 2 x² / limit² − 1, lowest power first, which is
/// 1 / limit at the limit: a weighted least-squares fit at Chebyshev nodes, reweighted towards the smallest
/// largest error of [`gelu`].
const ERF_COEFFICIENTS: [f32; 13] = [
    0.274_530_08,
    -0.136_737_94,
    0.100_816_16,
    -0.080_180_81,
    0.063_646_84,
    -0.048_584_882,
    0.035_843_97,
    -0.025_281_332,
    0.014_517_88,
    -0.006_533_598_5,
    0.005_089_029_7,
    -0.004_533_281,
    0.001_582_635_5,
];

/// x/2 · (1 + erf(x / √2)), to about 1e-6; step by step for all registers, so that none waits for itself.
#[inline(always)]
fn gelu<V: Vector, const WIDTH: usize, const HEIGHT: usize>(
    mut x: [[V; WIDTH]; HEIGHT],
) -> [[V; WIDTH]; HEIGHT] {
    // Even and odd powers apart: two sums a register, neither of which waits for the other.
    let [pairs @ .., tenth, eleventh, twelfth] = ERF_COEFFICIENTS;
    let (mut t, mut square, mut even) = (x, x, x);
    let known = x[0][0].known();
    let mut odd = [[V::splat(known, eleventh); WIDTH]; HEIGHT];
    for row in 0..HEIGHT {
        for at in 0..WIDTH {
            let within = within_limit(x[row][at]);
            let scale = V::splat(known, 2.0 / (ERF_LIMIT * ERF_LIMIT));
            t[row][at] = within.mul(within).mul_add(scale, V::splat(known, -1.0));
            square[row][at] = t[row][at].mul(t[row][at]);
            even[row][at] =
                V::splat(known, twelfth).mul_add(square[row][at], V::splat(known, tenth));
        }
    }
    for &[lower, upper] in pairs.as_chunks::<2>().0.iter().rev() {
        for row in 0..HEIGHT {
            for at in 0..WIDTH {
                even[row][at] = even[row][at].mul_add(square[row][at], V::splat(known, lower));
                odd[row][at] = odd[row][at].mul_add(square[row][at], V::splat(known, upper));
            }
        }
    }
    for row in 0..HEIGHT {
        for at in 0..WIDTH {
            let sum = odd[row][at].mul_add(t[row][at], even[row][at]);
            let half = x[row][at].mul(V::splat(known, 0.5));
            x[row][at] = within_limit(x[row][at]).mul(sum).mul_add(half, half);
        }
    }
    x
}

/// x/2 · (1 + tanh u) with u = √(2/π) (x + 0.044715 x³) (Hendrycks and Gimpel, *Gaussian Error Linear Units*, 2016),
/// which is x / (1 + e⁻²ᵘ), and by e⁻²|ᵘ| alone (max(x, 0) + min(x, 0) e⁻²|ᵘ|) / (1 + e⁻²|ᵘ|), where nothing overflows.
#[inline(always)]
fn gelu_tanh<V: Vector>(x: V) -> V {
    const SLOPE: f32 = 2.0 * LOG2_E * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
    let known = x.known();
    let inner = x.mul(x).mul_add(V::splat(known, SLOPE * 0.044_715), V::splat(known, SLOPE));
    let (above, below) = (x.max(V::splat(known, 0.0)), x.min(V::splat(known, 0.0)));
    // inner is above 0, so u has the sign of x.
    let small = exp2_of_negative(below.sub(above).mul(inner));
    below.mul_add(small, above).div(small.add(V::splat(known, 1.0)))
}

#[inline(always)]
fn within_limit<V: Vector>(x: V) -> V {
    let known = x.known();
    x.max(V::splat(known, -ERF_LIMIT)).min(V::splat(known, ERF_LIMIT))
}

/// 2ˣ for x ≤ 0, or more by no more than rounding, with a relative error of about 2e-7; 0 to float accuracy below
/// −126.
///
/// 2ˣ = 2ⁿ 2ᶠ with n = round(x), |f| ≤ ½, and 2ᶠ as a polynomial that is 1 at 0, with a slope of ln 2: a
/// least-squares fit at Chebyshev nodes, reweighted towards the smallest largest error.
#[inline(always)]
pub(super) fn exp2_of_negative<V: Vector>(x: V) -> V {
    // Adding 1.5 · 2²³ rounds to a whole number and leaves it in the lowest bits; the 127 is the
    // exponent's bias.
    const ROUND: f32 = 12_582_912.0 + 127.0;
    let known = x.known();
    let x = x.max(V::splat(known, -126.0));
    let rounded = x.add(V::splat(known, ROUND));
    let power = rounded.into_exponent();
    let f = x.sub(rounded.sub(V::splat(known, ROUND)));
    let mut sum = V::splat(known, 1.330_060_5e-3);
    for coefficient in [9.669_691e-3, 5.550_558_5e-2, 0.240_222_83, LN_2, 1.0] {
        sum = sum.mul_add(f, V::splat(known, coefficient));
    }
    sum.mul(power)
}
