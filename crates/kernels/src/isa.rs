//! Which instructions the kernels may use. The choice changes speed and never a bit of the result.

#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512, Vnni};
use crate::lanes::{IntegerKernel, Kernel, Lanes, Products, Scalar};
use std::fmt;
use std::str::FromStr;

/// An instruction set that the kernels are written for, slowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Whatever the compiler makes of plain Rust; the reference for the others.
    Scalar,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, VL and DQ with FMA and F16C.
    Avx512,
}

impl Isa {
    const ALL: [Isa; 3] = [Isa::Scalar, Isa::Avx2, Isa::Avx512];

    /// The fastest one that this CPU runs.
    pub fn best() -> Isa {
        Isa::available().last().copied().unwrap_or(Isa::Scalar)
    }

    /// All that this CPU runs, slowest first.
    pub fn available() -> Vec<Isa> {
        Isa::ALL.into_iter().filter(|isa| SimdProof::detect(*isa).is_some()).collect()
    }

    /// The name used on the command line and in reports: `scalar`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not one of an instruction set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown instruction set '{name}': expected scalar, avx2 or avx512")]
pub struct UnknownIsa {
    /// The name given.
    pub name: String,
}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> Result<Isa, UnknownIsa> {
        let unknown = || UnknownIsa { name: name.to_owned() };
        Isa::ALL.into_iter().find(|isa| isa.name() == name).ok_or_else(unknown)
    }
}

/// An instruction set that this CPU was seen to have. Holding one is the proof.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SimdProof {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl SimdProof {
    /// The path for `isa`; `None` when this CPU lacks it.
    pub(crate) fn detect(isa: Isa) -> Option<SimdProof> {
        match isa {
            Isa::Scalar => Some(SimdProof::Scalar(Scalar)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::detect().map(SimdProof::Avx2),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Avx512::detect().map(SimdProof::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => None,
        }
    }

    /// Runs `kernel` compiled for these instructions.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            SimdProof::Scalar(lanes) => lanes.enter(kernel),
            #[cfg(target_arch = "x86_64")]
            SimdProof::Avx2(lanes) => lanes.enter(kernel),
            #[cfg(target_arch = "x86_64")]
            SimdProof::Avx512(lanes) => lanes.enter(kernel),
        }
    }
}

/// What multiplies integers: likewise seen. An AVX-512 CPU without the instructions for it uses those of AVX2,
/// which give the same integers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IntegerProof {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Vnni(Vnni),
}

impl IntegerProof {
    /// The path for `isa`; `None` when this CPU lacks it.
    pub(crate) fn detect(isa: Isa) -> Option<IntegerProof> {
        match isa {
            Isa::Scalar => Some(IntegerProof::Scalar(Scalar)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::detect().map(IntegerProof::Avx2),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                let vnni = Vnni::detect().map(IntegerProof::Vnni);
                vnni.or_else(|| IntegerProof::detect(Isa::Avx2))
            }
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => None,
        }
    }

    /// Runs `kernel` compiled for these instructions.
    #[inline]
    pub(crate) fn run<K: IntegerKernel>(self, kernel: K) -> K::Output {
        match self {
            IntegerProof::Scalar(products) => products.enter_products(kernel),
            #[cfg(target_arch = "x86_64")]
            IntegerProof::Avx2(products) => products.enter_products(kernel),
            #[cfg(target_arch = "x86_64")]
            IntegerProof::Vnni(products) => products.enter_products(kernel),
        }
    }
}
