//! Which neurons or experts a run asked for, replayed: what each cache policy loads, beside the optimum.

mod belady;
mod chart;
mod record;
mod recorded;
mod replay;
mod report;
mod routes;

use crate::machine;
use crate::synth::is_synthetic;
use anyhow::Context;
use flint_dram_cache::PolicyKind;
use flint_engine::OpenModel;
use record::Run;
use report::{Curve, Report, Size};
use std::fs;
use std::path::PathBuf;

/// Sizes of cache, in percent of all neurons.
const SIZES: [u64; 12] = [2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90];

/// What to record, and where the results go.
#[derive(Debug, clap::Args)]
pub struct TraceArgs {
    /// The bundle, with predictors, or a model with experts
    #[arg(short, long, value_name = "MODEL", default_value = "fixtures/tiny-opt.flint")]
    model: PathBuf,
    /// The text that is read; not for a bundle of `cargo xtask synth`, which has its own
    #[arg(short, long, value_name = "FILE", default_value = "fixtures/tiny-opt/heldout.txt")]
    file: PathBuf,
    /// Random tokens in place of a text, for models of random weights with experts
    #[arg(long, conflicts_with = "file")]
    random_tokens: bool,
    /// Tokens to record; the first half fills the caches and is not counted
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(2..))]
    tokens: u32,
    /// Name of the results: trace-NAME.md and trace-NAME.svg [default: that of the bundle]
    #[arg(long, value_parser = file_name)]
    name: Option<String>,
    /// Directory of the results
    #[arg(long, value_name = "DIR", default_value = "docs/results")]
    out: PathBuf,
}

/// Records a run, replays it, and writes a table and a chart, whose paths it returns.
///
/// # Errors
/// When the bundle has no predictors, when it or the text cannot be read, or the results not be written.
pub fn trace(args: &TraceArgs) -> anyhow::Result<[PathBuf; 2]> {
    // Before anything is written: results of a clean checkout are then called so.
    let commit = machine::commit();
    let run = record_run(args)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => args.model.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let report = Report { header: header(args, &run, &commit), ..replay_all(name, &run) };
    let [table, chart] = ["md", "svg"].map(|end| args.out.join(report.file_name(end)));
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    for (path, text) in [(&table, report.markdown()), (&chart, chart::svg(&report)?)] {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok([table, chart])
}

fn record_run(args: &TraceArgs) -> anyhow::Result<Run> {
    let tokens = args.tokens as usize;
    let files = OpenModel::open(&args.model)?;
    if files.architecture().experts.is_none() {
        return record::record(&args.model, &args.file, tokens);
    }
    routes::record(files, Some(args.file.as_path()).filter(|_| !args.random_tokens), tokens)
}

/// Every policy and the optimum at every size.
fn replay_all(name: String, run: &Run) -> Report {
    let all = run.recorded.records();
    let sizes = SIZES.map(|percent| Size { percent, slots: (all * percent / 100).max(1) as u32 });
    let curve = |name: String, loads: &dyn Fn(u32) -> Vec<u64>| Curve {
        name,
        loads: sizes.iter().map(|size| counted(&loads(size.slots))).collect(),
    };
    let policy = |policy: PolicyKind| {
        curve(replay::name(policy), &|slots| replay::loads(&run.recorded, policy, slots))
    };
    Report {
        title: name,
        header: Vec::new(),
        units: units(run),
        needed: counted(&run.recorded.needed()),
        default: policy(PolicyKind::default()),
        others: replay::others().into_iter().map(policy).collect(),
        optimum: curve("Belady".to_owned(), &|slots| belady::loads(&run.recorded, slots)),
        sizes: sizes.to_vec(),
    }
}

/// The mean over the second half.
fn counted(loads: &[u64]) -> f64 {
    let counted = &loads[loads.len() / 2..];
    counted.iter().sum::<u64>() as f64 / counted.len().max(1) as f64
}

/// What was recorded, of what and where, one line each.
fn header(args: &TraceArgs, run: &Run, commit: &str) -> Vec<String> {
    let model = args.model.display();
    let text = match is_synthetic(&args.model) {
        _ if args.random_tokens => "random ones".to_owned(),
        true => "its own text".to_owned(),
        false => args.file.display().to_string(),
    };
    let (layers, neurons) = (run.recorded.groups(), run.recorded.neurons());
    let tokens = run.recorded.tokens();
    let (predictor, bytes) = (run.predictor, run.predictor_bytes as f64 / 1e6);
    let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    vec![
        format!("Model: {model}, {layers} layers of {neurons} {}", units(run)),
        format!("Predictor: {predictor}, {bytes:.2} MB"),
        format!(
            "Tokens: {tokens} of {text}, in windows of {}; the first {} fill the caches and are not counted",
            run.window,
            tokens / 2
        ),
        format!("Machine: {} (the numbers do not depend on its speed)", machine::machine()),
        format!("Commit: {commit}"),
        format!("Command: `cargo xtask {command}`"),
    ]
}

/// What a layer has.
fn units(run: &Run) -> &'static str {
    if run.predictor == "router" { "experts" } else { "neurons" }
}

pub(crate) fn file_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || !text.chars().all(plain) {
        return Err("expected letters, digits, '-', '_' and '.'".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_half_is_not_counted() {
        assert_eq!(counted(&[100, 100, 1, 2]), 1.5);
        assert_eq!(counted(&[100, 1, 3]), 2.0);
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_directory() {
        for bad in ["", "a/b", "a b", "`"] {
            assert!(file_name(bad).is_err(), "{bad}");
        }
        assert_eq!(file_name("tiny-opt_2.1").unwrap(), "tiny-opt_2.1");
    }
}
