//! `flint generate`, and what `flint` alone does.

use super::args::{PromptArgs, RunArgs, check_context, load};
use super::interrupt::Interrupt;
use super::output::{bytes, note, say, say_json};
use super::progress::{advance, count_bar};
use super::refuse;
use super::sampling::SamplingArgs;
use clap::{Args, Parser};
use flint_engine::{
    Controls, DraftStats, Engine, Event, Generated, ProgressHandle, Request, Stats, Tokenizer,
};
use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Tokens that are generated when `-n` is not given.
const DEFAULT_TOKENS: usize = 64;

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// The bundle
    #[arg(short, long, value_name = "DIR.flint")]
    model: PathBuf,
    #[command(flatten)]
    prompt: PromptArgs,
    /// Most tokens to generate
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_TOKENS)]
    number: usize,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Go on past the model's end-of-text token
    #[arg(long)]
    ignore_eos: bool,
    #[command(flatten)]
    run: RunArgs,
    /// Print one JSON object instead of the text
    #[arg(long)]
    json: bool,
    /// Print only the text
    #[arg(short, long)]
    quiet: bool,
    /// Write the generated tokens and when they came to FILE, one line of JSON each
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// A parser for `GenerateArgs` alone, so that the demo takes the same defaults as the command.
#[derive(Debug, Parser)]
struct Defaults {
    #[command(flatten)]
    args: GenerateArgs,
}

/// `flint` without a command: a story by the model that ships in fixtures/.
pub(super) fn demo() -> anyhow::Result<()> {
    let here = Path::new("fixtures/tiny-opt.flint");
    let built = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tiny-opt.flint"));
    let Some(model) = [here, built].into_iter().find(|path| path.is_dir()) else {
        return Err(refuse(
            "fixtures/tiny-opt.flint is not here: give a bundle with `flint generate -m DIR.flint -p TEXT`",
        ));
    };
    let arguments = ["generate", "-p", "Once upon a time", "--memory", "60%", "-m"];
    let arguments = arguments.iter().map(AsRef::as_ref).chain([model.as_os_str()]);
    generate(Defaults::try_parse_from(arguments)?.args)
}

pub(super) fn generate(args: GenerateArgs) -> anyhow::Result<()> {
    let interrupt = Interrupt::watch();
    let quiet = args.quiet || args.json;
    let (files, codec) = RunArgs::open(&args.model)?;
    let prompt = args.prompt.tokens(codec.as_ref())?;
    files.check_tokens(&prompt)?;
    let needed = prompt.len().saturating_add(args.number);
    check_context(&args.run, files.architecture(), prompt.len())?;
    if !args.sampling.stop.is_empty() && codec.is_none() {
        return Err(flint_engine::EngineError::NoTokenizer.into());
    }
    let request = args.request(prompt);
    let prepared = args.run.prepare(files, Some(needed), quiet)?;
    let controls = Controls { cancel: interrupt.cancel(), live: ProgressHandle::default() };
    controls.live.planned(&prepared, &request.prompt);
    let (shown, form) = (controls.live.clone(), args.form());
    interrupt.set_final_report(move || {
        if let Some(generated) = shown.generated() {
            // Whether anybody reads does not matter any more.
            let _ = report(&generated, form);
        }
    });
    let mut engine = load(prepared, quiet)?;
    let generated = run(&mut engine, codec.as_ref(), &request, &controls, &args)?;
    interrupt.claim_output();
    report(&generated, args.form())?;
    interrupt.leave_if_asked();
    // The system takes the memory back at once; dropping would wait for reads in flight.
    std::mem::forget(engine);
    Ok(())
}

/// Generates, and shows each token as it comes.
fn run(
    engine: &mut Engine,
    codec: Option<&Tokenizer>,
    request: &Request,
    controls: &Controls,
    args: &GenerateArgs,
) -> anyhow::Result<Generated> {
    let quiet = args.quiet || args.json;
    let mut trace = Trace::create(args.trace.as_deref())?;
    let bar = count_bar("prompt", quiet);
    let total = request.prompt.len() as u64;
    // Said once the bar is gone, which would wipe it off a terminal.
    let prompt = match codec.filter(|_| !quiet) {
        Some(codec) => codec.decode(&request.prompt)?,
        None => String::new(),
    };
    let mut failed = None;
    let generated = flint_engine::generate(engine, codec, request, controls, &mut |event| {
        let shown = match event {
            Event::Prompt(fed) => {
                advance(&bar, fed as u64, total);
                if fed as u64 == total {
                    bar.finish_and_clear();
                    say(&prompt)
                } else {
                    Ok(())
                }
            }
            Event::Token(token, text) => {
                trace.token(token, text).and_then(|()| show(text, token, codec.is_some(), args))
            }
            Event::Text(_) if args.json => Ok(()),
            Event::Text(text) => say(text),
        };
        match shown {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    bar.finish_and_clear();
    match failed {
        Some(error) => Err(error),
        None => Ok(generated?),
    }
}

/// Text where there is a tokenizer, else token ids.
fn show(text: &str, token: u32, has_text: bool, args: &GenerateArgs) -> anyhow::Result<()> {
    match (args.json, has_text) {
        (true, _) => Ok(()),
        (false, true) => say(text),
        (false, false) => say(&format!("{token} ")),
    }
}

/// What is printed at the end.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    /// The end of the line.
    Text,
    /// And what it cost.
    Report,
}

impl GenerateArgs {
    fn form(&self) -> Form {
        match (self.json, self.quiet) {
            (true, _) => Form::Json,
            (false, true) => Form::Text,
            (false, false) => Form::Report,
        }
    }

    fn request(&self, prompt: Vec<u32>) -> Request {
        Request {
            prompt,
            max_tokens: self.number,
            sampling: self.sampling.sampling(),
            stop: self.sampling.stop.clone(),
            ignore_end: self.ignore_eos,
        }
    }
}

fn report(generated: &Generated, form: Form) -> anyhow::Result<()> {
    if matches!(form, Form::Json) {
        return say_json(generated);
    }
    say("\n")?;
    if matches!(form, Form::Report) {
        for reason in &generated.stats.io_reasons {
            note(&format!("flint: {reason}"));
        }
        if let Some(report) = &generated.stats.forecast {
            note(&super::forecast::compared(report, generated.stats.tokens_per_second));
        }
        note(&summary(&generated.stats, generated.tokens.len()));
    }
    Ok(())
}

/// The last line on stderr.
pub(super) fn summary(stats: &Stats, tokens: usize) -> String {
    let seconds = (stats.first_token_ms + stats.decode_ms) / 1e3;
    let direct = if stats.direct_io { "direct" } else { "buffered" };
    let quality = match (stats.mode, stats.quality_cost) {
        ("exact", _) => String::new(),
        (_, Some(cost)) => format!(" (perplexity {:+.2} % over exact)", (cost - 1.0) * 100.0),
        (_, None) => " (quality not measured)".to_owned(),
    };
    let sparsity = stats.sparsity.map_or(String::new(), |share| format!(", sparsity {share}"));
    let window = match stats.policy.as_str() {
        "window" => format!(", window {}", stats.window),
        _ => String::new(),
    };
    let drafts = stats.draft.as_ref().map_or(String::new(), |of| drafts(of, stats));
    let widened = if stats.widened { ", widened" } else { "" };
    let (experts, read) = (stats.per_token.experts, stats.per_token.experts_loaded);
    let experts = match experts > 0.0 {
        true => format!(" of {experts:.0} experts a token ({read:.1} read)"),
        false => String::new(),
    };
    format!(
        "{tokens} tokens in {seconds:.2} s, {:.2} tok/s, first token {:.0} ms, hit rate {:.1} %{experts}, \
         {} per token, {} ({direct}{widened}), {} mode{quality}{sparsity}{window}{drafts}, peak {}",
        stats.tokens_per_second,
        stats.first_token_ms,
        stats.per_token.hit_rate * 100.0,
        bytes(stats.per_token.bytes_read as u64),
        stats.io_backend,
        stats.mode,
        bytes(stats.peak_rss_bytes),
    )
}

/// What drafts were worth.
fn drafts(of: &DraftStats, stats: &Stats) -> String {
    if of.drafted == 0 {
        return format!(", nothing drafted ({})", of.by);
    }
    format!(
        ", {:.2} tokens per pass ({} of {} drafted by {} were right, {:.0} %; drafting took {:.0} % of the time)",
        stats.per_token.tokens_per_pass,
        of.accepted,
        of.drafted,
        of.by,
        of.acceptance * 100.0,
        of.time_share * 100.0
    )
}

/// Writes what happened, token by token.
struct Trace {
    file: Option<File>,
    start: std::time::Instant,
}

impl Trace {
    fn create(path: Option<&Path>) -> anyhow::Result<Trace> {
        let create = |path: &Path| {
            File::create(path)
                .map_err(|cause| refuse(format!("cannot write {}: {cause}", path.display())))
        };
        Ok(Trace { file: path.map(create).transpose()?, start: std::time::Instant::now() })
    }

    fn token(&mut self, token: u32, text: &str) -> anyhow::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let ms = self.start.elapsed().as_secs_f64() * 1e3;
        writeln!(file, "{}", serde_json::json!({ "ms": ms, "token": token, "text": text }))?;
        Ok(())
    }
}
