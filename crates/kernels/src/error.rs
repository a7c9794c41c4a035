//! What can go wrong outside a caller's control: sizes read from files, and what the machine offers.

use crate::{DType, Isa, KvElement};

/// Why a kernel object could not be made, or keys and values not be stored. Computing cannot fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// This CPU lacks the instructions that were asked for.
    #[error("this CPU has no {isa}: choose one of {}", names(.available))]
    IsaUnavailable {
        /// The instruction set asked for.
        isa: Isa,
        /// What this CPU can run.
        available: Vec<Isa>,
    },
    /// The name is not an arithmetic.
    #[error("unknown arithmetic '{name}': expected f32, int16 or int8")]
    UnknownArithmetic {
        /// The name given.
        name: String,
    },
    /// The system did not start the worker threads.
    #[error("cannot start {threads} compute threads: {cause}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the thread pool said.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system refuses the memory of a page of keys and values.
    #[error("the system refuses {bytes} bytes for keys and values: ask for a shorter context")]
    KvCacheTooLarge {
        /// Bytes needed, saturated.
        bytes: u64,
    },
    /// Too few pages of keys and values are free.
    #[error("{needed} pages of keys and values are needed, {free} of {pages} are free")]
    KvPagesExhausted {
        /// Pages that are needed beside those that the sequence holds.
        needed: usize,
        /// Pages that no sequence holds.
        free: usize,
        /// Pages in all.
        pages: usize,
    },
    /// A key or value is not a finite number of the type it is stored in.
    #[error(
        "a key or value of layer {layer} at position {position} is {value}, which {element} does not hold"
    )]
    KvOverflow {
        /// Decoder layer.
        layer: usize,
        /// Position in its sequence.
        position: usize,
        /// The number.
        value: f32,
        /// How numbers are stored.
        element: KvElement,
    },
}

fn names(isas: &[Isa]) -> String {
    isas.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", ")
}
