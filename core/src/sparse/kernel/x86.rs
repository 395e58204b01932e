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

/// Compiles `kernel` for AVX-512 and runs it.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,fma,f16c")]
pub(super) fn with_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

/// Compiles `kernel` for AVX2 and FMA and runs it.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

impl Vector for Avx512 {
    const LANES: usize = 16;
    const WIDEST: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: called only inside `InstructionSet::run`, which checked the processor.
        unsafe { Self(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_half(from: *const u16) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const i8) -> Self {
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

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: called only inside `InstructionSet::run`, which checked the processor.
        unsafe { Self(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_half(from: *const u16) -> Self {
        // SAFETY: as `splat`; the caller vouches for the memory.
        unsafe { Self(_mm256_cvtph_ps(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const i8) -> Self {
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
