//! What can be wrong with a GGUF file: one sentence each, with the file and the facts.

use super::tensor_type::TensorType;
use crate::lookalike::Lookalike;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a GGUF file cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The system cannot read the file.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A link whose file is gone, as in a download cache that was cleaned up.
    #[error("{} is a link to a file that is not there: download it again", path.display())]
    DeadLink {
        /// The link.
        path: PathBuf,
    },
    /// The path leads to a directory, a pipe or a device.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a GGUF file: it {found}", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: Lookalike,
    },
    /// The part before the tensors is damaged, cut short, or of a kind that is not read.
    #[error("{}: at byte {offset}: {fault}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// Bytes before the place where it was found.
        offset: u64,
        /// What is wrong.
        fault: HeaderFault,
    },
    /// A tensor is missing, lies where it cannot, or is of no use.
    #[error("{}: tensor '{}' {fault}", path.display(), name.escape_debug())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// What is wrong.
        fault: TensorFault,
    },
    /// The parts of a split model do not belong together.
    #[error("{}: {fault}", path.display())]
    Split {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: SplitFault,
    },
    /// A metadata key is missing or its value is of no use.
    #[error("{}: metadata key '{}' {fault}", path.display(), key.escape_debug())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong.
        fault: KeyFault,
    },
    /// The tokenizer cannot be built.
    #[error("{}: the tokenizer {fault}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: TokenizerFault,
    },
}

/// Something that a header counts or names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Metadata keys, or one of them.
    Keys,
    /// Tensors, or the name of one.
    Tensors,
    /// Elements of an array.
    Elements,
    /// Bytes of the header.
    HeaderBytes,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Counted::Keys => "metadata keys",
            Counted::Tensors => "tensors",
            Counted::Elements => "array elements",
            Counted::HeaderBytes => "bytes of metadata",
        })
    }
}

/// What is wrong with the part before the tensors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// A version that is not read.
    #[error("GGUF version {0} is not supported: versions 2 and 3 are read, convert the model anew")]
    Version(u32),
    /// A file for machines of the other byte order.
    #[error("a big-endian GGUF file: only little-endian ones are read")]
    BigEndian,
    /// More bytes are announced than there are.
    #[error(
        "{needed} bytes should follow, {left} do: the download is incomplete, or the file damaged"
    )]
    CutShort {
        /// Bytes that should follow.
        needed: u64,
        /// Bytes that do.
        left: u64,
    },
    /// More of something than any model has.
    #[error("{count} {what}, at most {most} are read: the file is damaged")]
    TooMany {
        /// What there is too much of.
        what: Counted,
        /// How many.
        count: u64,
        /// How many are read.
        most: u64,
    },
    /// The type of a value is not one of the format's.
    #[error("value type {0} is unknown: the file is damaged, or newer than this reader")]
    UnknownKind(u32),
    /// An array whose elements are arrays.
    #[error("an array of arrays, which is not supported")]
    NestedArray,
    /// A flag that is neither 0 nor 1.
    #[error("a flag of {0}, neither 0 nor 1: the file is damaged")]
    BadFlag(u8),
    /// A name that is not text, is empty, too long, or holds control characters.
    #[error("a name among the {0} that is empty, too long, not UTF-8 or holds control characters")]
    BadName(Counted),
    /// A key that comes twice.
    #[error("the metadata key '{}' comes twice", .0.escape_debug())]
    KeyTwice(String),
    /// Tensors that would begin at odd places.
    #[error("an alignment of {0} bytes: powers of two from 8 to 65536 are read")]
    Alignment(u64),
}

/// What is wrong with a tensor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFault {
    /// There is none of that name.
    #[error("is not there")]
    Missing,
    /// There are two of that name.
    #[error("is there twice")]
    Twice,
    /// A number of dimensions that no tensor has.
    #[error("has {0} dimensions: 1 to 4 are read")]
    Dimensions(u32),
    /// A dimension of zero.
    #[error("has no elements")]
    Empty,
    /// More elements or bytes than 63 bits count.
    #[error("has more elements than any file could hold")]
    TooLarge,
    /// A type that is not in the table.
    #[error(
        "is of type {0}, which is unknown: the file is damaged, or of a fork of llama.cpp with types of its own"
    )]
    UnknownType(u32),
    /// A type whose bytes cannot be computed with.
    #[error("is stored as {0}, which is not supported")]
    UnsupportedType(TensorType),
    /// Rows that end inside a block.
    #[error("has rows of {row} elements, no multiple of the {block} of a {kind} block")]
    PartialBlock {
        /// Elements of a row.
        row: u64,
        /// Elements of a block.
        block: u64,
        /// The type.
        kind: TensorType,
    },
    /// It does not begin where the one before it ends.
    #[error("begins at byte {got} of the data, not at {expected} where the one before it ends")]
    Misplaced {
        /// Where it should begin.
        expected: u64,
        /// Where it does.
        got: u64,
    },
    /// The file ends before it does.
    #[error(
        "ends at byte {end}, the file has {file}: the download is incomplete, get the file again"
    )]
    PastEnd {
        /// Where it ends.
        end: u64,
        /// Bytes of the file.
        file: u64,
    },
}

/// What is wrong with the parts of a split model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitFault {
    /// Another part than the first was given.
    #[error("part {} of {count} of a model: give the first one, '{first}'", no + 1)]
    NotFirst {
        /// Its number, from zero.
        no: u32,
        /// How many parts there are.
        count: u32,
        /// Name of the first part.
        first: String,
    },
    /// The others cannot be found by this name.
    #[error(
        "the first of {count} parts, but its name does not end in '{ending}', so the others cannot be found"
    )]
    Name {
        /// How many parts there are.
        count: u32,
        /// How the name should end.
        ending: String,
    },
    /// More parts than any model has.
    #[error("a model of {count} parts, at most {most} are read")]
    TooMany {
        /// How many parts there are.
        count: u32,
        /// How many are read.
        most: u32,
    },
    /// A part is not there.
    #[error(
        "the file is missing, one of {count} parts of a model: download all of them into one directory"
    )]
    Missing {
        /// How many parts there are.
        count: u32,
    },
    /// A part says something else than the first one or its name.
    #[error(
        "this part of a split model says that {key} is {got}, not {expected}: the parts do not belong together"
    )]
    Mismatch {
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: u32,
        /// What it is.
        got: u32,
    },
    /// All parts together have more or fewer tensors than announced.
    #[error(
        "the parts of this model have {got} tensors together, not {expected}: they do not belong together"
    )]
    TensorCount {
        /// Tensors announced.
        expected: u64,
        /// Tensors there are.
        got: u64,
    },
}

/// What is wrong with the value of a metadata key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// There is no such key.
    #[error("is not there")]
    Missing,
    /// The value is of another type.
    #[error("is of type {found}, not {expected}")]
    WrongType {
        /// What was asked for.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A number that does not fit.
    #[error("holds {value}, which is no {expected}")]
    OutOfRange {
        /// The number.
        value: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("holds bytes that are not UTF-8")]
    NotUtf8,
    /// A list of another length.
    #[error("has {got} elements, not {expected}")]
    Length {
        /// How many there should be.
        expected: u64,
        /// How many there are.
        got: u64,
    },
}

/// Why a tokenizer cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerFault {
    /// The file has no vocabulary.
    #[error("is not in the file: it has no vocabulary")]
    None,
    /// A kind of vocabulary that is not built.
    #[error("is of model '{}', which is not supported: gpt2 and llama are", .0.escape_debug())]
    Model(String),
    /// A way to cut texts that is not known.
    #[error("cuts texts in the way '{}' (tokenizer.ggml.pre), which is not supported", .0.escape_debug())]
    Splitting(String),
    /// Nothing is said of how texts are cut.
    #[error(
        "does not say how it cuts texts (tokenizer.ggml.pre), so its tokens would be wrong: get a newer GGUF file of the model"
    )]
    NoSplitting,
    /// A setting that changes tokens and is not built.
    #[error("has the setting {0}, which is not supported")]
    Setting(String),
    /// No tokens, or more than any vocabulary has.
    #[error("has {count} tokens: 1 to {most} are read")]
    Size {
        /// How many there are.
        count: usize,
        /// How many are read.
        most: usize,
    },
    /// Two tokens of the same text.
    #[error("has the token '{}' twice, as {first} and {second}", text.escape_debug())]
    Twice {
        /// The text.
        text: String,
        /// Its first id.
        first: u32,
        /// Its second id.
        second: u32,
    },
    /// A token of a kind that it cannot be.
    #[error("has the token '{}' of kind {kind}, which it cannot be", text.escape_debug())]
    Kind {
        /// Its text.
        text: String,
        /// The number of its kind.
        kind: i64,
    },
    /// A merge of, or into, what is not a token.
    #[error("has '{}' as merge {index}, and no token '{}'", merge.escape_debug(), missing.escape_debug())]
    Merge {
        /// Its place in the list.
        index: u64,
        /// The merge.
        merge: String,
        /// What is not a token.
        missing: String,
    },
    /// More merges than any vocabulary has.
    #[error("has more than {most} merges")]
    TooManyMerges {
        /// How many are read.
        most: usize,
    },
    /// A token past the vocabulary.
    #[error("has token {id} as {key}, but only {tokens} tokens")]
    Id {
        /// The key.
        key: String,
        /// The token.
        id: u32,
        /// Tokens there are.
        tokens: usize,
    },
    /// A token is to be added that is not named.
    #[error("says {0}, and does not say which token")]
    NoTokenToAdd(String),
    /// The library that runs tokenizers refuses it.
    #[error("is refused by its library: {0}")]
    Library(String),
}
