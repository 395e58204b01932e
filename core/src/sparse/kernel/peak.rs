use std::hint::black_box;

use super::vector::{MOST_LANES, Vector};
use super::{InstructionSet, Kernel};

/// Sums that do not wait for each other: more than any processor's latency needs, and with the two
/// factors few enough for sixteen registers.
const CHAINS: usize = 12;

/// Nothing but multiply-adds, from registers to registers: as fast as the processor can do them.
pub(crate) struct MultiplyAdds {
    /// How often each chain is added to.
    pub(crate) steps: usize,
}

impl MultiplyAdds {
    /// Does them, and tells how many they were.
    pub(crate) fn run(self, set: InstructionSet) -> usize {
        set.run(self)
    }
}

impl Kernel for MultiplyAdds {
    type Output = usize;

    #[inline(always)]
    fn run<V: Vector>(self, known: V::Known) -> usize {
        // Neither grows beyond bounds nor becomes subnormal, which could be slower.
        let (factor, input) = (V::splat(known, black_box(0.5)), V::splat(known, black_box(0.25)));
        let mut sums = [V::splat(known, 0.0); CHAINS];
        for _ in 0..self.steps {
            for sum in &mut sums {
                *sum = factor.mul_add(input, *sum);
            }
        }
        let mut total = sums[0];
        for sum in &sums[1..] {
            total = total.add(*sum);
        }
        let mut lanes = [0.0; MOST_LANES];
        // SAFETY: no register has more lanes.
        unsafe { total.store(lanes.as_mut_ptr()) };
        black_box(lanes);
        self.steps * CHAINS * V::LANES
    }
}
