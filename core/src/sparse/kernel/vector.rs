use crate::sparse::half::finite_half;

/// A processor register of 32-bit floats.
///
/// The kernels are written once, over this trait; each instruction set has one implementation. Every function that
/// makes a value asks for a [`Known`](Vector::Known), so whoever has a value has shown that the processor knows the instructions
/// behind it, and methods of values need not ask again.
pub(super) trait Vector: Copy {
    /// What shows that this processor knows the instructions: only the code that looked can make one.
    type Known: Copy;

    /// What the value was made with.
    fn known(self) -> Self::Known;

    /// Floats in one register.
    const LANES: usize;

    /// `value` in every lane.
    fn splat(known: Self::Known, value: f32) -> Self;

    /// Reads [`LANES`](Vector::LANES) floats.
    ///
    /// # Safety
    /// They must lie within one allocation; no alignment is needed.
    unsafe fn load(known: Self::Known, from: *const f32) -> Self;

    /// Reads as many 16-bit floats, all finite.
    ///
    /// # Safety
    /// They must lie within one allocation.
    #[inline(always)]
    unsafe fn load_half(known: Self::Known, from: *const u16) -> Self {
        let mut lanes = [0.0; MOST_LANES];
        for (lane, value) in lanes[..Self::LANES].iter_mut().enumerate() {
            // SAFETY: the caller vouches for the memory.
            *value = finite_half(unsafe { *from.add(lane) });
        }
        // SAFETY: no register has more lanes.
        unsafe { Self::load(known, lanes.as_ptr()) }
    }

    /// Reads as many whole numbers of 8 bits.
    ///
    /// # Safety
    /// They must lie within one allocation.
    #[inline(always)]
    unsafe fn load_bytes(known: Self::Known, from: *const i8) -> Self {
        let mut lanes = [0.0; MOST_LANES];
        for (lane, value) in lanes[..Self::LANES].iter_mut().enumerate() {
            // SAFETY: the caller vouches for the memory.
            *value = f32::from(unsafe { *from.add(lane) });
        }
        // SAFETY: no register has more lanes.
        unsafe { Self::load(known, lanes.as_ptr()) }
    }

    /// Has the memory at `_from` brought nearer, where the processor can be asked to; any address will do.
    #[inline(always)]
    fn prefetch(_from: *const u8) {}

    /// Writes [`LANES`](Vector::LANES) floats.
    ///
    /// # Safety
    /// They must lie within one allocation that may be written; no alignment is needed.
    unsafe fn store(self, to: *mut f32);

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;

    /// `self · factor + addend`, rounded once where the processor can.
    fn mul_add(self, factor: Self, addend: Self) -> Self;

    fn sqrt(self) -> Self;

    /// The bits of each float moved left by 23 places, into the exponent.
    fn into_exponent(self) -> Self;
}

/// The most lanes that a register of any instruction set has.
pub(super) const MOST_LANES: usize = 16;

/// Two-operand methods that are one instruction each.
macro_rules! lanewise {
    ($($method:ident: $instruction:path),+ $(,)?) => {$(
        #[inline(always)]
        #[allow(unused_unsafe, reason = "WebAssembly's instructions are safe")]
        fn $method(self, other: Self) -> Self {
            // SAFETY: whoever made the values has shown that the processor knows the instructions.
            unsafe { Self($instruction(self.0, other.0)) }
        }
    )+};
}
#[allow(unused_imports, reason = "not every target has an instruction set of its own")]
pub(super) use lanewise;
