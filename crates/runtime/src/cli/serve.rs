//! `flint serve`: an endpoint for many clients at once, within one memory number.

mod room;

use super::args::{RunArgs, at_least_one, load};
use super::chat::{date, template_text};
use super::output::{bytes, note};
use super::sampling::ChoiceArgs;
use clap::Args;
use flint_chat::Moment;
use flint_engine::{EngineError, MemoryBudget, OpenModel, PlannedEngine, Sampling, Tokenizer};
use flint_server::{Defaults, Handle, Hosted, ServeOptions, Server, Sessions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A shell reports a program that a signal ended as this much plus the number of the signal.
const BY_SIGNAL: i32 = 128;

/// How long conversations may take to be written when the server ends.
const SAVING: Duration = Duration::from_secs(60);

/// Files and connections that a server may come to have open.
const OPEN_FILES: u64 = 4096;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The model
    #[arg(short, long, value_name = "MODEL")]
    model: PathBuf,
    /// Address to listen on; others than this machine's own let anybody in who can reach it
    #[arg(long, default_value = "127.0.0.1", value_parser = host)]
    host: IpAddr,
    /// Port to listen on; 0: one that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// What clients must send as their key
    #[arg(long, value_name = "KEY", value_parser = key)]
    api_key: Option<String>,
    /// Another name under which clients and web pages know this server
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Whole contexts to have memory for; shorter requests share them [default: 4, fewer where memory is short]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    sessions: Option<usize>,
    /// Most requests that wait while others are answered
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    queue: usize,
    /// Most seconds for a request, waiting included [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    time_limit: Option<u64>,
    /// Seconds that a client may leave what was sent to it unread; its connection is closed then
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    write_timeout: u64,
    /// Keep conversations in this directory when the server ends, and take them up when it starts again
    #[arg(long, value_name = "DIR")]
    session_dir: Option<PathBuf>,
    /// Most bytes that a run writes into --session-dir, and that it holds afterwards
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = byte_count, requires = "session_dir")]
    session_bytes: u64,
    /// The template that conversations are written in: a file, or chatml [default: the model's own]
    #[arg(long, value_name = "FILE|chatml")]
    chat_template: Option<String>,
    /// What the template takes for today [default: today, in UTC]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    date: Option<Moment>,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Print only errors
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn serve(args: ServeArgs) -> anyhow::Result<()> {
    raise_open_files();
    let (files, codec) = RunArgs::open(&args.model)?;
    let codec = codec.ok_or(EngineError::NoTokenizer)?;
    let template = args.chat_template.as_deref().map(template_text).transpose()?;
    drop(files);
    let (prepared, contexts) = room::prepare(&args.model, &args.run, args.sessions)?;
    let sessions = args.sessions_kept(prepared.files())?;
    let keeps = sessions.is_some();
    let context = prepared.plan().context;
    let hosted = Hosted::new(prepared.files(), codec, context, template.as_deref());
    // A template that somebody asked for is to be one; a model without any still completes text.
    if let (Err(why), true) = (&hosted.prompter, template.is_some()) {
        return Err(super::refuse(why.clone()));
    }
    let codec = Arc::clone(&hosted.codec);
    if !args.quiet {
        prepared.warnings().iter().for_each(|warning| note(&format!("flint: {warning}")));
        describe(&hosted, &prepared, contexts);
    }
    let server = Server::bind(hosted, args.options(sessions))?;
    let (address, handle, quiet) = (server.address()?, server.handle(), args.quiet);
    watch_signals(handle.clone());
    if !quiet {
        note(&format!("listening on http://{address}, loading"));
    }
    let work = move || {
        let closing = CloseAtEnd(handle);
        answer(prepared, &codec, &closing.0, quiet)
    };
    let engine = thread::Builder::new().name("flint-engine".to_owned()).spawn(work)?;
    server.run()?;
    let began = Instant::now();
    while keeps && !engine.is_finished() && began.elapsed() < SAVING {
        thread::sleep(Duration::from_millis(20));
    }
    // Answers were ended, so an engine that still works waits for a device: nobody waits for it.
    if engine.is_finished() {
        return engine.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the engine ended")));
    }
    Ok(())
}

/// Loads the model and answers until the server is closed.
fn answer(
    prepared: PlannedEngine,
    codec: &Tokenizer,
    handle: &Handle,
    quiet: bool,
) -> anyhow::Result<()> {
    let engine = load(prepared, quiet)?;
    handle.set_ready();
    if !quiet {
        note("ready");
    }
    handle.scheduler().run(engine, codec);
    Ok(())
}

/// Closes the server when the engine's thread ends, however it ends.
struct CloseAtEnd(Handle);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl ServeArgs {
    /// Where conversations are kept.
    fn sessions_kept(&self, files: &OpenModel) -> anyhow::Result<Option<Sessions>> {
        let Some(directory) = &self.session_dir else { return Ok(None) };
        let options = self.run.options()?;
        let sessions = Sessions::new(directory, self.session_bytes, files, &options);
        let refused = |error| {
            super::refuse(format!("cannot keep sessions in {}: {error}", directory.display()))
        };
        sessions.map(Some).map_err(refused)
    }

    fn options(&self, sessions: Option<Sessions>) -> ServeOptions {
        let sampling = Sampling { seed: 0, ..self.choice.sampling(0) };
        ServeOptions {
            address: SocketAddr::new(self.host, self.port),
            names: self.allow_host.clone(),
            key: self.api_key.clone(),
            queue: self.queue,
            sessions,
            longest: self.time_limit.map(Duration::from_secs),
            write_timeout: Duration::from_secs(self.write_timeout),
            defaults: Defaults { sampling, now: self.date },
        }
    }
}

/// What is served, within what.
fn describe(hosted: &Hosted, prepared: &PlannedEngine, sessions: usize) {
    let plan = prepared.plan();
    note(&format!(
        "{}: {} of weights, {} of memory (by {}); requests of up to {} tokens (-c), pages for {sessions} such (--sessions)",
        hosted.name,
        bytes(plan.weights_bytes),
        bytes(plan.budget_bytes),
        plan.bound,
        plan.context,
    ));
    if let Err(why) = &hosted.prompter {
        note(&format!("flint: only completions, no chats: {why}"));
    }
}

/// The first signal ends answers in order, the second one the program.
fn watch_signals(handle: Handle) {
    let started = Signals::new([SIGINT, SIGTERM]).and_then(|mut signals| {
        let watch = move || {
            for (count, signal) in signals.forever().enumerate() {
                if count > 0 {
                    std::process::exit(BY_SIGNAL + signal);
                }
                handle.close();
            }
        };
        thread::Builder::new().name("flint-signals".to_owned()).spawn(watch)
    });
    if let Err(error) = started {
        tracing::info!(%error, "signals are not watched");
    }
}

/// Shells allow few open files by default; each connection is one.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
        tracing::debug!(?raised, wanted, "open files");
    }
}

fn host(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "expected an address such as 127.0.0.1 or ::1".to_owned())
}

fn byte_count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(MemoryBudget::Absolute(bytes)) => Ok(bytes),
        _ => Err("expected bytes, such as 2GiB".to_owned()),
    }
}

fn key(text: &str) -> Result<String, String> {
    let visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if visible { Ok(text.to_owned()) } else { Err("expected visible ASCII characters".to_owned()) }
}
