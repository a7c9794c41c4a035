//! Flint beside a peer in equal memory: interleaved runs in control groups, ratios with their spread.

mod chart;
mod contestant;
mod figures;
mod limit;
mod rate;
mod report;
mod round;

pub use figures::{Ratios, Spread};
pub use limit::Limit;
pub use rate::{Pattern, Preset};
pub use round::{Run, order};

use crate::Refused;
use contestant::Contestant;
use flint_engine::OpenModel;
use report::Report;
use std::path::{Path, PathBuf};

/// What to compare, and how.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// The model that Flint runs: a bundle, a GGUF file or a checkpoint directory
    #[arg(short, long, value_name = "MODEL", alias = "bundle")]
    model: PathBuf,
    /// Flint, built with optimisation [default: target/release/flint; for a bundle of `cargo xtask synth` the task
    /// `synth-run` of this program, which gives every token of its text]
    #[arg(long, value_name = "PROGRAM")]
    flint: Option<PathBuf>,
    /// More flags of `flint generate`, where one given here replaces the one that would be used; for a bundle of
    /// `cargo xtask synth` more flags of `synth-run`, but for --threads and --number
    #[arg(long, value_name = "FLAGS", default_value = "", allow_hyphen_values = true)]
    flint_args: String,
    /// Flint's whole command instead; must print the JSON of `flint generate --json`
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["flint", "flint_args"])]
    flint_command: Option<String>,
    /// The peer's command, run by a shell; {gguf}, {tokens} and {threads} are filled in
    #[arg(long, value_name = "COMMAND")]
    peer: String,
    /// What the results call the peer
    #[arg(long, value_name = "NAME", default_value = "peer")]
    peer_name: String,
    /// The file that {gguf} stands for [default: the model, where it is one]
    #[arg(long, value_name = "FILE.gguf")]
    gguf: Option<PathBuf>,
    /// What the peer prints
    #[arg(long, value_enum, required_unless_present = "peer_toks")]
    peer_preset: Option<Preset>,
    /// Regular expression for what the peer prints: its first group is tokens per second; the last match counts
    #[arg(long, value_name = "REGEX", conflicts_with = "peer_preset")]
    peer_toks: Option<Pattern>,
    /// The same for the bytes it read per token, where it prints them
    #[arg(long, value_name = "REGEX", conflicts_with = "peer_preset")]
    peer_read: Option<Pattern>,
    /// Memory of Flint's group, page cache and program included: a share of the weights (50%), bytes (4GiB), or none
    #[arg(long, value_name = "LIMIT", default_value = "50%")]
    limit: Limit,
    /// Memory of the peer's group; several, separated by commas, make several contestants [default: --limit]
    #[arg(long, value_name = "LIMIT", value_delimiter = ',')]
    peer_limit: Vec<Limit>,
    /// Rounds; every second one runs backwards
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Tokens of each run
    #[arg(short = 'n', long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(2..))]
    tokens: u32,
    /// Threads of each run [default: one per core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
    /// Seconds after which a run is stopped and counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    longest: u64,
    /// Print JSON instead of Markdown
    #[arg(long)]
    json: bool,
    /// Also write compare-NAME.md, .json and .svg into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// NAME of the results [default: that of the model]
    #[arg(long, value_parser = crate::trace::file_name)]
    name: Option<String>,
}

/// Runs all rounds, writes the results where asked, and returns the text to print. `tell` gets lines of
/// progress.
///
/// # Errors
/// [`Refused`] for wrong requests; when no control group can be made, or a command fails in the first round.
pub fn compare(args: &CompareArgs, tell: &mut dyn FnMut(&str)) -> anyhow::Result<String> {
    let circumstances = crate::machine::Circumstances::now(&args.model);
    let contestants = contestants(args)?;
    let rounds = round::Rounds {
        contestants: &contestants,
        rounds: args.rounds,
        longest: std::time::Duration::from_secs(args.longest),
    };
    let (runs, caches) = rounds.run(tell)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => args.model.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let report = Report::new(name, circumstances, args.tokens, caches, &contestants, runs);
    if let Some(directory) = &args.out {
        for path in report.write(directory)? {
            tell(&format!("wrote {}", path.display()));
        }
    }
    Ok(if args.json { serde_json::to_string(&report)? } else { report.markdown() })
}

/// Flint first, then the peer at each of its limits.
fn contestants(args: &CompareArgs) -> anyhow::Result<Vec<Contestant>> {
    let weights = OpenModel::open(&args.model)?.weights_bytes();
    let threads = args.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |threads| threads as usize,
    );
    let own = args.model.is_file().then_some(args.model.as_path());
    let gguf = args.gguf.as_deref().or(own);
    if args.peer.contains("{gguf}") && gguf.is_none() {
        return Err(Refused("--peer has {gguf}: say with --gguf which file that is".into()).into());
    }
    if let Some(path) = args.gguf.iter().find(|path| !path.is_file()) {
        return Err(Refused(format!("no such file: {}", path.display())).into());
    }
    let fill = contestant::Fill { model: &args.model, gguf, tokens: args.tokens, threads };
    let limit = |limit: Limit| limit.bytes(weights);
    let flint = flint(args, &fill, limit(args.limit))?;
    let reading = match args.peer_preset {
        Some(preset) => preset.reading(),
        None => rate::Reading::new(args.peer_toks.iter().cloned(), args.peer_read.iter().cloned()),
    };
    let own = [args.limit];
    let limits = if args.peer_limit.is_empty() { &own[..] } else { &args.peer_limit };
    let mut all = vec![flint];
    for &peer_limit in limits {
        let label = format!("{}, {}", args.peer_name, peer_limit.label());
        all.push(Contestant::peer(label, &args.peer, &fill, limit(peer_limit), reading.clone()));
    }
    all[0].name = format!("Flint, {}", args.limit.label());
    Ok(all)
}

fn flint(
    args: &CompareArgs,
    fill: &contestant::Fill<'_>,
    limit: Option<u64>,
) -> anyhow::Result<Contestant> {
    let more = &args.flint_args;
    Ok(match (&args.flint_command, &args.flint) {
        (Some(command), _) => Contestant::shell_flint(command, fill, limit),
        (None, Some(program)) => Contestant::flint(program, more, fill, limit),
        (None, None) if crate::synth::is_synthetic(&args.model) => {
            Contestant::taught(&std::env::current_exe()?, more, fill, limit)
        }
        (None, None) => Contestant::flint(Path::new("target/release/flint"), more, fill, limit),
    })
}
