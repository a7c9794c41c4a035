//! The page of a shape: Markdown and JSON of everything that was measured, with the spread of the rounds.

use super::ceilings::Ceilings;
use super::run::RunResult;
use super::variants::VARIANTS;
use super::{PaperArgs, chart};
use crate::compare::Spread;
use crate::machine;
use crate::synth::{Shape, SynthReport};
use anyhow::Context;
use runtime::{Mode, Stats};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Everything measured of one shape.
#[derive(Debug)]
pub(super) struct ShapeReport {
    pub(super) shape: String,
    scale: String,
    memory: String,
    /// The command that gives this page.
    command: String,
    /// The file system and device of the bundle.
    device: String,
    statistics: SynthReport,
    pub(super) ceilings: Vec<Ceilings>,
    /// By variant, one result per round.
    runs: Vec<Vec<RunResult>>,
}

/// Not a number where there are no values.
pub(super) fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
    let nothing = Spread { median: f64::NAN, min: f64::NAN, max: f64::NAN, count: 0 };
    Spread::of(values).unwrap_or(nothing)
}

impl ShapeReport {
    pub(super) fn new(
        args: &PaperArgs,
        shape: Shape,
        bundle: &Path,
        statistics: SynthReport,
    ) -> ShapeReport {
        let (shape, scale, memory) =
            (shape.name().to_owned(), args.scale.to_string(), args.memory.to_string());
        let command = format!(
            "cargo xtask paper --shapes {shape} --scale {scale} --memory {memory} --number {} --rounds {} --seed {}",
            args.number,
            args.rounds.max(1),
            args.seed
        );
        let (device, runs) = (machine::device(bundle), vec![Vec::new(); VARIANTS.len()]);
        let ceilings = Vec::new();
        ShapeReport { shape, scale, memory, command, device, statistics, ceilings, runs }
    }

    /// What its files are called: a scaled model is another one.
    fn name(&self) -> String {
        match self.scale.as_str() {
            "1" | "1/1" => format!("paper-{}", self.shape),
            scale => format!("paper-{}-{}", self.shape, scale.replace('/', "-")),
        }
    }

    /// Whether the model is not what it was made for, so that its results say nothing.
    pub(super) fn is_void(&self) -> bool {
        !self.statistics.passes()
    }

    pub(super) fn add(&mut self, variant: usize, result: RunResult) {
        self.runs[variant].push(result);
    }

    pub(super) fn spread(&self, variant: usize, pick: impl Fn(&Stats) -> f64) -> Spread {
        spread(self.runs[variant].iter().map(|run| pick(&run.stats)))
    }

    /// Token time of `other` over that of `variant`, round by round: how many times as fast it is.
    fn times_as_fast(&self, variant: usize, other: usize) -> Spread {
        let pairs = self.runs[variant].iter().zip(&self.runs[other]);
        spread(pairs.map(|(a, b)| b.stats.per_token.total_ms / a.stats.per_token.total_ms))
    }

    /// Token time over what bytes, counts and the rates of the run make of it: without guesses, layer by layer, and
    /// with everything overlapped.
    fn over_bounds(&self, variant: usize) -> (Spread, Spread) {
        let bound = |run: &RunResult| {
            let rates = run.rates?.met_by(&run.work, &run.stats);
            Some(run.work.as_done(&run.stats).bounds(&rates))
        };
        let ratio = |pick: fn((f64, f64)) -> f64| {
            spread(
                self.runs[variant]
                    .iter()
                    .filter_map(|run| Some(run.stats.per_token.total_ms / 1e3 / pick(bound(run)?))),
            )
        };
        (ratio(|(layers, _)| layers), ratio(|(_, all)| all))
    }

    fn markdown(&self) -> String {
        let mut text = self.head();
        text += &self.ceilings_line();
        text += "| variant | tokens a round | I/O wait, ms | cache, ms | predictor, ms | compute, ms | token, ms (min to max) | tok/s | read, MB | reads | x naive | x hybrid |\n";
        text += "|---|---|---|---|---|---|---|---|---|---|---|---|\n";
        for (index, variant) in VARIANTS.iter().enumerate() {
            let per = |pick: fn(&Stats) -> f64| self.spread(index, pick).median;
            let total = self.spread(index, |s| s.per_token.total_ms);
            let (naive, hybrid) = (self.times_as_fast(index, 0), self.times_as_fast(index, 1));
            text += &format!(
                "| {} | {} | {:.1} | {:.2} | {:.1} | {:.1} | {:.1} ({:.1} to {:.1}) | {:.2} | {:.1} | {:.0} | {:.2} ({:.2} to {:.2}) | {:.2} ({:.2} to {:.2}) |\n",
                variant.name,
                per(|s| s.decode_tokens as f64),
                per(|s| s.per_token.io_wait_ms),
                per(|s| s.per_token.cache_ms),
                per(|s| s.per_token.predictor_ms),
                per(|s| s.per_token.compute_ms),
                total.median,
                total.min,
                total.max,
                per(|s| s.tokens_per_second),
                per(|s| s.per_token.bytes_read / 1e6),
                per(|s| s.per_token.reads),
                naive.median,
                naive.min,
                naive.max,
                hybrid.median,
                hybrid.min,
                hybrid.max,
            );
        }
        text + "\n" + &self.bounds_text() + &self.forecast_text() + &self.statistics_text()
    }

    /// What was measured, on what, and how.
    fn head(&self) -> String {
        let ShapeReport { shape, scale, memory, command, device, .. } = self;
        let direct = self.runs.iter().flatten().all(|run| run.stats.direct_io);
        let cache = if direct { "past the page cache" } else { "partly through the page cache" };
        let void = match self.is_void() {
            false => "",
            true => "**Void: the statistics of the model are off, see the end.**\n\n",
        };
        let mut text = format!(
            "# What each part of the method is worth: {shape}\n\n{void}At {scale} of its size, memory {memory}. Made \
             by `{command}` on {}, commit {}: {}, {device}. A synthetic model (docs/synthetic-models.md), teacher-forced \
             tokens, variants in turn round after round, reads {cache}; medians, spread in brackets.\n\n",
            machine::today(),
            machine::commit(),
            machine::machine(),
        );
        for variant in &VARIANTS {
            text += &format!("- **{}**: {}\n", variant.name, variant.meaning);
        }
        text + "\n"
    }

    /// What the model is beside what it was made for; layers only where they are off.
    fn statistics_text(&self) -> String {
        let mut text = "What the model does beside what it was made for:\n\n| statistic | target | measured | off |\n|---|---|---|---|\n".to_owned();
        let (layers, whole): (Vec<_>, Vec<_>) =
            self.statistics.checks.iter().partition(|check| check.name.contains("layer "));
        let off = layers.iter().filter(|check| !check.passes());
        for check in whole.iter().chain(off) {
            text += &format!("{check}\n");
        }
        let most = layers.iter().map(|check| check.off().abs()).fold(0.0, f64::max);
        text + &format!("\nActivity of single layers is off by {:.1} % at most.\n\n", 100.0 * most)
    }

    fn ceilings_line(&self) -> String {
        let of = |pick: fn(&Ceilings) -> f64| spread(self.ceilings.iter().map(pick));
        let (record, sequential) =
            (of(|c| c.record_mb_per_second), of(|c| c.sequential_mb_per_second));
        format!(
            "Ceilings between the rounds: records at depth 64 {:.0} MB/s ({:.0} to {:.0}), sequential {:.0} MB/s \
             ({:.0} to {:.0}), multiply-adds {:.0} GFLOP/s.\n\n",
            record.median,
            record.min,
            record.max,
            sequential.median,
            sequential.min,
            sequential.max,
            of(|c| c.gflops).median
        )
    }

    fn bounds_text(&self) -> String {
        let last = VARIANTS.len() - 1;
        let mut text = "Token time over its bounds, from bytes and the rates that each run met, memory included (sum \
                        over layers without guesses; everything overlapped):"
            .to_owned();
        let overlap = VARIANTS.iter().enumerate();
        let overlap = overlap.filter(|(_, v)| v.mode == Mode::Sparse && !v.ablation.no_overlap);
        for (index, variant) in overlap {
            let (layers, all) = self.over_bounds(index);
            let name = variant.name;
            text += &format!(" {name} {:.2} and {:.2};", layers.median, all.median);
        }
        let cache = self.spread(last, |s| s.per_token.cache_ms / s.per_token.total_ms * 100.0);
        text + &format!(" cache management {:.2} % of the token.\n\n", cache.median)
    }

    fn forecast_text(&self) -> String {
        let last = VARIANTS.len() - 1;
        let ratio = |pick: fn(&runtime::ForecastReport) -> f64| {
            spread(self.runs[last].iter().filter_map(|r| r.stats.forecast.as_ref().map(pick)))
        };
        let (raw, again) = (ratio(|f| f.actual_over_forecast), ratio(|f| f.actual_over_recomputed));
        let (disk, memory) = (ratio(|f| f.disk_drift), ratio(|f| f.memory_drift));
        let peak = self.spread(last, |s| s.peak_rss_bytes as f64 / 1e6);
        format!(
            "Actual over forecast {:.2} ({:.2} to {:.2}), with the rates of the run {:.2} ({:.2} to {:.2}); disk \
             drifted to {:.2} x, memory to {:.2} x. Peak of the process, of all variants so far, {:.0} MB.\n\n",
            raw.median,
            raw.min,
            raw.max,
            again.median,
            again.min,
            again.max,
            disk.median,
            memory.median,
            peak.max
        )
    }

    fn json(&self) -> Value {
        let variants = VARIANTS.iter().zip(&self.runs).map(|(variant, runs)| {
            json!({
                "name": variant.name,
                "meaning": variant.meaning,
                "runs": runs.iter().map(|run| &run.stats).collect::<Vec<_>>(),
            })
        });
        json!({
            "command": self.command,
            "date": machine::today(),
            "commit": machine::commit(),
            "machine": machine::machine(),
            "device": self.device,
            "statistics": self.statistics.checks,
            "shape": self.shape,
            "scale": self.scale,
            "memory": self.memory,
            "ceilings": self.ceilings,
            "variants": variants.collect::<Vec<_>>(),
        })
    }
}

/// Writes page, numbers and chart of a shape; returns the files.
pub(super) fn write(out: &Path, shape: &ShapeReport) -> anyhow::Result<[PathBuf; 3]> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let put = |end: &str, text: &str| {
        let path = out.join(format!("{}.{end}", shape.name()));
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok::<_, anyhow::Error>(path)
    };
    let chart = put("svg", &chart::svg(shape)?)?;
    let page = format!("{}![Time of a token]({}.svg)\n", shape.markdown(), shape.name());
    let json = serde_json::to_string_pretty(&shape.json())? + "\n";
    Ok([put("md", &page)?, put("json", &json)?, chart])
}
