//! Everything a run can fail with, and whose fault it is.

use crate::memory::BadBudget;
use flint_bundle::BundleError;
use flint_dram_cache::CacheError;
use flint_flash_io::ReadError;
use flint_iobuf::MapError;
use flint_kernels::{Arithmetic, KernelError};
use flint_model::ModelError;
use flint_predictor::PredictorError;
use std::io;
use std::path::PathBuf;

/// Why a request was refused or a run failed. The message is one line for the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A command that needs a bundle, and a model that is used from other files.
    #[error("{} is not a bundle: make one with `flint convert`", path.display())]
    NotABundle {
        /// The model.
        path: PathBuf,
    },
    /// A model that has checksums was to be given some.
    #[error("{} is a bundle and has checksums: run `flint verify {}`", path.display(), path.display())]
    SealedAlready {
        /// The model.
        path: PathBuf,
    },
    /// A model without checksums was to be compared with them.
    #[error(
        "{} has no checksums to compare with: run `flint verify --seal {}` while it is known to be whole",
        path.display(), path.display()
    )]
    NotSealed {
        /// The model.
        path: PathBuf,
    },
    /// The checksums of a model cannot be written beside it.
    #[error("cannot write {}: {cause}: the checksums of a model lie beside it", path.display())]
    SealNotWritten {
        /// The sidecar.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The checksums beside a model are malformed, or those of other files.
    #[error("{}: not the checksums of this model: {cause}: remove the file, or make it again with `flint verify --seal`",
        path.display())]
    BadSeal {
        /// The sidecar.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Copies for drafts could not be written.
    #[error("{}: cannot write copies for drafts: {cause}", path.display())]
    CopiesNotWritten {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The copies for drafts in a bundle are malformed, or those of other weights.
    #[error("{}: no copies of this model: {cause}: remove the file, or make it again with `flint convert --draft q4_0 --out BUNDLE`",
        path.display())]
    BadCopies {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A checkpoint whose tensors lie in PyTorch files.
    #[error(
        "{}: tensors in PyTorch files cannot be used in place: run `flint convert {} --out MODEL.flint`",
        path.display(), path.display()
    )]
    PytorchCheckpoint {
        /// The checkpoint.
        path: PathBuf,
    },
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] flint_checkpoint::CheckpointError),
    /// The GGUF file cannot be used.
    #[error(transparent)]
    Gguf(#[from] flint_checkpoint::gguf::GgufError),
    /// There is nothing at the path of the model.
    #[error("{} does not exist", path.display())]
    NoSuchModel {
        /// The path.
        path: PathBuf,
    },
    /// The bundle is wrong, or its files cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The model cannot be described or run.
    #[error(transparent)]
    Model(ModelError),
    /// The model of some files cannot be described.
    #[error("{}: {cause}", path.display())]
    InModel {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        cause: Box<ModelError>,
    },
    /// A read of the bundle failed while running.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The data file cannot be opened for streaming.
    #[error("cannot read the bundle's neurons: {0}")]
    Open(ReadError),
    /// A streamed record is not what was written.
    #[error(
        "{}: record at offset {offset} (layer {layer}, neuron {neuron}) has checksum {got:08x}, \
         expected {expected:08x}: the file was altered or the device returned wrong bytes; run `flint verify`",
        file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// First byte of the record.
        offset: u64,
        /// Layer of the neuron.
        layer: u32,
        /// Index of the neuron.
        neuron: u32,
        /// Checksum in the manifest.
        expected: u32,
        /// Checksum of what was read.
        got: u32,
    },
    /// A streamed matrix is not what was written.
    #[error(
        "{}: tensor '{tensor}' at offset {offset} has checksum {got:08x}, expected {expected:08x}: \
         the file was altered or the device returned wrong bytes; run `flint verify`",
        file.display()
    )]
    CorruptTensor {
        /// The file.
        file: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// First byte of the tensor, or of the row of a table that was read.
        offset: u64,
        /// What it was.
        expected: u32,
        /// Checksum of what was read.
        got: u32,
    },
    /// An expert cannot be read, or is not what was written.
    #[error("expert {expert} of layer {layer}: {cause}")]
    InExpert {
        /// The layer.
        layer: usize,
        /// Its number in the layer.
        expert: u32,
        /// What went wrong.
        cause: Box<EngineError>,
    },
    /// A table that is read row by row is not what was written.
    #[error(
        "{}: tensor '{tensor}' at offset {offset} has checksum {got:08x}, expected {expected:08x}: \
         download or convert the model again",
        file.display()
    )]
    WrongTable {
        /// The file.
        file: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// First byte of the tensor.
        offset: u64,
        /// Checksum in the manifest or beside the model.
        expected: u32,
        /// Checksum of what was read.
        got: u32,
    },
    /// Something failed inside a forward pass.
    #[error("layer {layer}, position {position}: {cause}")]
    InPass {
        /// Decoder layer.
        layer: usize,
        /// Position of the first token of the pass.
        position: usize,
        /// What failed.
        cause: Box<EngineError>,
    },
    /// The slot cache refused.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The predictor refused.
    #[error(transparent)]
    Predictor(#[from] PredictorError),
    /// A kernel refused its input.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The system refused memory that the plan counted on.
    #[error(transparent)]
    Memory(#[from] MapError),
    /// `--memory` could not be parsed.
    #[error(transparent)]
    Budget(#[from] BadBudget),
    /// The budget is below what this run needs at least.
    #[error(
        "a memory budget of {budget} bytes is below the floor of this run: {floor} bytes \
         beside what an absolute budget leaves to the process (weights that stay {resident}, KV cache for {} {kv}, buffers {buffers}): \
         raise --memory to at least {ask}, or lower -c",
        contexts(*sequences, *context)
    )]
    BelowFloor {
        /// Bytes allowed for weights, cache, KV and buffers.
        budget: u64,
        /// Bytes needed at least for those.
        floor: u64,
        /// What to give `--memory` instead, in the way it was given.
        ask: String,
        /// Dense weights and predictors.
        resident: u64,
        /// Sequences that have a whole context each.
        sequences: usize,
        /// Tokens of context asked for.
        context: usize,
        /// Bytes of the KV cache.
        kv: u64,
        /// Bytes of buffers.
        buffers: u64,
    },
    /// The machine does not say how much memory is available.
    #[error(
        "this system does not say how much memory is available: give --memory as bytes or percent"
    )]
    UnknownAllowance,
    /// More tokens than the model has positions for.
    #[error("{what} needs a context of {needed} tokens, there are {limit}")]
    ContextTooLong {
        /// What needs it: the prompt, or the context asked for.
        what: &'static str,
        /// Tokens needed.
        needed: usize,
        /// Positions of the model, or the context asked for.
        limit: usize,
    },
    /// Nothing to start from.
    #[error(
        "the prompt is empty and the model has no begin-of-text token: give at least one token"
    )]
    EmptyPrompt,
    /// A token that is not in the vocabulary.
    #[error("token {token} is outside the vocabulary of {vocabulary}")]
    UnknownToken {
        /// The token.
        token: u32,
        /// Size of the vocabulary.
        vocabulary: usize,
    },
    /// A text for a bundle that has no tokenizer.
    #[error("the bundle has no tokenizer.json: give token ids with --tokens")]
    NoTokenizer,
    /// The tokenizer is unusable or failed.
    #[error("tokenizer: {cause}")]
    BadTokenizer {
        /// What it said.
        cause: String,
    },
    /// The stored predictors are malformed.
    #[error(
        "the bundle's predictors are wrong: {cause}; make them again with `flint convert --predictors-only`"
    )]
    WrongPredictors {
        /// What is wrong.
        cause: String,
    },
    /// Predictors of a kind that this version does not read.
    #[error(
        "the bundle's predictors are of kind '{kind}', which this version cannot use: update flint, or give --mode exact"
    )]
    UnknownPredictors {
        /// Their kind.
        kind: String,
    },
    /// Sizes in the manifest that its own architecture contradicts.
    #[error("{}: the sizes in the manifest are not those of its architecture: convert the checkpoint again", path.display())]
    ShapeConflict {
        /// The bundle.
        path: PathBuf,
    },
    /// A neuron bias that is there and should not be, or the other way round.
    #[error(
        "tensor '{tensor}' of the bundle: its architecture says that neuron biases exist: {wanted}; convert the checkpoint again"
    )]
    BiasConflict {
        /// Name of the tensor.
        tensor: String,
        /// Whether the architecture has neuron biases.
        wanted: bool,
    },
    /// Dense tensors that the architecture does not know.
    #[error(
        "the bundle has {got} dense tensors, its architecture {expected}: convert the checkpoint again"
    )]
    TensorCount {
        /// By the architecture.
        expected: usize,
        /// In the bundle.
        got: usize,
    },
    /// Neurons stored in an order that cannot be streamed.
    #[error(
        "the bundle stores the neurons of layer {layer} in an order that this version cannot stream: convert the checkpoint again"
    )]
    UnknownOrder {
        /// The layer.
        layer: usize,
    },
    /// An arithmetic for quantised weights, and a model that has none.
    #[error("--arithmetic {asked} is for quantised weights, and this model has none: leave it out")]
    NothingQuantised {
        /// The arithmetic.
        asked: Arithmetic,
    },
    /// Sparse mode for a bundle without predictors.
    #[error("the bundle has no predictors, so it has no sparse mode: leave out --mode sparse")]
    NoPredictors,
    /// Sparse mode for a bundle whose neurons are never zero, without saying how many to leave out.
    #[error(
        "no neuron of this model is ever zero, so sparse mode has a cost to choose: give --sparsity {}",
        any_of(stored)
    )]
    SparsityNotGiven {
        /// The shares that the bundle has thresholds for.
        stored: Vec<f32>,
    },
    /// A share that the bundle has no thresholds for.
    #[error(
        "the bundle has no thresholds for --sparsity {asked}: {}; `flint convert --predictors-only --sparsity {asked}` makes some",
        if stored.is_empty() { "it has none at all".to_owned() } else { format!("it has them for {}", any_of(stored)) }
    )]
    UnknownSparsity {
        /// The share asked for.
        asked: f32,
        /// The shares that there are thresholds for.
        stored: Vec<f32>,
    },
    /// `--sparsity` for a model whose activations have exact zeros.
    #[error(
        "--sparsity is not for this model: its activation {activation} gives exact zeros, and sparse mode leaves those out without it"
    )]
    SparsityOfZeros {
        /// The activation.
        activation: String,
    },
    /// Two requests that exclude each other.
    #[error("--sparsity is for sparse mode, exact mode reads all neurons: give one of them")]
    SparsityInExactMode,
    /// A text too short for what was asked.
    #[error("the text has {tokens} tokens, at least {needed} are needed")]
    TextTooShort {
        /// Tokens of the text.
        tokens: usize,
        /// Tokens needed.
        needed: usize,
    },
    /// The work was asked to end early.
    #[error("stopped before the end, as asked")]
    Cancelled,
    /// Drafts by low-bit copies were asked for.
    #[error("--draft substitute cannot be had: {cause}")]
    NoSubstitute {
        /// Why not.
        cause: String,
    },
    /// Drafts by a model were asked for, and none was named.
    #[error("--draft model needs --draft-model MODEL")]
    NoDraftModel,
    /// The model that was to draft.
    #[error("--draft-model {}: {cause}", path.display())]
    DraftModel {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<EngineError>,
    },
    /// A model that was to draft, or the one that it was to draft for, has no vocabulary to compare.
    #[error(
        "--draft-model {}: without a tokenizer in both models it cannot be seen whether their vocabularies are the same",
        path.display()
    )]
    NoVocabulary {
        /// The model that was to draft.
        path: PathBuf,
    },
    /// A model that was to draft has another vocabulary.
    #[error(
        "--draft-model {}: its vocabulary is another one: token {token} is {there} there and {here} in the model",
        path.display()
    )]
    OtherVocabulary {
        /// The model that was to draft.
        path: PathBuf,
        /// The first token that differs.
        token: u32,
        /// What it is in the model that was to be drafted for.
        here: String,
        /// What it is in the other one.
        there: String,
    },
    /// A batch of more rows than there are buffers for.
    #[error("a batch of {rows} rows, there are buffers for {limit}: split it")]
    BatchTooLong {
        /// Rows of the batch.
        rows: usize,
        /// Rows that the plan has buffers for.
        limit: usize,
    },
    /// A key or value that is kept in binary16 and exceeds it.
    #[error(
        "a key or value of layer {layer} at position {position} is {value}, which f16 does not hold: give --kv f32"
    )]
    KeyTooLarge {
        /// Decoder layer.
        layer: usize,
        /// Position in its sequence.
        position: usize,
        /// The number.
        value: f32,
    },
    /// A logit is not a finite number.
    #[error(
        "the logit of token {token} is {value}: the model's weights or what was computed from them are not finite"
    )]
    LogitNotFinite {
        /// The token.
        token: usize,
        /// Its logit.
        value: f32,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {cause}{}", path.display(), advice(cause))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl EngineError {
    /// 2 when the request or its input is wrong, 1 when something failed while running.
    pub fn exit_status(&self) -> u8 {
        match self {
            EngineError::Read(_)
            | EngineError::Corrupt { .. }
            | EngineError::CorruptTensor { .. }
            | EngineError::InExpert { .. }
            | EngineError::Cache(_)
            | EngineError::Memory(_)
            | EngineError::Cancelled
            | EngineError::CopiesNotWritten { .. }
            | EngineError::KeyTooLarge { .. }
            | EngineError::LogitNotFinite { .. }
            | EngineError::Kernel(
                KernelError::KvCacheTooLarge { .. }
                | KernelError::KvPagesExhausted { .. }
                | KernelError::KvOverflow { .. }
                | KernelError::Threads { .. },
            )
            | EngineError::Predictor(_) => 1,
            EngineError::Model(ModelError::Tensor(_) | ModelError::Supplier(_)) => 1,
            EngineError::InPass { .. } => 1,
            EngineError::DraftModel { cause, .. } => cause.exit_status(),
            _ => 2,
        }
    }
}

/// What a user can do where the system refuses to open a file.
fn advice(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        // EMFILE and ENFILE.
        Some(24 | 23) => ": raise the limit on open files (ulimit -n)",
        _ => "",
    }
}

/// What keys and values have room for.
fn contexts(sequences: usize, context: usize) -> String {
    match sequences {
        1 => format!("{context} tokens"),
        _ => format!("{sequences} contexts of {context} tokens"),
    }
}

/// Shares as a list that a user can choose from.
fn any_of(shares: &[f32]) -> String {
    shares.iter().map(f32::to_string).collect::<Vec<_>>().join(" or ")
}

impl From<ModelError> for EngineError {
    /// An error of our own feed-forward travels through the decoder in a box: unpack it. What the model says that
    /// the engine has a word for is that word.
    fn from(error: ModelError) -> EngineError {
        match error {
            ModelError::Supplier(boxed) => match boxed.downcast::<EngineError>() {
                Ok(own) => *own,
                Err(other) => EngineError::Model(ModelError::Supplier(other)),
            },
            ModelError::Kernel(KernelError::KvOverflow { layer, position, value, .. })
                if value.is_finite() =>
            {
                EngineError::KeyTooLarge { layer, position, value }
            }
            ModelError::Kernel(error) => EngineError::Kernel(error),
            ModelError::UnknownToken { token, vocabulary } => {
                EngineError::UnknownToken { token, vocabulary }
            }
            other => EngineError::Model(other),
        }
    }
}
