//! How a manifest can contradict itself, its shape or its files.

use crate::DataFileKind;
use std::fmt;

/// A contradiction in a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestFault {
    /// The payload does not decode.
    #[error("the payload does not decode ({0})")]
    Decode(String),
    /// The payload cannot be written.
    #[error("the payload does not encode ({0})")]
    Encode(String),
    /// Bytes follow the decoded payload.
    #[error("the payload ends after {used} of {len} bytes")]
    TrailingBytes {
        /// Bytes that decoded.
        used: u64,
        /// Bytes there are.
        len: u64,
    },
    /// Reserved header bytes are not zero.
    #[error("the reserved header field holds {got:08x}, expected 00000000")]
    Reserved {
        /// What it holds.
        got: u32,
    },
    /// A name is empty or too long.
    #[error("the name of a {what} is {got} bytes long, expected 1 to {limit}")]
    NameLength {
        /// What is named.
        what: Named,
        /// Most bytes a name may have.
        limit: usize,
        /// Bytes it has.
        got: usize,
    },
    /// A name holds a control character, or a text file's name is not a plain file name.
    #[error("a {what} is named {name:?}, which is not a plain name")]
    Name {
        /// What is named.
        what: Named,
        /// The name.
        name: String,
    },
    /// Two of a kind share a name.
    #[error("two of kind {what} are named {name:?}")]
    DuplicateName {
        /// What is named.
        what: Named,
        /// The name.
        name: String,
    },
    /// The model has no layer, no neuron or no width.
    #[error("the shape has {layers} layers of {neurons} neurons of width {width}: none may be 0")]
    EmptyShape {
        /// Layers.
        layers: u32,
        /// Neurons of each layer.
        neurons: u32,
        /// Numbers per row.
        width: u32,
    },
    /// A tensor has too many dimensions, or one of size zero.
    #[error(
        "tensor {tensor:?} has {count} dimensions, the smallest {smallest}: expected at most 8 of \
         size 1 or more"
    )]
    Dims {
        /// The tensor.
        tensor: String,
        /// Its dimensions.
        count: usize,
        /// Size of the smallest.
        smallest: u64,
    },
    /// A tensor's length is not the product of its sizes; `expected` is `None` past 64 bits.
    #[error("tensor {tensor:?} is {got} bytes long, expected {}", Bytes(*.expected))]
    TensorLength {
        /// The tensor.
        tensor: String,
        /// Product of its sizes, in bytes.
        expected: Option<u64>,
        /// Length in the table, in bytes.
        got: u64,
    },
    /// A section does not start where the one before it ends.
    #[error("a section of the {file} file starts at {got}, expected {expected}")]
    SectionStart {
        /// The file.
        file: DataFileKind,
        /// Where it must start.
        expected: u64,
        /// Where the table says it starts.
        got: u64,
    },
    /// A section ends past the largest offset.
    #[error("a section of the {file} file has {len} bytes from {offset}, past 64 bits")]
    SectionEnd {
        /// The file.
        file: DataFileKind,
        /// Its start.
        offset: u64,
        /// Its length.
        len: u64,
    },
    /// A file's length is not the end of its last section.
    #[error("the {file} file is said to be {got} bytes long, but its sections end at {expected}")]
    FileLength {
        /// The file.
        file: DataFileKind,
        /// End of its sections.
        expected: u64,
        /// Length in the table.
        got: u64,
    },
    /// A list has another number of entries than the shape or its group asks for.
    #[error("{what}: {got}, expected {expected}")]
    Count {
        /// What is counted.
        what: Counted,
        /// How many there must be.
        expected: u64,
        /// How many there are.
        got: u64,
    },
    /// The stored order of a group, or its list of hot neurons, names a neuron twice or one that is
    /// not there.
    #[error("{what} of group {group} names neuron {neuron} twice, or there is none")]
    Neuron {
        /// The list.
        what: Counted,
        /// The group.
        group: u32,
        /// The neuron.
        neuron: u32,
    },
    /// A bias is not a tensor of one f32 per neuron, or a gate bias belongs to records without a
    /// gate.
    #[error(
        "group {group} names tensor {tensor} as a bias, which is not one f32 per neuron of a \
         stored row"
    )]
    Bias {
        /// The group.
        group: u32,
        /// Index into the tensor table.
        tensor: u32,
    },
}

/// What carries a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A dense tensor.
    Tensor,
    /// A text file.
    Text,
    /// A kind of predictor.
    PredictorKind,
    /// A field of the source.
    Provenance,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Named::Tensor => "tensor",
            Named::Text => "text file",
            Named::PredictorKind => "predictor kind",
            Named::Provenance => "source",
        })
    }
}

/// What is counted or listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Neuron groups.
    Groups,
    /// Neurons of a group.
    Neurons,
    /// Checksums of a group.
    Checksums,
    /// The stored order of a group.
    Order,
    /// Predictors.
    Predictors,
    /// Groups of the calibration.
    Calibrated,
    /// Hot neurons of a group.
    Hot,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Counted::Groups => "number of groups",
            Counted::Neurons => "number of neurons in a group",
            Counted::Checksums => "number of record checksums in a group",
            Counted::Order => "the stored order",
            Counted::Predictors => "number of predictors",
            Counted::Calibrated => "number of calibrated groups",
            Counted::Hot => "the list of hot neurons",
        })
    }
}

struct Bytes(Option<u64>);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes}"),
            None => f.write_str("no more than 64 bits of them"),
        }
    }
}
