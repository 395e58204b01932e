//! 16-bit floats as bits. Infinity and NaN do not occur: whoever reads weights refuses them.

/// 2¹¹²: between the bias of a 16-bit float's exponent, 15, and of a 32-bit one's, 127.
const BIAS: f32 = f32::from_bits((127 + 112) << 23);

/// A finite 16-bit float, from its bits.
///
/// Exponent and fraction keep their meaning in the wider format but for the exponent's bias, which the
/// factor corrects, for subnormal numbers too.
#[inline(always)]
pub(super) fn finite_half(bits: u16) -> f32 {
    let bits = u32::from(bits);
    f32::from_bits((bits & 0x8000) << 16 | (bits & 0x7fff) << 13) * BIAS
}

/// The bits of a number that came from [`finite_half`].
#[cfg(test)]
pub(super) fn half_bits(value: f32) -> u16 {
    let bits = (value / BIAS).to_bits();
    (bits >> 16 & 0x8000 | bits >> 13 & 0x7fff) as u16
}
