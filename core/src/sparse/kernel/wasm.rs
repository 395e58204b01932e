//! Registers of WebAssembly with SIMD128: a module that holds these instructions loads only where they
//! are known, so a build has them or has not.

use std::arch::wasm32::*;

use super::vector::{Vector, lanewise};

/// Four floats.
#[derive(Clone, Copy)]
pub(super) struct Simd128(v128);

impl Vector for Simd128 {
    const LANES: usize = 4;

    type Known = ();

    #[inline(always)]
    fn known(self) -> Self::Known {}

    #[inline(always)]
    fn splat(_: Self::Known, value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    #[inline(always)]
    unsafe fn load(_: Self::Known, from: *const f32) -> Self {
        // SAFETY: the caller vouches for the memory.
        unsafe { Self(v128_load(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_half(_: Self::Known, from: *const u16) -> Self {
        // SAFETY: the caller vouches for the memory.
        let bits = unsafe { u32x4_load_extend_u16x4(from) };
        // As `finite_half`, four at once.
        let sign = i32x4_shl(v128_and(bits, u32x4_splat(0x8000)), 16);
        let rest = i32x4_shl(v128_and(bits, u32x4_splat(0x7fff)), 13);
        let bias = u32x4_splat((127 + 112) << 23);
        Self(f32x4_mul(v128_or(sign, rest), bias))
    }

    #[inline(always)]
    unsafe fn load_bytes(_: Self::Known, from: *const i8) -> Self {
        // SAFETY: the caller vouches for the memory.
        let bytes = unsafe { v128_load32_zero(from.cast()) };
        Self(f32x4_convert_i32x4(i32x4_extend_low_i16x8(i16x8_extend_low_i8x16(bytes))))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for the memory.
        unsafe { v128_store(to.cast(), self.0) }
    }

    lanewise! {
        add: f32x4_add,
        sub: f32x4_sub,
        mul: f32x4_mul,
        div: f32x4_div,
        // The `p` forms are one instruction on x86; no NaN reaches them.
        min: f32x4_pmin,
        max: f32x4_pmax,
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(f32x4_add(f32x4_mul(self.0, factor.0), addend.0))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(f32x4_sqrt(self.0))
    }

    #[inline(always)]
    fn into_exponent(self) -> Self {
        Self(i32x4_shl(self.0, 23))
    }
}
