//! The table: medians over texts and rounds, each ratio of one text in one round.

use super::{DraftRun, DraftsArgs, TextRun};
use crate::compare::Spread;
use crate::machine;
use std::fmt::Write as _;

/// The same texts without and with drafts, one run after the other.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) without: DraftRun,
    pub(super) with: DraftRun,
}

/// A row for each budget and one for each text.
pub(super) fn table(args: &DraftsArgs, budgets: &[Vec<Pair>]) -> String {
    let mut text = format!(
        "- {}, commit {}\n- `{}`\n\n",
        machine::machine(),
        machine::commit(),
        args.command()
    );
    text += "| --memory | text | tok/s without | with | with / without, median (min to max) | CPU with / without | tokens per pass | accepted | time in drafts | peak, MB |\n";
    text += "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for (budget, pairs) in args.budgets.iter().zip(budgets) {
        let texts = pairs.first().map_or(0, |pair| pair.with.texts.len());
        text += &row(budget, "all", pairs, 0..texts);
        for index in (0..texts).filter(|_| texts > 1) {
            text += &row(budget, &(index + 1).to_string(), pairs, index..index + 1);
        }
    }
    text
}

fn row(budget: &str, name: &str, pairs: &[Pair], texts: std::ops::Range<usize>) -> String {
    let both = || {
        let texts = &texts;
        pairs.iter().flat_map(move |pair| {
            texts.clone().map(move |index| (&pair.without.texts[index], &pair.with.texts[index]))
        })
    };
    let median = |figure: &dyn Fn(&TextRun, &TextRun) -> f64| {
        Spread::of(both().map(|(without, with)| figure(without, with)))
            .map_or(f64::NAN, |spread| spread.median)
    };
    let ratio = Spread::of(both().map(|(without, with)| with.speed() / without.speed()));
    let ratio = ratio.map_or_else(String::new, |it| {
        format!("{:.2} ({:.2} to {:.2})", it.median, it.min, it.max)
    });
    let peak = pairs.iter().map(|pair| pair.with.peak_rss_bytes).max().unwrap_or(0);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "| {budget} | {name} | {:.2} | {:.2} | {ratio} | {:.2} | {:.2} | {:.0} % | {:.0} % | {:.0} |",
        median(&|without, _| without.speed()),
        median(&|_, with| with.speed()),
        median(&|without, with| with.cpu_s / without.cpu_s),
        median(&|_, with| with.tokens.len() as f64 / with.passes.max(1) as f64),
        100.0 * median(&|_, with| with.acceptance),
        100.0 * median(&|_, with| with.drafting_share),
        peak as f64 / 1e6,
    );
    text
}
