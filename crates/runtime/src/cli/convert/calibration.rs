//! A calibration as sentences: how long each stage will take, how far it is, how long it took, what it found.

use crate::cli::output::{bytes, cost, margin, note};
use crate::cli::progress::{advance, count_bar};
use flint_convert::{CalibrateEvent, LayerReport, Stage};
use indicatif::ProgressBar;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What is shown while predictors are made.
pub(super) struct Shown {
    /// Steps that are done, for whoever stops the run.
    steps: Arc<AtomicU64>,
    /// Seconds that were said of each stage.
    said: Vec<(Stage, f64)>,
    current: Option<Current>,
}

/// The stage under way.
struct Current {
    stage: Stage,
    began: Instant,
    bar: ProgressBar,
}

impl Shown {
    pub(super) fn new(steps: Arc<AtomicU64>) -> Shown {
        Shown { steps, said: Vec::new(), current: None }
    }

    pub(super) fn hear(&mut self, event: CalibrateEvent) {
        match event {
            CalibrateEvent::Planned {
                tokens,
                quality_tokens,
                disk_bytes,
                memory_bytes,
                stages,
            } => {
                let all: f64 = stages.iter().map(|(_, seconds)| seconds).sum();
                let each = stages.iter().map(|&(stage, s)| format!("{} {}", name(stage), time(s)));
                note(&format!(
                    "predictors from {tokens} tokens, quality on {quality_tokens} others: about {} ({}), {} of \
                     memory, {} of disk meanwhile",
                    time(all),
                    each.collect::<Vec<_>>().join(", "),
                    bytes(memory_bytes),
                    bytes(disk_bytes)
                ));
                self.said = stages;
            }
            CalibrateEvent::Progress { stage, done, total } => {
                advance(&self.stage(stage).bar, done, total);
            }
            CalibrateEvent::Collected { done, layers } => {
                self.steps.fetch_add(1, Ordering::Relaxed);
                if done == layers {
                    self.end_of(Stage::Collect);
                }
            }
            CalibrateEvent::Trained { done, layers, report } => {
                self.steps.fetch_add(1, Ordering::Relaxed);
                let bar = &self.stage(Stage::Train).bar;
                advance(bar, done as u64, layers as u64);
                bar.suspend(|| note(&layer_line(&report)));
                if done == layers {
                    self.end_of(Stage::Train);
                }
            }
            CalibrateEvent::Measured { mode, perplexity, margin: off, tokens } => {
                let line = format!("perplexity in {mode} mode {}", margin(perplexity, off));
                self.say(&format!("{line} over {tokens} tokens"));
            }
            CalibrateEvent::Cost(found) => self.say(&cost(&found)),
            // Nothing else is told of yet.
            _ => {}
        }
    }

    /// A line above the bar.
    fn say(&mut self, line: &str) {
        self.stage(Stage::Measure).bar.suspend(|| note(line));
    }

    /// The stage, which begins where another one was under way.
    fn stage(&mut self, stage: Stage) -> &Current {
        if self.current.as_ref().is_none_or(|current| current.stage != stage) {
            self.end();
            let bar = count_bar(name(stage), false);
            self.current = Some(Current { stage, began: Instant::now(), bar });
        }
        let Some(current) = &self.current else { unreachable!("it was just begun") };
        current
    }

    /// Ends a stage that is done, if it is the one under way.
    fn end_of(&mut self, stage: Stage) {
        if self.current.as_ref().is_some_and(|current| current.stage == stage) {
            self.end();
        }
    }

    /// Ends the stage under way.
    pub(super) fn end(&mut self) {
        let Some(Current { stage, began, bar }) = self.current.take() else { return };
        bar.finish_and_clear();
        let took = time(began.elapsed().as_secs_f64());
        let said = self.said.iter().find(|(known, _)| *known == stage);
        let said = said.map_or(String::new(), |&(_, said)| format!(" (said: {})", time(said)));
        note(&format!("{} took {took}{said}", name(stage)));
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Collect => "collecting",
        Stage::Weigh => "weighing layers",
        Stage::Train => "training",
        Stage::Measure => "measuring",
    }
}

fn layer_line(report: &LayerReport) -> String {
    if report.size == 0 {
        return format!("layer {}: too dense to predict, read whole", report.layer);
    }
    format!(
        "layer {}: size {}, {}, recall {:.3}, {:.2} predicted per active",
        report.layer,
        report.size,
        bytes(report.bytes),
        report.recall,
        report.predicted_per_active
    )
}

fn time(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}
