//! What can go wrong outside a caller's control: sizes read from files, and what the machine offers.

use crate::{DType, Isa};

/// Why a kernel object could not be made. The kernels themselves cannot fail.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The bytes of a matrix are not as many as its shape needs.
    #[error("a {rows} x {cols} matrix of {element} does not take {got} bytes")]
    MatrixBytes {
        /// Encoding of the weights.
        element: DType,
        /// Rows asked for.
        rows: usize,
        /// Numbers per row asked for.
        cols: usize,
        /// Bytes given.
        got: usize,
    },
    /// There is no kernel for this data type.
    #[error("there is no kernel for weights of {element}")]
    NoKernel {
        /// Encoding of the weights.
        element: DType,
    },
    /// This CPU lacks the instructions that were asked for.
    #[error("this CPU has no {isa}: choose one of {}", names(.available))]
    IsaUnavailable {
        /// The instruction set asked for.
        isa: Isa,
        /// What this CPU can run.
        available: Vec<Isa>,
    },
    /// The name is no instruction set.
    #[error("unknown instruction set '{name}': expected scalar, avx2 or avx512")]
    UnknownIsa {
        /// The name given.
        name: String,
    },
    /// The system did not start the worker threads.
    #[error("cannot start {threads} compute threads: {cause}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the thread pool said.
        cause: rayon::ThreadPoolBuildError,
    },
    /// The system refuses the memory of the KV cache.
    #[error("the system refuses a KV cache of {bytes} bytes: ask for a shorter context")]
    KvCacheTooLarge {
        /// Bytes needed, saturated.
        bytes: u64,
    },
}

fn names(isas: &[Isa]) -> String {
    isas.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", ")
}
