//! What each arithmetic of quantised weights costs: perplexity, next tokens that change, distance of logits, time.

use crate::Refused;
use anyhow::Context;
use flint_engine::{
    CancelToken, Engine, EngineError, MemoryBudget, Mode, OpenModel, PlannedEngine, RunOptions,
    Sampler, Sampling, negative_log_likelihood,
};
use flint_kernels::Arithmetic;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Which model, and on which text.
#[derive(Debug, clap::Args)]
pub struct ArithmeticArgs {
    /// A GGUF file with quantised weights
    #[arg(short, long, value_name = "FILE.gguf")]
    model: PathBuf,
    /// Text to measure on
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Tokens of the text that are used
    #[arg(short = 'n', long, default_value_t = 2048)]
    tokens: usize,
    /// Tokens of a window
    #[arg(long, default_value_t = 512)]
    window: usize,
    /// Tokens of the text that are fed one by one, to time decoding
    #[arg(long, default_value_t = 64)]
    decode: usize,
    /// Threads; all by default
    #[arg(long)]
    threads: Option<usize>,
}

/// What one arithmetic gave.
struct Found {
    loss: f64,
    best: Vec<u32>,
    /// Root of the mean square of the differences to f32's logits, and the largest.
    rms: f64,
    most: f32,
    prefill: Duration,
    decode: Duration,
}

/// Runs the text through every arithmetic and returns a table in Markdown.
///
/// # Errors
/// When the model cannot be run, has nothing quantised, or the text is too short.
pub fn arithmetic(args: &ArithmeticArgs) -> anyhow::Result<String> {
    if args.window < 2 || args.tokens < 2 || args.decode == 0 {
        let line = "a window and the text have at least 2 tokens, and one is decoded";
        return Err(Refused(line.to_owned()).into());
    }
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let files = OpenModel::open(&args.model)?;
    let codec = files.codec()?.ok_or(EngineError::NoTokenizer)?;
    let mut tokens = codec.encode(&text, false)?;
    if tokens.len() < args.tokens {
        let line = format!("the text has {} tokens, not {}", tokens.len(), args.tokens);
        return Err(Refused(line).into());
    }
    tokens.truncate(args.tokens);
    let mut reference = Vec::new();
    let mut table = String::from(
        "| arithmetic | perplexity | against f32 | same next token | rms of logits | largest | prefill tok/s | decode tok/s |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut first: Option<Found> = None;
    for arithmetic in Arithmetic::ALL {
        let found = measure(args, arithmetic, &tokens, &mut reference)?;
        let counted = found.best.len() as f64;
        let base = first.as_ref().unwrap_or(&found);
        let same = found.best.iter().zip(&base.best).filter(|(one, other)| one == other).count();
        let rate = |count: usize, time: Duration| count as f64 / time.as_secs_f64();
        table += &format!(
            "| {arithmetic} | {:.4} | {:+.4} % | {:.2} % | {:.5} | {:.4} | {:.0} | {:.1} |\n",
            (found.loss / counted).exp(),
            ((found.loss - base.loss) / counted).exp_m1() * 100.0,
            same as f64 * 100.0 / counted,
            found.rms,
            found.most,
            rate(tokens.len(), found.prefill),
            rate(args.decode.min(tokens.len()), found.decode)
        );
        first.get_or_insert(found);
    }
    Ok(table)
}

/// One arithmetic. The first call fills `reference` with its logits, the others are compared with them.
fn measure(
    args: &ArithmeticArgs,
    arithmetic: Arithmetic,
    tokens: &[u32],
    reference: &mut Vec<Vec<f32>>,
) -> anyhow::Result<Found> {
    let mut engine = load(&args.model, arithmetic, args)?;
    let begin = engine.architecture().begin_of_text;
    let is_first = reference.is_empty();
    let (mut loss, mut best, mut squares, mut most) = (0.0, Vec::new(), 0.0, 0.0f32);
    let mut sampler = Sampler::new(Sampling::greedy());
    let start = Instant::now();
    for window in tokens.chunks(args.window) {
        let whole: Vec<u32> = begin.into_iter().chain(window.iter().copied()).collect();
        if whole.len() < 2 {
            continue;
        }
        let (input, targets) = (&whole[..whole.len() - 1], &whole[1..]);
        let mut targets = targets.iter();
        let mut row = |logits: &[f32]| {
            let Some(&target) = targets.next() else { return };
            loss += negative_log_likelihood(logits, target);
            best.push(sampler.choose(logits, 0));
            if is_first {
                reference.push(logits.to_vec());
                return;
            }
            for (one, other) in logits.iter().zip(&reference[best.len() - 1]) {
                squares += f64::from(one - other).powi(2) / logits.len() as f64;
                most = most.max((one - other).abs());
            }
        };
        let cancel = CancelToken::default();
        let mut sequence = engine.begin();
        engine.feed_all(&mut sequence, input, &cancel, &mut row)?;
        engine.end(sequence);
    }
    let prefill = start.elapsed();
    let decode = decode(&mut engine, &tokens[..args.decode.min(tokens.len())])?;
    let rms = (squares / best.len() as f64).sqrt();
    Ok(Found { loss, best, rms, most, prefill, decode })
}

fn load(model: &Path, arithmetic: Arithmetic, args: &ArithmeticArgs) -> anyhow::Result<Engine> {
    let options = RunOptions {
        arithmetic: Some(arithmetic),
        memory: MemoryBudget::Percent(1000.0),
        mode: Some(Mode::Exact),
        threads: args.threads,
        ..RunOptions::default()
    };
    let context = args.window.max(args.decode) + 1;
    let prepared = PlannedEngine::new(OpenModel::open(model)?, options, Some(context))?;
    Ok(prepared.load(&mut |_, _| {})?)
}

/// How long the tokens take one by one.
fn decode(engine: &mut Engine, tokens: &[u32]) -> anyhow::Result<Duration> {
    let cancel = CancelToken::default();
    let mut sequence = engine.begin();
    let start = Instant::now();
    for &token in tokens {
        engine.feed(&mut sequence, &[token], &cancel, &mut |_| {})?;
    }
    let taken = start.elapsed();
    engine.end(sequence);
    Ok(taken)
}
