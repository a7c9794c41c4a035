//! Options that several commands share.

use super::output::note;
use super::progress::{advance, byte_bar};
use super::refuse;
use clap::Args;
use flint_dram_cache::PolicyKind;
use flint_engine::{
    Ablation, DraftChoice, Engine, MOST_DRAFTED, MemoryBudget, Mode, OpenModel, PlannedEngine,
    Prefetching, RunOptions, SystemFiles, Tokenizer,
};
use flint_flash_io::BackendChoice;
use flint_kernels::{Arithmetic, Isa, KvElement};
use flint_model::Architecture;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a model is run. Only --mode, --sparsity and --kv change what is computed.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Tokens of context [default: what the run needs, at most what the model has]
    #[arg(short = 'c', long, value_name = "CTX", value_parser = at_least_one)]
    context: Option<usize>,
    /// Compute threads [default: one per core]
    #[arg(short, long, value_parser = thread_count)]
    threads: Option<usize>,
    /// Memory: bytes for the whole process (4GiB), a share of the weights (50%; what the process itself needs comes on top),
    /// or auto
    #[arg(long, default_value = "auto")]
    memory: MemoryBudget,
    /// sparse computes predicted neurons, exact all of them [default: sparse where the bundle has predictors
    /// or --sparsity is given]
    #[arg(long)]
    mode: Option<Mode>,
    /// Do not read this share of the neurons of a model whose neurons are never zero, the weakest, for which copies in 4 bits
    /// stand in, at a cost that `flint inspect` tells; the bundle must have thresholds for it (`flint plan --sparsity auto` says what is worth it)
    #[arg(long, value_name = "F", value_parser = left_out)]
    sparsity: Option<LeftOut>,
    /// Tokens whose neurons stay cached, or auto: as long as memory lasts; asks for --policy window
    #[arg(long, value_name = "K|auto", value_parser = window, hide_short_help = true)]
    window: Option<Window>,
    /// Which cached neurons make room for others: those used longest ago (window), or those used least, where a use
    /// counts half after 4 tokens (frequency) [default: frequency, with --window window]
    #[arg(long, hide_short_help = true)]
    policy: Option<PolicyKind>,
    /// How keys and values are kept: f32 or f16
    #[arg(long, default_value = "f32", value_parser = kv_element, hide_short_help = true)]
    kv: KvElement,
    /// How quantised weights are multiplied: f32 (exactly as the file defines them), int16 or int8 (activations rounded)
    /// [default: int16 where weights are quantised]
    #[arg(long, value_name = "f32|int16|int8")]
    arithmetic: Option<Arithmetic>,
    /// Which way reads take: auto, uring or threads
    #[arg(long, default_value = "auto", value_parser = backend)]
    io: BackendChoice,
    /// Alignment of reads in bytes, for devices that want more than they say
    #[arg(long, value_name = "BYTES", value_parser = alignment, hide_short_help = true)]
    io_alignment: Option<u32>,
    /// Seconds that the device may be silent while somebody waits for it: then the run ends with an error
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    io_timeout: u64,
    /// Trust what the device returns: do not check streamed records, matrices and rows of tables against
    /// their checksums
    #[arg(long, hide_short_help = true)]
    no_verify_reads: bool,
    /// Never guess the neurons of a layer before its attention, to read them meanwhile; without this option it is done
    /// where trials of the run find that faster
    #[arg(long, hide_short_help = true)]
    no_guesses: bool,
    /// Who drafts tokens, so that a pass may give more than one: lookup takes what followed the last time that the text
    /// went like this; substitute computes roughly, with 4-bit copies in memory of what exact mode streams; model asks
    /// --draft-model; auto takes whoever pays, off nobody. The text is the same [default: auto]
    #[arg(long, value_name = "off|auto|lookup|substitute|model")]
    draft: Option<DraftChoice>,
    /// A smaller model of the same vocabulary that drafts; all of it is held, within --memory
    #[arg(long, value_name = "MODEL")]
    draft_model: Option<PathBuf>,
    /// Tokens of each draft [default: what gives most tokens per second]
    #[arg(long, value_name = "N", value_parser = draft_tokens, hide_short_help = true)]
    draft_tokens: Option<usize>,
    /// Do not measure disk and memory first: no forecast, and no choices that rest on it
    #[arg(long)]
    no_forecast: bool,
    /// Most reads in flight [default: by measurement]
    #[arg(long, value_name = "READS", value_parser = depth, hide_short_help = true)]
    depth: Option<usize>,
    /// Largest gap between records that is read through to save a request [default: by measurement, one
    /// record at most]
    #[arg(long, value_name = "BYTES", hide_short_help = true)]
    max_gap: Option<u64>,
    /// Most prompt tokens that go through a layer together
    #[arg(long, value_name = "TOKENS", default_value_t = 512, value_parser = at_least_one, hide_short_help = true)]
    chunk: usize,
    /// SIMD path: scalar, avx2 or avx512 [default: the best of this CPU]
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    simd: Option<Isa>,
}

#[derive(Debug, Clone, Copy)]
struct Window(Option<NonZeroU32>);

impl RunArgs {
    pub(super) fn options(&self) -> anyhow::Result<RunOptions> {
        match self.sparsity {
            None => self.options_leaving_out(None),
            Some(LeftOut::Share(share)) => self.options_leaving_out(Some(share)),
            Some(LeftOut::Auto) => Err(refuse(
                "--sparsity auto is for flint plan: a run names the share that it does not read",
            )),
        }
    }

    /// Whether the share to leave out is asked for, not given.
    pub(super) fn asks_for_share(&self) -> bool {
        matches!(self.sparsity, Some(LeftOut::Auto))
    }

    /// The options where this share is left out, whatever `--sparsity` says.
    pub(super) fn options_leaving_out(&self, sparsity: Option<f32>) -> anyhow::Result<RunOptions> {
        let policy = match (self.policy, self.window) {
            (None, None) => PolicyKind::default(),
            (None | Some(PolicyKind::Window { .. }), Some(Window(tokens))) => {
                PolicyKind::Window { tokens }
            }
            (Some(policy), None) => policy,
            (Some(other), Some(_)) => {
                return Err(refuse(format!("--window is not for --policy {other}")));
            }
        };
        Ok(RunOptions {
            memory: self.memory,
            context: self.context,
            threads: self.threads,
            mode: self.mode,
            sparsity,
            policy,
            kv: self.kv,
            arithmetic: self.arithmetic,
            io: self.io,
            io_alignment: self.io_alignment,
            read_timeout: Duration::from_secs(self.io_timeout),
            verify_reads: !self.no_verify_reads,
            chunk: self.chunk,
            guesses: if self.no_guesses { Prefetching::Never } else { Prefetching::Tried },
            draft: self.drafts()?,
            draft_model: self.draft_model.clone(),
            draft_tokens: self.draft_tokens,
            measure: !self.no_forecast,
            depth: self.depth,
            max_gap: self.max_gap,
            isa: self.simd,
            ablation: Ablation::default(),
            devices: Arc::new(SystemFiles),
            ..RunOptions::default()
        })
    }

    /// Who drafts.
    fn drafts(&self) -> anyhow::Result<DraftChoice> {
        let choice = self.draft.clone().unwrap_or(DraftChoice::Auto);
        let asks = matches!(choice, DraftChoice::Auto | DraftChoice::Model);
        match &self.draft_model {
            Some(_) if !asks => {
                let said = choice.name();
                Err(refuse(format!("--draft-model is not for --draft {said}: auto or model")))
            }
            _ => Ok(choice),
        }
    }

    /// The same where nothing is generated, so that nobody drafts and nothing is kept for it.
    pub(super) fn without_drafts(self) -> RunArgs {
        RunArgs { draft: Some(DraftChoice::Off), draft_model: None, ..self }
    }

    /// Opens a bundle and its tokenizer.
    pub(super) fn open(model: &Path) -> anyhow::Result<(OpenModel, Option<Tokenizer>)> {
        let files = OpenModel::open(model)?;
        let codec = files.codec()?;
        Ok((files, codec))
    }

    /// Plans; says what may break the memory limit.
    pub(super) fn prepare(
        &self,
        files: OpenModel,
        needed: Option<usize>,
        quiet: bool,
    ) -> anyhow::Result<PlannedEngine> {
        let unused = files.unused_tensors().clone();
        let prepared = PlannedEngine::new(files, self.options()?, needed)?;
        if !quiet && !unused.names().is_empty() {
            note(&format!("flint: {unused}"));
        }
        if !quiet {
            prepared.warnings().iter().for_each(|warning| note(&format!("flint: {warning}")));
        }
        Ok(prepared)
    }
}

/// Loads, with a bar meanwhile.
pub(super) fn load(prepared: PlannedEngine, quiet: bool) -> anyhow::Result<Engine> {
    let bar = byte_bar("loading", quiet);
    let engine = prepared.load(&mut |done, total| advance(&bar, done, total));
    bar.finish_and_clear();
    Ok(engine?)
}

/// Where a prompt comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct PromptArgs {
    /// Text to start from
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) prompt: Option<String>,
    /// File with the text to start from
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Token ids to start from; bypasses the tokenizer
    #[arg(long, value_name = "1,2,3", value_delimiter = ',')]
    pub(super) tokens: Option<Vec<u32>>,
}

impl PromptArgs {
    /// The prompt as tokens.
    pub(super) fn tokens(&self, codec: Option<&Tokenizer>) -> anyhow::Result<Vec<u32>> {
        if let Some(tokens) = &self.tokens {
            return Ok(tokens.clone());
        }
        let text = match (&self.prompt, &self.file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => read_text(path)?,
            (None, None) => return Err(refuse("no prompt: give -p, -f or --tokens")),
        };
        let codec = codec.ok_or(flint_engine::EngineError::NoTokenizer)?;
        Ok(codec.encode(&text, true)?)
    }
}

/// Reads a text file of the user's.
pub(super) fn read_text(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path)
        .map_err(|cause| flint_engine::EngineError::File { path: path.to_owned(), cause })?;
    String::from_utf8(bytes).map_err(|_| refuse(format!("{} is not UTF-8 text", path.display())))
}

/// A prompt longer than the context is refused before anything is loaded.
pub(super) fn check_context(
    run: &RunArgs,
    architecture: &Architecture,
    needed: usize,
) -> anyhow::Result<()> {
    let limit = run.context.unwrap_or(usize::MAX).min(architecture.context);
    if needed > limit {
        let what = "the prompt";
        return Err(flint_engine::EngineError::ContextTooLong { what, needed, limit }.into());
    }
    Ok(())
}

/// More threads than this cannot help and take minutes to start.
const MOST_THREADS: usize = 256;

fn thread_count(text: &str) -> Result<usize, String> {
    at_least_one(text)
        .ok()
        .filter(|&threads| threads <= MOST_THREADS)
        .ok_or_else(|| format!("expected a whole number of at least 1 and at most {MOST_THREADS}"))
}

/// A count that may not be zero.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number of at least 1".to_owned()),
        Ok(count) => Ok(count),
    }
}

/// What `--sparsity` says.
#[derive(Debug, Clone, Copy)]
enum LeftOut {
    Share(f32),
    Auto,
}

fn left_out(text: &str) -> Result<LeftOut, String> {
    if text == "auto" { Ok(LeftOut::Auto) } else { sparsity(text).map(LeftOut::Share) }
}

/// A share of neurons to leave out.
pub(super) fn sparsity(text: &str) -> Result<f32, String> {
    let share: Option<f32> = text.parse().ok();
    share
        .filter(|&share| share > 0.0 && share < 1.0)
        .ok_or_else(|| "expected a share above 0 and below 1".to_owned())
}

/// More than any device takes at once; each costs memory.
const DEEPEST: usize = 4096;

fn depth(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(depth) if (1..=DEEPEST).contains(&depth) => Ok(depth),
        _ => Err(format!("expected 1 to {DEEPEST} reads")),
    }
}

fn draft_tokens(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(tokens) if (1..=MOST_DRAFTED).contains(&tokens) => Ok(tokens),
        _ => Err(format!("expected 1 to {MOST_DRAFTED} tokens")),
    }
}

fn window(text: &str) -> Result<Window, String> {
    if text == "auto" {
        return Ok(Window(None));
    }
    let tokens = text.parse::<NonZeroU32>();
    tokens.map(|k| Window(Some(k))).map_err(|_| "expected a number of tokens or auto".to_owned())
}

fn kv_element(text: &str) -> Result<KvElement, String> {
    match text {
        "f32" => Ok(KvElement::F32),
        "f16" => Ok(KvElement::F16),
        _ => Err("expected f32 or f16".to_owned()),
    }
}

fn backend(text: &str) -> Result<BackendChoice, String> {
    match text {
        "auto" => Ok(BackendChoice::Auto),
        "uring" => Ok(BackendChoice::Uring),
        "threads" => Ok(BackendChoice::Threads),
        _ => Err("expected auto, uring or threads".to_owned()),
    }
}

fn alignment(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(bytes) if bytes.is_power_of_two() && (512..=4096).contains(&bytes) => Ok(bytes),
        _ => Err("expected 512, 1024, 2048 or 4096".to_owned()),
    }
}
