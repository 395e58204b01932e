//! Registers of aarch64, every one of which has NEON.

use std::arch::aarch64::*;

use super::vector::{Vector, lanewise};

/// Four floats.
#[derive(Clone, Copy)]
pub(super) struct Neon(float32x4_t);

impl Vector for Neon {
    const LANES: usize = 4;

    type Known = ();

    #[inline(always)]
    fn known(self) -> Self::Known {}

    #[inline(always)]
    fn splat(_: Self::Known, value: f32) -> Self {
        // SAFETY: every aarch64 processor has NEON.
        unsafe { Self(vdupq_n_f32(value)) }
    }

    #[inline(always)]
    unsafe fn load(_: Self::Known, from: *const f32) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(vld1q_f32(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { vst1q_f32(to, self.0) }
    }

    lanewise! {
        add: vaddq_f32,
        sub: vsubq_f32,
        mul: vmulq_f32,
        div: vdivq_f32,
        min: vminq_f32,
        max: vmaxq_f32,
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(vfmaq_f32(addend.0, self.0, factor.0)) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(vsqrtq_f32(self.0)) }
    }

    #[inline(always)]
    fn into_exponent(self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(vreinterpretq_f32_s32(vshlq_n_s32::<23>(vreinterpretq_s32_f32(self.0)))) }
    }
}
