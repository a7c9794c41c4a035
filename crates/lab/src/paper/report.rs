//! All that was measured of a shape: page, numbers and chart, with the spread of the rounds.

mod page;

use super::PaperArgs;
use super::ceilings::Ceilings;
use super::chart::{Row, svg};
use super::run::RunResult;
use super::variants::VARIANTS;
use crate::compare::Spread;
use crate::machine::Circumstances;
use crate::synth::{Check, Shape, SynthReport};
use anyhow::Context;
use flint_engine::{MemoryBudget, Stats};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Memory that is not in the name of a page.
const USUAL_MEMORY: &str = "50%";

/// Everything measured of one shape.
#[derive(Debug)]
pub(super) struct ShapeReport {
    shape: String,
    scale: String,
    memory: String,
    /// The command that gives this page.
    command: String,
    circumstances: Circumstances,
    /// How the statistics of the model were measured, and what they are.
    header: String,
    statistics: Vec<Check>,
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
        circumstances: Circumstances,
        statistics: SynthReport,
    ) -> ShapeReport {
        let SynthReport { header, checks, .. } = statistics;
        ShapeReport { header, statistics: checks, ..ShapeReport::empty(args, shape, circumstances) }
    }

    /// A page without statistics and runs.
    fn empty(args: &PaperArgs, shape: Shape, circumstances: Circumstances) -> ShapeReport {
        let (shape, scale) = (shape.name().to_owned(), args.scale.to_string());
        let memory = match args.memory {
            MemoryBudget::Absolute(bytes) => bytes.to_string(),
            share => share.to_string(),
        };
        let command = format!(
            "target/release/xtask paper --shapes {shape} --scale {scale} --memory {memory} --number {} --rounds {} --seed {}",
            args.number,
            args.rounds.max(1),
            args.seed
        );
        ShapeReport {
            shape,
            scale,
            memory,
            command,
            circumstances,
            header: String::new(),
            statistics: Vec::new(),
            ceilings: Vec::new(),
            runs: vec![Vec::new(); VARIANTS.len()],
        }
    }

    /// What its files are called: another scale or memory is another page.
    fn name(&self) -> String {
        let scale = if self.is_whole() { String::new() } else { format!("-{}", self.scale) };
        let memory = match self.memory.as_str() {
            USUAL_MEMORY => String::new(),
            memory => format!("-in-{}", memory.replace('%', "-percent")),
        };
        format!("paper-{}{scale}{memory}", self.shape)
    }

    fn is_whole(&self) -> bool {
        self.scale == "1"
    }

    /// Whether the model is not what it was made for, so that its results say nothing.
    pub(super) fn is_void(&self) -> bool {
        !self.statistics.iter().all(Check::passes)
    }

    pub(super) fn add(&mut self, variant: usize, result: RunResult) {
        self.runs[variant].push(result);
    }

    pub(super) fn spread(&self, variant: usize, pick: impl Fn(&Stats) -> f64) -> Spread {
        spread(self.runs[variant].iter().map(|run| pick(&run.stats)))
    }

    /// Medians of the variants, for the chart.
    fn rows(&self) -> Vec<Row> {
        let row = |(index, name)| {
            let per = |pick: fn(&Stats) -> f64| self.spread(index, pick).median;
            let parts = [
                per(|s| s.per_token.io_wait_ms),
                per(|s| s.per_token.cache_ms),
                per(|s| s.per_token.predictor_ms),
                per(|s| s.per_token.compute_ms),
            ];
            Row { name, total: per(|s| s.per_token.total_ms), parts }
        };
        VARIANTS.iter().map(|variant| variant.name).enumerate().map(row).collect()
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
            "circumstances": self.circumstances,
            "void": self.is_void(),
            "statistics": self.statistics,
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
    let chart = put("svg", &svg(&shape.shape, &shape.rows())?)?;
    let page = format!("{}![Time of a token]({}.svg)\n", shape.markdown(), shape.name());
    let json = serde_json::to_string_pretty(&shape.json())? + "\n";
    Ok([put("md", &page)?, put("json", &json)?, chart])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use flint_engine::MemoryBudget;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: PaperArgs,
    }

    /// A report of a model of which one layer is off.
    fn report(line: &[&str]) -> ShapeReport {
        let args = Line::parse_from(["paper"].iter().chain(line)).args;
        let activity = Check::share("activity, mean", 0.03, 0.03);
        let mut layer = Check::share("activity, layer 1", 0.02, 0.024);
        layer.layer = Some(1);
        ShapeReport {
            header: "of some tokens".to_owned(),
            statistics: vec![activity, layer],
            ..ShapeReport::empty(&args, Shape::Phi, Circumstances::now(Path::new("/")))
        }
    }

    #[test]
    fn a_model_that_is_not_as_it_should_be_makes_its_page_void() {
        let right = ShapeReport { statistics: Vec::new(), ..report(&[]) };
        assert!(!right.is_void() && !right.markdown().contains("Void"));
        let wrong = report(&[]);
        assert!(wrong.is_void() && wrong.markdown().contains("**Void"), "a layer is off");
        assert!(wrong.markdown().contains("| activity, layer 1 | 2.00 % | 2.40 % | +20.0 % |"));
        assert!(wrong.markdown().contains("single layers is off by 20.0 % at most"));
        assert_eq!(wrong.json()["void"], true);
    }

    #[test]
    fn the_command_of_a_page_gives_it_again() {
        let line =
            ["--scale", "1/8", "--memory", "4GiB", "-n", "7", "--rounds", "2", "--seed", "5"];
        let made = report(&line);
        let words = made.command.split(' ').skip(1);
        let again = Line::try_parse_from(words).unwrap().args;
        assert_eq!(again.memory, MemoryBudget::Absolute(4 << 30));
        assert_eq!((again.number, again.rounds, again.seed), (7, 2, 5));
        let again = ShapeReport::empty(&again, Shape::Phi, made.circumstances.clone());
        assert_eq!(again.command, made.command);
        assert_eq!(made.name(), "paper-phi-2-0.125-in-4294967296");
        assert_eq!(report(&["--memory", "25%"]).name(), "paper-phi-2-in-25-percent");
        assert_eq!(report(&[]).name(), "paper-phi-2");
    }
}
