//! Registers of x86-64: AVX-512, and AVX2 with FMA.

use std::arch::x86_64::*;

use super::Kernel;
use super::vector::{Vector, lanewise};

/// Sixteen floats.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

/// Eight floats.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256);

/// Shows that this processor knows AVX-512, and what [`Avx2Known`] shows: [`Avx512Known::detect`] looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx512Known(());

/// Shows that this processor knows AVX2, FMA and F16C: [`Avx2Known::detect`] looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2Known(());

impl Avx512Known {
    /// Looks whether the processor knows them.
    pub(super) fn detect() -> Option<Avx512Known> {
        let known = Avx2Known::detect().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        known.then_some(Avx512Known(()))
    }

    /// Compiles `kernel` for AVX-512 and runs it.
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: this value shows that the processor knows the features.
        unsafe { with_avx512(self, kernel) }
    }
}

impl Avx2Known {
    /// Looks whether the processor knows them.
    pub(super) fn detect() -> Option<Avx2Known> {
        let known = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        known.then_some(Avx2Known(()))
    }

    /// Compiles `kernel` for AVX2 and FMA and runs it.
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: this value shows that the processor knows the features.
        unsafe { with_avx2(self, kernel) }
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,fma,f16c")]
fn with_avx512<K: Kernel>(known: Avx512Known, kernel: K) -> K::Output {
    kernel.run::<Avx512>(known)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn with_avx2<K: Kernel>(known: Avx2Known, kernel: K) -> K::Output {
    kernel.run::<Avx2>(known)
}

impl Vector for Avx512 {
    const LANES: usize = 16;

    type Known = Avx512Known;

    #[inline(always)]
    fn known(self) -> Self::Known {
        Avx512Known(())
    }

    #[inline(always)]
    fn splat(_: Self::Known, value: f32) -> Self {
        // SAFETY: the argument shows that the processor knows the instructions.
        unsafe { Self(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(_: Self::Known, from: *const f32) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_half(_: Self::Known, from: *const u16) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_bytes(_: Self::Known, from: *const i8) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast())))) }
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    lanewise! {
        add: _mm512_add_ps,
        sub: _mm512_sub_ps,
        mul: _mm512_mul_ps,
        div: _mm512_div_ps,
        min: _mm512_min_ps,
        max: _mm512_max_ps,
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_sqrt_ps(self.0)) }
    }

    #[inline(always)]
    fn into_exponent(self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self.0)))) }
    }
}

impl Vector for Avx2 {
    const LANES: usize = 8;

    type Known = Avx2Known;

    #[inline(always)]
    fn known(self) -> Self::Known {
        Avx2Known(())
    }

    #[inline(always)]
    fn splat(_: Self::Known, value: f32) -> Self {
        // SAFETY: the argument shows that the processor knows the instructions.
        unsafe { Self(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(_: Self::Known, from: *const f32) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_half(_: Self::Known, from: *const u16) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm256_cvtph_ps(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_bytes(_: Self::Known, from: *const i8) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast())))) }
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    lanewise! {
        add: _mm256_add_ps,
        sub: _mm256_sub_ps,
        mul: _mm256_mul_ps,
        div: _mm256_div_ps,
        min: _mm256_min_ps,
        max: _mm256_max_ps,
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm256_sqrt_ps(self.0)) }
    }

    #[inline(always)]
    fn into_exponent(self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(self.0)))) }
    }
}
