//! The page of a shape, in Markdown: what was measured, on what, and what the model is.

use super::{Ceilings, RunResult, ShapeReport, Stats, VARIANTS, spread};
use flint_engine::Mode;

impl ShapeReport {
    /// The whole page, but for the chart.
    pub(super) fn markdown(&self) -> String {
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
        text + "\n"
            + &self.speculation_text()
            + &self.bounds_text()
            + &self.forecast_text()
            + &self.statistics_text()
    }

    /// What was measured, on what, and how.
    fn head(&self) -> String {
        let ShapeReport { shape, memory, command, circumstances, .. } = self;
        let direct = self.runs.iter().flatten().all(|run| run.stats.direct_io);
        let cache = if direct { "past the page cache" } else { "partly through the page cache" };
        let size = match self.is_whole() {
            true => "At full size".to_owned(),
            false => format!("Scaled to {}", self.scale),
        };
        let void = match self.is_void() {
            false => "",
            true => "**Void: the statistics of the model are off, see the end.**\n\n",
        };
        let mut text = format!(
            "# What each part of the method is worth: {shape}\n\n{void}{size}, memory {memory}. Made by `{command}` on \
             {circumstances}. A synthetic model (docs/synthetic-models.md), teacher-forced tokens, variants in turn round \
             after round, reads {cache}; medians, spread in brackets.\n\n"
        );
        for variant in &VARIANTS {
            text += &format!("- **{}**: {}\n", variant.name, variant.meaning);
        }
        text + "\n"
    }

    /// What the model is beside what it was made for; layers only where they are off.
    fn statistics_text(&self) -> String {
        let mut text = format!(
            "What the model does beside what it was made for: {}.\n\n| statistic | target | measured | off |\n|---|---|---|---|\n",
            self.header
        );
        for check in self.statistics.iter().filter(|c| c.layer.is_none() || !c.passes()) {
            text += &format!("{check}\n");
        }
        let layers = self.statistics.iter().filter(|check| check.layer.is_some());
        let most = layers.map(|check| check.off().abs()).fold(0.0, f64::max);
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

    /// What a pass with drafts reads more than one without, and a token less.
    fn speculation_text(&self) -> String {
        let drafted = VARIANTS.iter().position(|variant| variant.drafts.is_some());
        let Some(index) = drafted else { return String::new() };
        let of =
            |run: &RunResult| (run.stats.per_token.tokens_per_pass, run.stats.per_token.bytes_read);
        let pairs = self.runs[index].iter().zip(&self.runs[index - 1]);
        let ratios = pairs.map(|(with, without)| (of(with), of(without).1));
        let (mut tokens, mut bytes) = (Vec::new(), Vec::new());
        for ((per_pass, with), without) in ratios {
            tokens.push(per_pass);
            bytes.push(with / without);
        }
        let passes = tokens.iter().zip(&bytes).map(|(tokens, bytes)| tokens * bytes);
        format!(
            "With drafts, beside the row above: {:.2} tokens per pass; a pass reads {:.2} times as much, a token {:.2} times.\n\n",
            spread(tokens.iter().copied()).median,
            spread(passes).median,
            spread(bytes.iter().copied()).median
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
        let ratio = |pick: fn(&flint_engine::ForecastReport) -> f64| {
            spread(self.runs[last].iter().filter_map(|r| r.stats.forecast.as_ref().map(pick)))
        };
        let (raw, again) = (ratio(|f| f.actual_over_forecast), ratio(|f| f.actual_over_recomputed));
        let (disk, memory) = (ratio(|f| f.disk_drift), ratio(|f| f.memory_drift));
        let peak = self.spread(last, |s| s.peak_rss_bytes as f64 / 1e6);
        let own = self.runs[last].iter().all(|run| run.own_peak);
        let whose = if own { "in such a run" } else { "in all runs so far" };
        format!(
            "Actual over forecast {:.2} ({:.2} to {:.2}), with the rates of the run {:.2} ({:.2} to {:.2}); disk \
             drifted to {:.2} x, memory to {:.2} x. Peak of the process {whose} {:.0} MB.\n\n",
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
}
