//! The results as Markdown and as JSON.

use super::chart::{Bar, svg};
use super::contestant::Contestant;
use super::figures::{FIGURES, Ratios, Spread};
use super::round::{Caches, Run};
use crate::machine::Circumstances;
use anyhow::Context;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// All that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    name: String,
    #[serde(flatten)]
    circumstances: Circumstances,
    tokens: u32,
    /// Why the page cache was not dropped before each run; absent where it was.
    warm_because: Option<String>,
    contestants: Vec<Summary>,
    /// Flint over each peer, paired by round.
    ratios: Vec<Ratios>,
    runs: Vec<Run>,
}

/// One contestant over all rounds.
#[derive(Debug, Serialize)]
struct Summary {
    name: String,
    command: String,
    limit_bytes: Option<u64>,
    failures: Vec<String>,
    figures: Vec<(&'static str, Option<Spread>)>,
}

impl Report {
    pub(super) fn new(
        name: String,
        circumstances: Circumstances,
        tokens: u32,
        caches: Caches,
        contestants: &[Contestant],
        runs: Vec<Run>,
    ) -> Report {
        let ratios = (1..contestants.len())
            .map(|peer| Ratios::of(&runs, peer, &contestants[peer].name))
            .collect();
        let contestants = contestants.iter().enumerate();
        let contestants = contestants.map(|(index, who)| Summary::of(index, who, &runs)).collect();
        let warm_because = caches.err();
        Report { name, circumstances, tokens, warm_because, contestants, ratios, runs }
    }

    /// Writes the three files and returns their paths.
    pub(super) fn write(&self, directory: &Path) -> anyhow::Result<[PathBuf; 3]> {
        let texts = [
            ("md", self.markdown() + &format!("\n![Tokens per second]({})\n", self.file("svg"))),
            ("json", serde_json::to_string_pretty(self)? + "\n"),
            ("svg", svg(&self.name, &self.bars())?),
        ];
        let cannot = |path: &Path| format!("cannot write {}", path.display());
        fs::create_dir_all(directory).with_context(|| cannot(directory))?;
        for (end, text) in &texts {
            let path = directory.join(self.file(end));
            fs::write(&path, text).with_context(|| cannot(&path))?;
        }
        Ok(texts.map(|(end, _)| directory.join(self.file(end))))
    }

    /// Tokens per second are the first figure.
    fn bars(&self) -> Vec<Bar<'_>> {
        let bars = self.contestants.iter();
        bars.map(|who| Bar { name: &who.name, speed: who.figures[0].1 }).collect()
    }

    fn file(&self, end: &str) -> String {
        format!("compare-{}.{end}", self.name)
    }

    /// The whole page, but for the chart.
    pub(super) fn markdown(&self) -> String {
        let rounds = self.runs.iter().map(|run| run.round + 1).max().unwrap_or(0);
        let mut page = format!("# Flint beside a peer: {}\n\n", self.name);
        page += &format!("- {}\n", self.circumstances);
        page += &format!(
            "- {rounds} interleaved rounds of {} tokens, every second one backwards; each run in a memory \
             control group of its own, page cache counted in it\n",
            self.tokens
        );
        page += &match &self.warm_because {
            None => "- page cache dropped before every run\n".to_owned(),
            Some(why) => {
                format!("- the page cache was NOT dropped, runs may have begun warm: {why}\n")
            }
        };
        for who in &self.contestants {
            let limit =
                who.limit_bytes.map_or_else(|| "no limit".to_owned(), |b| format!("{b} bytes"));
            page += &format!("- {} ({limit}): `{}`\n", who.name, who.command);
        }
        page += "\nMedian (min to max). Read per token is the kernel's count while decoding, where a program \
                 reports it; read in all has loading in it. GB = 1e9 bytes.\n\n";
        page += &self.table();
        page += "\nFlint over the peer, pairs of the same round: above 1 Flint has more of it.\n\n";
        page + &self.ratio_table()
    }

    fn table(&self) -> String {
        let names = FIGURES.map(|(name, _)| name).join(" | ");
        let mut table = format!("| | {names} |\n|---|{}\n", "---|".repeat(FIGURES.len()));
        for who in &self.contestants {
            let cells: Vec<String> = who.figures.iter().map(|(_, spread)| cell(*spread)).collect();
            table += &format!("| {} | {} |\n", who.name, cells.join(" | "));
        }
        for who in &self.contestants {
            for failure in &who.failures {
                table += &format!("\n{}: {failure}\n", who.name);
            }
        }
        table
    }

    fn ratio_table(&self) -> String {
        let against: Vec<&str> = self.ratios.iter().map(|ratios| ratios.against.as_str()).collect();
        let mut table =
            format!("| | {} |\n|---|{}\n", against.join(" | "), "---|".repeat(against.len()));
        for (row, (name, _)) in FIGURES.iter().enumerate() {
            let cells: Vec<String> = self.ratios.iter().map(|r| cell(r.figures[row].1)).collect();
            let name = name.split(',').next().unwrap_or(name);
            table += &format!("| {name} | {} |\n", cells.join(" | "));
        }
        table
    }
}

impl Summary {
    fn of(index: usize, contestant: &Contestant, runs: &[Run]) -> Summary {
        let own = || runs.iter().filter(|run| run.contestant == index);
        let failure =
            |run: &Run| Some(format!("round {}: {}", run.round + 1, run.failure.as_ref()?));
        Summary {
            name: contestant.name.clone(),
            command: contestant.shown.clone(),
            limit_bytes: contestant.limit,
            failures: own().filter_map(failure).collect(),
            figures: FIGURES
                .map(|(name, figure)| (name, Spread::of(own().filter_map(figure))))
                .into(),
        }
    }
}

fn cell(spread: Option<Spread>) -> String {
    let Some(Spread { median, min, max, .. }) = spread else { return "-".to_owned() };
    format!("{} ({} to {})", number(median), number(min), number(max))
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    let digits = if value == 0.0 { 0 } else { 2 - value.abs().log10().floor() as i32 };
    format!("{value:.*}", digits.clamp(0, 6) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let numbers = [0.0, 0.09134, 1.0, 12.345, 123.4, 12345.6, 1e-9].map(number);
        assert_eq!(numbers, ["0", "0.0913", "1.00", "12.3", "123", "12346", "0.000000"]);
        assert_eq!(cell(Spread::of([3.0, 1.0, 2.0])), "2.00 (1.00 to 3.00)");
        assert_eq!(cell(None), "-");
    }
}
