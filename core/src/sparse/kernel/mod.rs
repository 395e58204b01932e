//! The inner loops, written once over [`vector::Vector`] and compiled for each instruction set.
//!
//! Activations lie as panels `[channels, width]`: a channel's values of a few tokens stand side by side, so
//! one register holds several tokens of one channel and no sum runs across lanes.

mod attention;
mod buffer;
mod functions;
mod gate;
#[cfg(target_arch = "aarch64")]
mod neon;
mod norm;
mod peak;
mod portable;
mod product;
mod reach;
mod tile;
mod tokens;
mod turn;
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use attention::Attention;
pub(crate) use buffer::Buffer;
pub(crate) use functions::Activation;
pub(crate) use gate::Gate;
pub(crate) use norm::AddNorm;
pub(crate) use peak::MultiplyAdds;
pub(crate) use product::{BLOCK_ROWS, Columns, Product, Values};
pub(crate) use reach::Reach;
pub(crate) use tokens::TokenPanels;
pub(crate) use turn::{Angles, Turn};
use vector::Vector;

use super::cost::{Cost, PackLayout};

/// Something that can be compiled for any instruction set.
trait Kernel {
    type Output;

    /// Called only by [`InstructionSet::run`]; always inlined into a function of the instruction set.
    fn run<V: Vector>(self, known: V::Known) -> Self::Output;
}

/// A set of instructions that this processor has been found to know: only looking makes one, and no kernel runs
/// without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionSet(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512Known),
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2Known),
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    Portable,
}

impl InstructionSet {
    /// All that this processor knows, the fastest first.
    pub fn available() -> Vec<InstructionSet> {
        let mut kinds = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            kinds.extend(x86::Avx512Known::detect().map(Kind::Avx512));
            kinds.extend(x86::Avx2Known::detect().map(Kind::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        kinds.push(Kind::Neon);
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        kinds.push(Kind::Simd128);
        kinds.push(Kind::Portable);
        kinds.into_iter().map(InstructionSet).collect()
    }

    /// The fastest that this processor knows.
    pub fn best() -> InstructionSet {
        InstructionSet::available()[0]
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "NEON",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => "SIMD128",
            Kind::Portable => "portable",
        }
    }

    /// What a product costs in `layout`: `sparsecbm bench kernel` measures these numbers again, and
    /// `bindings-wasm/bench-kernel.mjs` those of SIMD128.
    ///
    /// Those of x86-64 and of plain Rust were fitted on an AMD EPYC of the fourth generation, those of SIMD128
    /// in Node 20 on one of the third. NEON has not been measured: its are twice AVX2's, as its registers are half
    /// as wide.
    pub fn cost(self, layout: PackLayout) -> Cost {
        let [dense, blocks, rows] = match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => [(2.42, 0.0), (2.40, 12.8), (1.21, 9.9)],
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => [(2.72, 14.1), (2.97, 18.4), (1.59, 9.7)],
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => [(5.44, 28.2), (5.94, 36.8), (3.18, 19.4)],
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => [(11.4, 67.6), (13.0, 93.4), (4.17, 50.8)],
            Kind::Portable => [(8.25, 64.5), (9.04, 24.2), (2.76, 9.2)],
        };
        let (entry, group) = match layout {
            PackLayout::Dense => dense,
            PackLayout::Blocks => blocks,
            PackLayout::Rows => rows,
        };
        Cost { entry, group }
    }

    /// Floats in one register.
    pub(crate) fn lanes(self) -> usize {
        struct Lanes;
        impl Kernel for Lanes {
            type Output = usize;
            fn run<V: Vector>(self, _: V::Known) -> usize {
                V::LANES
            }
        }
        self.run(Lanes)
    }

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(known) => known.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(known) => known.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => kernel.run::<neon::Neon>(()),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => kernel.run::<wasm::Simd128>(()),
            Kind::Portable => kernel.run::<portable::Portable>(()),
        }
    }
}
