//! A table: decoding at several budgets, interleaved, medians with their spread.

use crate::machine;
use anyhow::{Context, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct MeasureArgs {
    /// The bundle
    #[arg(short, long, default_value = "fixtures/tiny-opt.flint")]
    model: PathBuf,
    /// The program, built with optimisation
    #[arg(long, default_value = "target/release/flint")]
    flint: PathBuf,
    /// Memory budgets, separated by commas
    #[arg(long, default_value = "60%,75%,100%,200%", value_delimiter = ',')]
    budgets: Vec<String>,
    /// Variants of each budget, LABEL=FLAGS with FLAGS as on the command line
    #[arg(long = "variant", default_value = "default=")]
    variants: Vec<String>,
    /// Runs of each budget
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Tokens of each run
    #[arg(short, default_value_t = 64)]
    number: usize,
}

/// Runs every budget in turn, `runs` times, and returns a Markdown table.
///
/// # Errors
/// When the program cannot be run or refuses.
pub fn measure(args: &MeasureArgs) -> anyhow::Result<String> {
    let variants =
        || args.variants.iter().map(|variant| variant.split_once('=').unwrap_or((variant, "")));
    let rows: Vec<(&str, (&str, &str))> =
        args.budgets.iter().flat_map(|budget| variants().map(|v| (budget.as_str(), v))).collect();
    let mut reports: Vec<Vec<Value>> = vec![Vec::new(); rows.len()];
    for _ in 0..args.runs.max(1) {
        for ((budget, (_, flags)), reports) in rows.iter().zip(&mut reports) {
            reports.push(run(args, budget, flags)?);
        }
    }
    let mut table = format!("{}\n\n", place(&args.model));
    table += "| --memory | variant | mode | tok/s (min to max) | first token, ms | read per token, MB | hit rate | peak RSS, MB |\n";
    table += "|---|---|---|---|---|---|---|---|\n";
    for ((budget, (label, _)), reports) in rows.iter().zip(&reports) {
        table += &row(budget, label, reports);
    }
    Ok(table)
}

fn run(args: &MeasureArgs, budget: &str, flags: &str) -> anyhow::Result<Value> {
    let output = Command::new(&args.flint)
        .args(["generate", "--tokens", "0,4,2116,491", "--temp", "0", "--ignore-eos", "--json"])
        .args(["--draft", "off"].iter().filter(|_| !flags.contains("--draft")))
        .args(["--memory", budget, "-n", &args.number.to_string(), "-m"])
        .arg(&args.model)
        .args(flags.split_whitespace())
        .output()
        .with_context(|| format!("cannot run {}", args.flint.display()))?;
    if !output.status.success() {
        bail!("at {budget}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    Ok(report["stats"].clone())
}

fn row(budget: &str, label: &str, reports: &[Value]) -> String {
    let sorted = |pick: &dyn Fn(&Value) -> f64| {
        let mut values: Vec<f64> = reports.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let median = |values: &[f64]| values[values.len() / 2];
    let field = |name: &'static str| sorted(&move |r: &Value| r[name].as_f64().unwrap_or(f64::NAN));
    let speed = field("tokens_per_second");
    let read = sorted(&|r: &Value| r["per_token"]["bytes_read"].as_f64().unwrap_or(f64::NAN));
    let mode = reports[0]["mode"].as_str().unwrap_or("?");
    format!(
        "| {budget} | {label} | {mode} | {:.0} ({:.0} to {:.0}) | {:.1} | {:.2} | {:.2} | {:.1} |\n",
        median(&speed),
        speed[0],
        speed[speed.len() - 1],
        median(&field("first_token_ms")),
        median(&read) / 1e6,
        median(&sorted(&|r: &Value| r["per_token"]["hit_rate"].as_f64().unwrap_or(f64::NAN))),
        median(&field("peak_rss_bytes")) / 1e6,
    )
}

/// Where and of what this was measured.
fn place(model: &Path) -> String {
    let (model, machine, commit) = (model.display(), machine::machine(), machine::commit());
    format!("{model}: {machine}, commit {commit}; direct reads, no page cache")
}
