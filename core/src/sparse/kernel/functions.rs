use super::vector::{MOST_LANES, Vector};

/// What a product's results go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    Identity,
    /// x · Φ(x), by the error function.
    Gelu,
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
            Activation::Relu => {
                for sum in sums.as_flattened_mut() {
                    *sum = sum.max(V::splat(0.0));
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
            fn run<V: Vector>(self) -> f32 {
                let mut lanes = [0.0; MOST_LANES];
                // SAFETY: no register has more lanes.
                let store = |[[result]]: [[V; 1]; 1]| unsafe { result.store(lanes.as_mut_ptr()) };
                self.0.apply([[V::splat(self.1)]], store);
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
    let [rest @ .., highest] = ERF_COEFFICIENTS;
    let (mut within, mut t) = (x, x);
    let mut sums = [[V::splat(highest); WIDTH]; HEIGHT];
    for row in 0..HEIGHT {
        for at in 0..WIDTH {
            let x = x[row][at].max(V::splat(-ERF_LIMIT)).min(V::splat(ERF_LIMIT));
            let scale = V::splat(2.0 / (ERF_LIMIT * ERF_LIMIT));
            within[row][at] = x;
            t[row][at] = x.mul(x).mul_add(scale, V::splat(-1.0));
        }
    }
    for coefficient in rest.iter().rev() {
        let coefficient = V::splat(*coefficient);
        for row in 0..HEIGHT {
            for at in 0..WIDTH {
                sums[row][at] = sums[row][at].mul_add(t[row][at], coefficient);
            }
        }
    }
    for row in 0..HEIGHT {
        for at in 0..WIDTH {
            let half = x[row][at].mul(V::splat(0.5));
            x[row][at] = within[row][at].mul(sums[row][at]).mul_add(half, half);
        }
    }
    x
}

/// eˣ for x ≤ 0, with a relative error of about 2e-7; 0 to float accuracy below −87.
///
/// eˣ = 2ⁿ eʳ with n = round(x / ln 2), |r| ≤ ln 2 / 2, and eʳ by its Taylor series.
#[inline(always)]
pub(super) fn exp_of_negative<V: Vector>(x: V) -> V {
    // Adding 1.5 · 2²³ rounds to a whole number and leaves it in the lowest bits; the 127 is the
    // exponent's bias.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first of which times n is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.max(V::splat(-87.0));
    let rounded = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND + 127.0));
    let power = rounded.into_exponent();
    let n = rounded.sub(V::splat(ROUND + 127.0));
    let r = n.mul_add(V::splat(-LN_2_HIGH), x);
    let r = n.mul_add(V::splat(-LN_2_LOW), r);
    let mut sum = V::splat(1.0 / 720.0);
    for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum.mul_add(r, V::splat(coefficient));
    }
    sum.mul(power)
}
