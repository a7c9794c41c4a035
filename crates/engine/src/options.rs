//! What a caller may choose about a run. None of it changes the output but `mode`, `sparsity`, `kv` and `arithmetic`.

use crate::devices::{Devices, SystemFiles};
use crate::draft::DraftChoice;
use crate::memory::MemoryBudget;
use flint_dram_cache::PolicyKind;
use flint_flash_io::BackendChoice;
use flint_kernels::{Arithmetic, Isa, KvElement, PagedKv};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The arithmetic of runs that name none and have quantised weights: it changed no next token of two published models
/// (docs/results/arithmetic.md).
pub const DEFAULT_ARITHMETIC: Arithmetic = Arithmetic::Int16;

/// Choices of a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How much memory it may use.
    pub memory: MemoryBudget,
    /// Tokens of context; the longest the model was trained for when `None`.
    pub context: Option<usize>,
    /// Compute threads; one per core that this process may use when `None`.
    pub threads: Option<usize>,
    /// Exact or sparse; sparse where there are predictors when `None`.
    pub mode: Option<Mode>,
    /// Share of neurons not to read although they are not zero, as copies in 4 bits stand in: one of those that the bundle has
    /// thresholds for.
    pub sparsity: Option<f32>,
    /// Which cached neurons make room for others, in sparse mode.
    pub policy: PolicyKind,
    /// How keys and values are kept. F16 halves their memory and changes results slightly.
    pub kv: KvElement,
    /// Positions per page of keys and values.
    pub kv_page: usize,
    /// Sequences whose keys and values have room for a whole context each. There may be more sequences: pages go to
    /// whoever needs them.
    pub sequences: usize,
    /// How quantised weights are multiplied: part of what the model answers. By default [`DEFAULT_ARITHMETIC`] where any
    /// are quantised.
    pub arithmetic: Option<Arithmetic>,
    /// Which way reads take.
    pub io: BackendChoice,
    /// Raises the alignment of reads, in bytes, for devices that want more than they say.
    pub io_alignment: Option<u32>,
    /// Whether every streamed record, matrix and row of a table is checked against its checksum.
    pub verify_reads: bool,
    /// Most prompt tokens that go through a layer together.
    pub chunk: usize,
    /// When the neurons of a layer are guessed before its attention, to read them meanwhile.
    pub guesses: Prefetching,
    /// Who drafts tokens, so that a pass may give more than one. The text is the same.
    pub draft: DraftChoice,
    /// A smaller model of the same vocabulary that may draft: all of it is held, within the same memory.
    pub draft_model: Option<PathBuf>,
    /// How many tokens each draft has; what gives most tokens per second when `None`.
    pub draft_tokens: Option<usize>,
    /// Whether the disk and memory are measured before planning (a third of a second at most), to choose how
    /// to read and to forecast the speed.
    pub measure: bool,
    /// How long the device may be silent while somebody waits for it: then the wait is an error.
    pub read_timeout: Duration,
    /// Most reads in flight; by measurement when `None`, or 32 without one.
    pub depth: Option<usize>,
    /// Largest gap to read through when merging. `None`: measured, or 0 without a probe.
    pub max_gap: Option<u64>,
    /// What is left out of the method, to measure what it is worth.
    pub ablation: Ablation,
    /// SIMD path; the best of this CPU when `None`.
    pub isa: Option<Isa>,
    /// Where the bytes come from that are read while the model runs.
    pub devices: Arc<dyn Devices>,
}

/// When guesses are made, where a model allows any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefetching {
    /// Never.
    Never,
    /// For every layer whose guesses come true often enough: what is read follows from the tokens and the device.
    Always,
    /// The same, where trials of the run find that faster: what is read depends on the machine.
    #[default]
    Tried,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            memory: MemoryBudget::Auto,
            context: None,
            threads: None,
            mode: None,
            sparsity: None,
            policy: PolicyKind::default(),
            kv: KvElement::F32,
            arithmetic: None,
            kv_page: PagedKv::PAGE_TOKENS,
            sequences: 1,
            io: BackendChoice::Auto,
            io_alignment: None,
            verify_reads: true,
            // A chunk reads everything that is not resident once, so a prompt wants to be one chunk.
            chunk: 512,
            guesses: Prefetching::Tried,
            draft: DraftChoice::Off,
            draft_model: None,
            draft_tokens: None,
            measure: false,
            read_timeout: flint_flash_io::TIMEOUT,
            depth: None,
            max_gap: None,
            ablation: Ablation::default(),
            isa: None,
            devices: Arc::new(SystemFiles),
        }
    }
}

/// Parts of the method that are left out. None of it changes the output, only what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ablation {
    /// Exact mode holds no weights from one pass to the next: all are read for each, in order.
    pub nothing_resident: bool,
    /// Sparse mode forgets its neurons after every token.
    pub no_reuse: bool,
    /// Neighbouring records are read one by one.
    pub no_merging: bool,
    /// Nothing is computed while records are read.
    pub no_overlap: bool,
}

/// Which neurons are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All: what does not fit is streamed.
    Exact,
    /// Those that the predictor names.
    Sparse,
}

impl Mode {
    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Exact => "exact",
            Mode::Sparse => "sparse",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        match text {
            "exact" => Ok(Mode::Exact),
            "sparse" => Ok(Mode::Sparse),
            other => Err(format!("unknown mode '{other}': expected sparse or exact")),
        }
    }
}
