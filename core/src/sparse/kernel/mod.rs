//! The inner loops, written once over [`vector::Vector`] and compiled for each instruction set.
//!
//! Activations lie as `[channels, stride]`: a channel's values of all tokens stand side by side, so one
//! register holds several tokens of one channel and no sum runs across lanes.

mod attention;
mod functions;
#[cfg(target_arch = "aarch64")]
mod neon;
mod norm;
mod portable;
mod product;
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use attention::Attention;
pub(crate) use functions::Activation;
pub(crate) use norm::AddNorm;
pub(crate) use product::{BLOCK_ROWS, Columns, Product, Tokens, Values};
use vector::Vector;

/// Something that can be compiled for any instruction set.
trait Kernel {
    type Output;

    /// Called only by [`InstructionSet::run`]; always inlined into a function of the instruction set.
    fn run<V: Vector>(self) -> Self::Output;
}

/// A set of instructions that this processor has been found to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstructionSet(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    Portable,
}

impl InstructionSet {
    /// All that this processor knows, the fastest first.
    pub(crate) fn available() -> Vec<InstructionSet> {
        let mut kinds = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                kinds.push(Kind::Avx512);
            }
            if avx2 {
                kinds.push(Kind::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        kinds.push(Kind::Neon);
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        kinds.push(Kind::Simd128);
        kinds.push(Kind::Portable);
        kinds.into_iter().map(InstructionSet).collect()
    }

    /// The fastest that this processor knows.
    pub(crate) fn best() -> InstructionSet {
        InstructionSet::available()[0]
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "NEON",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => "SIMD128",
            Kind::Portable => "portable",
        }
    }

    /// For 32 tokens: time of four rows' weights of one column, with and without an index, and of a
    /// single weight. Fitted to this crate's kernels on a processor of each class.
    pub(crate) fn nanoseconds(self) -> [f64; 3] {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => [1.5, 1.6, 0.8],
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => [3.0, 3.1, 1.2],
            _ => [6.0, 6.1, 2.0],
        }
    }

    /// Floats in one register.
    pub(crate) fn lanes(self) -> usize {
        struct Lanes;
        impl Kernel for Lanes {
            type Output = usize;
            fn run<V: Vector>(self) -> usize {
                V::LANES
            }
        }
        self.run(Lanes)
    }

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: `available` alone makes this value, and only where the processor has the features.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { x86::with_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86::with_avx2(kernel) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => kernel.run::<neon::Neon>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => kernel.run::<wasm::Simd128>(),
            Kind::Portable => kernel.run::<portable::Portable>(),
        }
    }
}

/// Registers that a panel of tokens may take at once: four rows of accumulators this wide, and the
/// registers that feed them, still fit.
#[inline(always)]
const fn widest<V: Vector>() -> usize {
    if V::LANES == 16 { 4 } else { 2 }
}

/// Cuts `vectors` registers of tokens into panels of nearly one width, none wider than `widest`: the
/// first register and the width of each.
///
/// An iterator, because a closure is compiled without the instruction set of the function around it:
/// nothing that holds registers may be one.
fn panels(vectors: usize, widest: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = vectors.div_ceil(widest);
    let mut first = 0;
    (0..count).map(move |index| {
        let (from, width) = (first, (vectors - first).div_ceil(count - index));
        first += width;
        (from, width)
    })
}
