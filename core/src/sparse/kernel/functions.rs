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
    #[inline(always)]
    pub(super) fn apply<V: Vector>(self, x: V) -> V {
        match self {
            Activation::Identity => x,
            Activation::Gelu => gelu(x),
            Activation::Relu => x.max(V::splat(0.0)),
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
                unsafe { self.0.apply(V::splat(self.1)).store(lanes.as_mut_ptr()) };
                lanes[0]
            }
        }
        InstructionSet::best().run(One(self, x))
    }
}

/// From here on erf is 1 to float accuracy.
const ERF_LIMIT: f32 = 3.85;

/// erf(z) / z for |z| ≤ [`ERF_LIMIT`] as a polynomial in t = 2 z² / limit² − 1, lowest power first:
/// a weighted least-squares fit at Chebyshev nodes, reweighted towards the smallest largest error of
/// z · erf(z).
const ERF_COEFFICIENTS: [f32; 15] = [
    0.367_284_83,
    -0.183_301_5,
    0.136_210_9,
    -0.110_383,
    0.090_833_86,
    -0.073_231_34,
    0.056_284_55,
    -0.040_752_396,
    0.028_784_88,
    -0.019_511_372,
    0.010_229_368,
    -0.004_048_062,
    0.003_404_823_8,
    -0.003_090_544_8,
    0.001_025_261_7,
];

/// x/2 · (1 + erf(x / √2)), to about 1e-6.
#[inline(always)]
fn gelu<V: Vector>(x: V) -> V {
    let z = x.mul(V::splat(std::f32::consts::FRAC_1_SQRT_2));
    let z = z.max(V::splat(-ERF_LIMIT)).min(V::splat(ERF_LIMIT));
    let t = z.mul(z).mul_add(V::splat(2.0 / (ERF_LIMIT * ERF_LIMIT)), V::splat(-1.0));
    let [rest @ .., highest] = ERF_COEFFICIENTS;
    let mut sum = V::splat(highest);
    for coefficient in rest.iter().rev() {
        sum = sum.mul_add(t, V::splat(*coefficient));
    }
    let half = x.mul(V::splat(0.5));
    z.mul(sum).mul_add(half, half)
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
