//! `flint probe`: what the device behind a path can do, by the path that reads would take.

use super::output::{bytes, say, say_json};
use super::progress::{advance, count_bar};
use super::refuse;
use clap::Args;
use flint_flash_io::{ProbeOptions, ProbePoint, ProbeReport};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// A file to read, or a directory to write a temporary file to
    path: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn probe(args: ProbeArgs) -> anyhow::Result<()> {
    let bar = count_bar("points", args.json);
    let options = ProbeOptions::default();
    let report = flint_flash_io::probe(&args.path, &options, |progress| {
        advance(&bar, progress.done as u64, progress.points as u64);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| refuse(error.to_string()))?;
    if args.json { say_json(&description(&report)) } else { say(&table(&report)) }
}

fn description(report: &ProbeReport) -> Value {
    let point = |point: &ProbePoint| {
        json!({
            "bytes": point.bytes,
            "depth": point.depth,
            "reads": point.reads,
            "us_per_read": point.micros_per_read,
            "cpu_us_per_read": point.cpu_micros_per_read,
            "mb_per_second": point.megabytes_per_second,
        })
    };
    json!({
        "io_backend": report.path.backend,
        "direct_io": report.path.direct,
        "alignment": report.path.alignment,
        "io_reasons": report.path.reasons,
        "file_bytes": report.file_bytes,
        "random": report.random.iter().map(point).collect::<Vec<_>>(),
        "sequential": point(&report.sequential),
    })
}

fn table(report: &ProbeReport) -> String {
    let path = &report.path;
    let how = if path.direct { "direct" } else { "buffered" };
    let mut lines =
        vec![format!("reads by {}, {how}, {} byte alignment", path.backend, path.alignment)];
    lines.extend(path.reasons.iter().map(|reason| format!("  {reason}")));
    let mut depths: Vec<usize> = report.random.iter().map(|point| point.depth).collect();
    depths.sort_unstable();
    depths.dedup();
    let heads: String =
        depths.iter().map(|depth| format!("{:>18}", format!("depth {depth}"))).collect();
    lines.push(format!("{:>10}{heads}   us per read, MB/s", "size"));
    for row in report.random.chunk_by(|a, b| a.bytes == b.bytes) {
        let cells: String = row
            .iter()
            .map(|p| format!("{:>9.1}{:>9.0}", p.micros_per_read, p.megabytes_per_second))
            .collect();
        lines.push(format!("{:>10}{cells}", bytes(row[0].bytes as u64)));
    }
    let best = &report.sequential;
    lines.push(format!(
        "sequential: {:.0} MB/s in reads of {} at depth {}",
        best.megabytes_per_second,
        bytes(best.bytes as u64),
        best.depth
    ));
    lines.join("\n") + "\n"
}
