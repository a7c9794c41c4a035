//! One run: some texts one after the other on one engine, and what each took.

use super::{Forced, TextRun};
use crate::Refused;
use anyhow::Context;
use flint_engine::{
    Controls, DraftChoice, DraftStats, Engine, MemoryBudget, Mode, OpenModel, PlannedEngine,
    Request, RunOptions, Sampling, generate,
};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What to run, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct DraftRunArgs {
    /// The model
    #[arg(short, long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Memory: bytes for the whole process (4GiB), a share of the weights (50%), or auto
    #[arg(long, default_value = "auto")]
    pub memory: MemoryBudget,
    /// sparse computes predicted neurons, exact all of them
    #[arg(long, default_value = "exact")]
    pub mode: Mode,
    /// Compute threads [default: one per core]
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,
    /// Who drafts: off, auto, lookup, substitute or model
    #[arg(long, default_value = "off")]
    pub draft: DraftChoice,
    /// A smaller model that drafts
    #[arg(long, value_name = "MODEL")]
    pub draft_model: Option<PathBuf>,
    /// Tokens of each draft [default: what gives most tokens per second]
    #[arg(long)]
    pub draft_tokens: Option<usize>,
    /// Temperature; 0 takes the likeliest token
    #[arg(long, default_value_t = 0.0)]
    pub temp: f32,
    /// Texts to go on with: one a line, or one a file where there are several
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub prompts: Vec<PathBuf>,
    /// Tokens of each text
    #[arg(short, long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(2..))]
    pub number: u32,
    /// Take this share of drafted tokens, whatever the model says
    #[arg(long, value_name = "SHARE", value_parser = super::share)]
    pub accept: Option<f64>,
}

/// What a run took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DraftRun {
    /// One for each prompt.
    pub texts: Vec<TextRun>,
    /// Most bytes that the process had resident.
    pub peak_rss_bytes: u64,
    /// As `flint generate --json` has them, for `cargo xtask compare`.
    pub stats: Brief,
}

/// The part of the statistics that `cargo xtask compare` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Brief {
    /// Over all texts.
    pub tokens_per_second: f64,
}

impl DraftRun {
    /// Over all texts.
    pub fn tokens_per_second(&self) -> f64 {
        self.stats.tokens_per_second
    }

    /// Whether all texts are those of `other`.
    pub fn same_texts(&self, other: &DraftRun) -> bool {
        self.texts.iter().map(|text| &text.tokens).eq(other.texts.iter().map(|text| &text.tokens))
    }
}

/// Goes on with every prompt.
///
/// # Errors
/// When the model cannot be run so, or a file cannot be read.
pub fn draft_run(args: &DraftRunArgs) -> anyhow::Result<DraftRun> {
    let files = OpenModel::open(&args.model)?;
    let prompts = prompts(args, &files)?;
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let options = RunOptions {
        memory: args.memory,
        mode: Some(args.mode),
        threads: args.threads.map(|threads| threads as usize),
        draft: args.draft.clone(),
        draft_model: args.draft_model.clone(),
        draft_tokens: args.draft_tokens,
        measure: true,
        ..RunOptions::default()
    };
    let context = longest + args.number as usize;
    let mut engine = PlannedEngine::new(files, options, Some(context))?.load(&mut |_, _| {})?;
    // The first text of an engine pays for memory that is touched for the first time.
    one(&mut engine, args, &prompts[0])?;
    let texts: Vec<TextRun> = prompts
        .iter()
        .map(|prompt| one(&mut engine, args, prompt))
        .collect::<anyhow::Result<_>>()?;
    let tokens: usize = texts.iter().map(|text| text.tokens.len() - 1).sum();
    let seconds: f64 = texts.iter().map(|text| text.seconds).sum();
    Ok(DraftRun {
        texts,
        peak_rss_bytes: flint_engine::process_memory().peak,
        stats: Brief { tokens_per_second: tokens as f64 / seconds },
    })
}

fn one(engine: &mut Engine, args: &DraftRunArgs, prompt: &[u32]) -> anyhow::Result<TextRun> {
    let before = cpu_seconds();
    let mut run = match args.accept {
        Some(share) => Forced { share, number: args.number as usize }.run(engine, prompt)?,
        None => chosen(engine, args, prompt)?,
    };
    run.cpu_s = cpu_seconds() - before;
    Ok(run)
}

/// The text that the model chooses.
fn chosen(engine: &mut Engine, args: &DraftRunArgs, prompt: &[u32]) -> anyhow::Result<TextRun> {
    let request = Request {
        prompt: prompt.to_vec(),
        max_tokens: args.number as usize,
        sampling: Sampling { temperature: args.temp, ..Sampling::greedy() },
        stop: Vec::new(),
        ignore_end: true,
    };
    let listen = &mut |_: flint_engine::Event<'_>| ControlFlow::Continue(());
    let done = generate(engine, None, &request, &Controls::default(), listen)?;
    let drafts: Option<DraftStats> = done.stats.draft;
    let passes = drafts.map_or(done.tokens.len() as u64, |drafts| drafts.passes);
    Ok(TextRun {
        seconds: (done.tokens.len() as f64 - 1.0) / done.stats.tokens_per_second,
        tokens: done.tokens,
        cpu_s: 0.0,
        passes,
        acceptance: drafts.map_or(0.0, |drafts| drafts.acceptance),
        drafting_share: drafts.map_or(0.0, |drafts| drafts.time_share),
    })
}

/// The prompts as tokens; four tokens where there are none.
fn prompts(args: &DraftRunArgs, files: &OpenModel) -> anyhow::Result<Vec<Vec<u32>>> {
    if args.prompts.is_empty() {
        return Ok(vec![vec![1, 2, 3, 4]]);
    }
    let codec = files.codec()?.ok_or_else(|| Refused("the model has no tokenizer".to_owned()))?;
    let mut texts = Vec::new();
    for path in &args.prompts {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        match args.prompts.len() {
            1 => texts.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned)),
            _ => texts.push(text),
        }
    }
    let prompts =
        texts.iter().map(|text| codec.encode(text, true)).collect::<Result<Vec<_>, _>>()?;
    match prompts.is_empty() {
        true => Err(Refused("there is no prompt in --prompts".to_owned()).into()),
        false => Ok(prompts),
    }
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}
