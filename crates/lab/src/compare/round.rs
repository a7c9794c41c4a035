//! The rounds: every contestant once in each, backwards in every second one, from a cold page cache.

use super::contestant::Contestant;
use anyhow::bail;
use flint_fixtures::{ControlGroup, Outcome, Sample, drop_page_cache};
use serde::Serialize;
use std::time::Duration;

/// One run of one contestant.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Run {
    /// From 0 on: Flint is 0.
    pub contestant: usize,
    /// From 0 on.
    pub round: u32,
    /// Why it has no result.
    pub failure: Option<String>,
    /// By its own count.
    pub tokens_per_second: Option<f64>,
    /// Bytes read from storage per token, by its own count.
    pub read_per_token: Option<f64>,
    /// Bytes read from storage in the whole run, by the kernel's count.
    pub bytes_read: Option<u64>,
    /// Most bytes that the group held, page cache included.
    pub group_peak: u64,
    /// Most bytes that its largest process had resident, mapped files included.
    pub process_peak: Option<u64>,
    /// Seconds from start to end.
    pub wall_s: f64,
    /// Seconds of processor time in user mode.
    pub user_s: f64,
    /// Seconds of processor time in the kernel.
    pub system_s: f64,
    /// Faults that waited for storage.
    pub major_faults: u64,
    /// Processes that the kernel killed because the limit was reached.
    pub memory_kills: u64,
}

/// Whether every run began with a cold page cache; else why not.
pub(super) type Caches = Result<(), String>;

/// What to run.
#[derive(Debug)]
pub(super) struct Rounds<'a> {
    pub(super) contestants: &'a [Contestant],
    pub(super) rounds: u32,
    pub(super) longest: Duration,
}

/// Who runs when in a round: what gets slower or faster with time then strikes all alike.
pub fn order(contestants: usize, round: u32) -> Vec<usize> {
    let forward = 0..contestants;
    if round.is_multiple_of(2) { forward.collect() } else { forward.rev().collect() }
}

impl Rounds<'_> {
    /// Runs them all.
    pub(super) fn run(&self, tell: &mut dyn FnMut(&str)) -> anyhow::Result<(Vec<Run>, Caches)> {
        let mut runs = Vec::new();
        let mut caches = Ok(());
        for round in 0..self.rounds {
            for index in order(self.contestants.len(), round) {
                if let Err(error) = drop_page_cache() {
                    if caches.is_ok() {
                        tell(&format!("the page cache stays, runs may begin warm: {error}"));
                    }
                    caches = Err(error.to_string());
                }
                let contestant = &self.contestants[index];
                tell(&format!("round {} of {}: {}", round + 1, self.rounds, contestant.name));
                let run = self.one(index, round, tell)?;
                tell(&format!("  {}", summary(&run)));
                runs.push(run);
            }
        }
        Ok((runs, caches))
    }

    fn one(&self, index: usize, round: u32, tell: &mut dyn FnMut(&str)) -> anyhow::Result<Run> {
        let contestant = &self.contestants[index];
        let group = ControlGroup::new(contestant.limit)?;
        let mut next = EVERY;
        let outcome = group.run(contestant.command(), Some(self.longest), &mut |sample| {
            if sample.elapsed >= next {
                next += EVERY;
                tell(&format!("  {}", so_far(sample)));
            }
        })?;
        let run = Run { contestant: index, round, ..read(contestant, &outcome) };
        // What fails at once will fail in every round; later failures must not cost the runs before.
        let broken = run.failure.as_ref().filter(|_| run.memory_kills == 0 && !outcome.timed_out);
        match broken {
            Some(failure) if round == 0 => bail!("{}: {failure}", contestant.name),
            _ => Ok(run),
        }
    }
}

/// Between two lines about a run.
const EVERY: Duration = Duration::from_secs(10);

fn so_far(sample: &Sample) -> String {
    format!(
        "{:.0} s, {:.1} GB read, {:.2} GB held",
        sample.elapsed.as_secs_f64(),
        sample.bytes_read as f64 / 1e9,
        sample.group_bytes as f64 / 1e9
    )
}

fn summary(run: &Run) -> String {
    let result = match (&run.failure, run.tokens_per_second) {
        (Some(failure), _) => failure.clone(),
        (None, speed) => format!("{:.3} tok/s", speed.unwrap_or(f64::NAN)),
    };
    let read =
        run.bytes_read.map_or_else(String::new, |b| format!(", {:.2} GB read", b as f64 / 1e9));
    format!("{result}, {:.1} s{read}, peak {:.2} GB", run.wall_s, run.group_peak as f64 / 1e9)
}

/// The figures of an outcome.
fn read(contestant: &Contestant, outcome: &Outcome) -> Run {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&outcome.stdout), text(&outcome.stderr));
    let said = contestant.reading.read(&stdout, &stderr);
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
    let failure = if outcome.memory_kills > 0 {
        Some("killed: out of memory".to_owned())
    } else if outcome.timed_out {
        Some("stopped: took too long".to_owned())
    } else if !outcome.status.success() {
        Some(format!("{}: {last}", outcome.status))
    } else if said.tokens_per_second.is_none() {
        Some("it printed no tokens per second that were understood".to_owned())
    } else {
        None
    };
    let failed = failure.is_some();
    Run {
        failure,
        tokens_per_second: said.tokens_per_second.filter(|_| !failed),
        read_per_token: said.read_per_token.filter(|_| !failed),
        bytes_read: outcome.bytes_read,
        group_peak: outcome.group_peak,
        process_peak: outcome.process_peak,
        wall_s: outcome.wall.as_secs_f64(),
        user_s: outcome.user.as_secs_f64(),
        system_s: outcome.system.as_secs_f64(),
        major_faults: outcome.major_faults,
        memory_kills: outcome.memory_kills,
        ..Run::default()
    }
}
