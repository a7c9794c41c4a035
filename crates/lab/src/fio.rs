//! Flint's reader beside fio's io_uring engine: the same file, size and depth, in paired slices of a second.

use anyhow::{Context, bail};
use flint_flash_io::{Options, ProbeOptions, fresh_seed, probe_random};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What to compare.
#[derive(Debug, clap::Args)]
pub struct FioArgs {
    /// A large file to read, such as the neurons of a bundle
    file: PathBuf,
    /// Bytes of each read
    #[arg(long, default_value_t = 16 << 10)]
    bytes: usize,
    /// Reads in flight
    #[arg(long, default_value_t = 64)]
    depth: usize,
    /// Pairs of slices
    #[arg(long, default_value_t = 30)]
    pairs: usize,
    /// Seconds of each slice
    #[arg(long, default_value_t = 1)]
    seconds: u64,
}

/// What one slice did.
#[derive(Debug, Clone, Copy)]
struct Slice {
    reads_per_second: f64,
    cpu_micros_per_read: f64,
}

/// Runs the pairs and returns a line for each figure.
///
/// # Errors
/// When fio is not there or a slice fails.
pub fn fio(args: &FioArgs) -> anyhow::Result<String> {
    let (mut speed, mut cpu) = (Vec::new(), Vec::new());
    let (mut own, mut other) = (Vec::new(), Vec::new());
    let seed = fresh_seed();
    for pair in 0..args.pairs.max(1) {
        // Who goes first alternates: the disk's favour does not last.
        let (ours, theirs) = if pair % 2 == 0 {
            let ours = flint(args, seed.wrapping_add(pair as u64))?;
            (ours, peer(args)?)
        } else {
            let theirs = peer(args)?;
            (flint(args, seed.wrapping_add(pair as u64))?, theirs)
        };
        speed.push(ours.reads_per_second / theirs.reads_per_second);
        cpu.push(ours.cpu_micros_per_read / theirs.cpu_micros_per_read);
        own.push(ours);
        other.push(theirs);
    }
    let line = |name: &str, slices: &[Slice]| {
        let speed = slices.iter().map(|slice| slice.reads_per_second).collect();
        let cpu = slices.iter().map(|slice| slice.cpu_micros_per_read).collect();
        format!("{name:<8} reads per second {}, CPU us per read {}\n", spread(speed), spread(cpu))
    };
    Ok(format!(
        "{} pairs of {} s, {} bytes at depth {}\n{}{}flint over fio: reads {}, CPU per read {}",
        args.pairs,
        args.seconds,
        args.bytes,
        args.depth,
        line("flint", &own),
        line("fio", &other),
        spread(speed),
        spread(cpu)
    ))
}

fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (min, median, max) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{median:.2} ({min:.2} to {max:.2})")
}

fn flint(args: &FioArgs, seed: u64) -> anyhow::Result<Slice> {
    let options = ProbeOptions {
        each: Duration::from_secs(args.seconds),
        read: Options::default(),
        ..ProbeOptions::default()
    };
    let point = probe_random(&args.file, args.bytes, args.depth, &options, seed)?;
    Ok(Slice {
        reads_per_second: 1e6 / point.micros_per_read,
        cpu_micros_per_read: point.cpu_micros_per_read,
    })
}

fn peer(args: &FioArgs) -> anyhow::Result<Slice> {
    let output = Command::new("fio")
        .args(["--name=pair", "--readonly", "--rw=randread", "--ioengine=io_uring", "--direct=1"])
        .args(["--time_based", "--norandommap", "--output-format=json"])
        // Else every slice reads the same places (a seed alone changes nothing in fio 3.33), which some cache below
        // the file system has after the first: fio read 37 thousand a second where Flint, at new places, read 11 thousand.
        .arg("--randrepeat=0")
        .arg(format!("--filename={}", args.file.display()))
        .arg(format!("--bs={}", args.bytes))
        .arg(format!("--iodepth={}", args.depth))
        .arg(format!("--runtime={}", args.seconds))
        .output()
        .context("cannot run fio: install it to compare (Debian: apt-get install fio)")?;
    if !output.status.success() {
        bail!("fio: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    slice_of(&String::from_utf8_lossy(&output.stdout)).with_context(|| {
        format!("what fio printed about {} is not as expected", Path::new(&args.file).display())
    })
}

/// Reads what fio prints; there may be notes ahead of the object.
fn slice_of(text: &str) -> anyhow::Result<Slice> {
    let start = text.find('{').context("no JSON object")?;
    let report: Value = serde_json::from_str(&text[start..])?;
    let job = &report["jobs"][0];
    let number = |value: &Value| value.as_f64().context("a number is missing");
    let seconds = number(&job["job_runtime"])? / 1e3;
    let busy = (number(&job["usr_cpu"])? + number(&job["sys_cpu"])?) / 100.0 * seconds;
    Ok(Slice {
        reads_per_second: number(&job["read"]["iops"])?,
        cpu_micros_per_read: busy * 1e6 / number(&job["read"]["total_ios"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fio_prints_is_read() {
        let text = r#"note: both iodepth >= 1 and synchronous I/O engine
            {"jobs": [{"job_runtime": 2000, "usr_cpu": 5.0, "sys_cpu": 15.0,
             "read": {"iops": 50000.0, "total_ios": 100000}}]}"#;
        let slice = slice_of(text).unwrap();
        assert_eq!(slice.reads_per_second, 50_000.0);
        assert!((slice.cpu_micros_per_read - 4.0).abs() < 1e-9);
        assert!(slice_of("{}").is_err());
    }
}
