//! What a caller may choose about a run. None of it changes the output but `mode` and `kv`.

use crate::Halt;
use crate::memory::MemoryBudget;
use flint_dram_cache::PolicyKind;
use flint_flash_io::BackendChoice;
use flint_kernels::{Isa, KvElement};

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
    /// Which cached neurons make room for others, in sparse mode.
    pub policy: PolicyKind,
    /// How keys and values are kept. F16 halves the KV cache and changes results slightly.
    pub kv: KvElement,
    /// Which way reads take.
    pub io: BackendChoice,
    /// Raises the alignment of reads, in bytes, for devices that want more than they say.
    pub io_alignment: Option<u32>,
    /// Whether every streamed record is checked against its checksum.
    pub verify_reads: bool,
    /// Most prompt tokens that go through a layer together.
    pub chunk: usize,
    /// SIMD path; the best of this CPU when `None`.
    pub isa: Option<Isa>,
    /// Ends the run early when it is asked to.
    pub halt: Halt,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            memory: MemoryBudget::Auto,
            context: None,
            threads: None,
            mode: None,
            policy: PolicyKind::Window { tokens: None },
            kv: KvElement::F32,
            io: BackendChoice::Auto,
            io_alignment: None,
            verify_reads: true,
            // Past 64 tokens a block read once is shared by enough of them that reading no longer counts.
            chunk: 64,
            isa: None,
            halt: Halt::default(),
        }
    }
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
