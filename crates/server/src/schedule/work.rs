//! The thread that has the engine: takes requests in, runs pass after pass, and tells what came of them.

use super::gone::PassWatch;
use super::job::{Ended, Job};
use super::pace::Pace;
use super::prefixes::Prefixes;
use super::queue::Queue;
use super::running::Running;
use super::sessions::Sessions;
use super::step::{self, Done, Outcome, Part};
use crate::metrics::Metrics;
use crate::view::{View, Watcher};
use flint_engine::{CancelToken, Engine, EngineError, Sequence, Tokenizer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Fewest prompt tokens of one request in a pass, where several are read.
const FAIR: usize = 8;

/// Everything that the engine's thread works with.
pub(super) struct Work<'c> {
    engine: Engine,
    codec: &'c Tokenizer,
    queue: &'c Queue,
    metrics: &'c Metrics,
    /// Asks for the end of every answer.
    stop: &'c AtomicBool,
    running: Vec<Running<'c>>,
    prefixes: Prefixes,
    pace: Pace,
    watch: Option<(Watcher, &'c View)>,
    /// Passes so far: who comes first in a pass changes with it.
    turn: usize,
}

impl<'c> Work<'c> {
    pub(super) fn new(
        engine: Engine,
        codec: &'c Tokenizer,
        queue: &'c Queue,
        metrics: &'c Metrics,
        stop: &'c AtomicBool,
        watch: Option<(Watcher, &'c View)>,
    ) -> Work<'c> {
        Work {
            engine,
            codec,
            queue,
            metrics,
            stop,
            running: Vec::new(),
            prefixes: Prefixes::default(),
            pace: Pace::default(),
            watch,
            turn: 0,
        }
    }

    /// Works until the queue is closed and everybody is answered.
    pub(super) fn run(mut self, sessions: Option<&Sessions>, longest: Option<Duration>) {
        if let Some(sessions) = sessions {
            let counts = sessions.take_up(&mut self.engine, &mut self.prefixes);
            tracing::info!(?counts, "conversations were taken up");
        }
        self.work(longest);
        if let Some(sessions) = sessions {
            match sessions.write(&self.engine, &self.prefixes) {
                Ok(counts) => tracing::info!(?counts, "conversations are kept"),
                Err(error) => tracing::error!(%error, "not all conversations are kept"),
            }
        }
    }

    fn work(&mut self, longest: Option<Duration>) {
        loop {
            self.leave_out_gone();
            self.admit();
            // Those that waited too long end before anything is computed for them.
            if let Some(longest) = longest {
                self.end_overdue(longest);
            }
            self.metrics.set_running(self.running.len());
            if self.running.is_empty() {
                if let Some((watcher, view)) = &mut self.watch {
                    watcher.idle(view, &self.engine);
                }
                if !self.queue.wait() {
                    break;
                }
                continue;
            }
            self.pass();
            if self.stop.load(Ordering::Acquire) {
                for running in self.running.drain(..) {
                    let sequence = running.fail("the server is shutting down".to_owned());
                    self.engine.end(sequence);
                }
            }
        }
    }

    /// Takes back requests that nobody waits for.
    fn leave_out_gone(&mut self) {
        let (gone, stay): (Vec<_>, Vec<_>) =
            self.running.drain(..).partition(|running| running.gone.is_gone());
        self.running = stay;
        for running in gone {
            self.metrics.cancelled(1);
            self.prefixes.keep(&mut self.engine, running.sequence);
        }
    }

    /// Ends requests that took too long.
    fn end_overdue(&mut self, longest: Duration) {
        for at in (0..self.running.len()).rev() {
            let usage = self.running[at].usage();
            if usage.queued + usage.prefill + usage.decode > longest {
                self.end(
                    at,
                    match usage.generated {
                        0 => {
                            Outcome::Failed(format!("no answer within {} s", longest.as_secs_f32()))
                        }
                        _ => Outcome::Ended(Ended::Length),
                    },
                );
            }
        }
    }

    /// Takes in requests, in their order, while there are pages for them.
    fn admit(&mut self) {
        while self.running.len() < self.engine.plan().chunk.max(1) {
            let Work { engine, prefixes, running, queue, metrics, .. } = self;
            let mut begun = None;
            let queued = queue.pop_if(metrics, &mut |job| {
                begun = begin(engine, prefixes, running, job);
                begun.is_some()
            });
            let (Some(queued), Some((sequence, promised))) = (queued, begun) else { return };
            self.running.push(Running::new(queued, sequence, promised, self.codec));
        }
    }

    /// One pass over the next rows of everybody.
    fn pass(&mut self) {
        let mut parts = self.next_parts();
        let watch = PassWatch::new(parts.len());
        parts.iter().for_each(|part| self.running[part.at].gone.enter(&watch));
        let began = Instant::now();
        let mut over = match self.drafted_step(&mut parts, watch.cancel()) {
            Ok(Done { over, tokens }) => {
                let rows = |answers| {
                    let counted = parts.iter().filter(|part| part.answers == answers);
                    counted.map(|part| part.rows.len()).sum()
                };
                let (answers, prompts, took) = (rows(true), rows(false), began.elapsed());
                self.pace.took(answers, prompts, took);
                self.metrics.pass(answers, prompts, took);
                self.metrics.engine(&self.engine.counts());
                if let Some((watcher, view)) = &mut self.watch {
                    let busy = [self.running.len(), self.queue.len()];
                    watcher.pass(view, &self.engine, tokens, busy);
                }
                over
            }
            Err(EngineError::Cancelled) => Vec::new(),
            Err(error) => self.each_alone(&mut parts, &error),
        };
        parts.iter().for_each(|part| self.running[part.at].gone.exit());
        over.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        over.into_iter().for_each(|(at, outcome)| self.end(at, outcome));
        self.turn = self.turn.wrapping_add(1);
    }

    /// A pass with drafts where they seem to pay.
    fn drafted_step(
        &mut self,
        parts: &mut [Part],
        cancel: &CancelToken,
    ) -> Result<Done, EngineError> {
        let Work { engine, running, .. } = self;
        let drafted = step::draft(engine, running, parts, cancel)?;
        let done = step::step(engine, running, parts, cancel)?;
        if let Some(pass) = drafted {
            engine.end_drafted(pass, done.tokens);
        }
        Ok(done)
    }

    /// Rows for the next pass: a token of each answer, and of prompts as many as the pace allows. Where not everybody finds
    /// a place, others come first next time.
    fn next_parts(&self) -> Vec<Part> {
        let (count, limit) = (self.running.len(), self.engine.plan().chunk.max(1));
        let order = (0..count).map(|i| (i + self.turn) % count);
        let (prompts, answers): (Vec<_>, Vec<_>) =
            order.partition(|&at| self.running[at].prompt_left() > 0);
        // Where a pass has hardly any rows, prompts get one of them, or every second pass.
        let kept = usize::from(!prompts.is_empty() && (limit > 1 || self.turn.is_multiple_of(2)));
        let answers = answers.into_iter().take(limit - kept);
        let mut parts: Vec<Part> = answers.map(|at| self.part(at, 1, true)).collect();
        let room = limit - parts.len();
        let mut left = match parts.is_empty() {
            true => room,
            false => self.pace.beside_others(room).min(room),
        };
        let each = (left / prompts.len().max(1)).max(FAIR);
        for at in prompts {
            if left == 0 {
                break;
            }
            let part = self.part(at, each.min(left), false);
            left -= part.rows.len();
            parts.push(part);
        }
        parts
    }

    fn part(&self, at: usize, most: usize, answers: bool) -> Part {
        Part { at, rows: self.running[at].rows(most), answers }
    }

    /// A pass failed: everybody tries alone and without a draft, so that what is wrong with one is not the end of others.
    fn each_alone(&mut self, parts: &mut [Part], error: &EngineError) -> Vec<(usize, Outcome)> {
        tracing::warn!(%error, requests = parts.len(), "a pass failed");
        if let [part] = parts
            && !part.is_drafted()
        {
            return vec![(part.at, Outcome::Failed(error.to_string()))];
        }
        let mut over = Vec::new();
        for part in parts {
            if part.is_drafted() {
                part.rows.truncate(1);
            }
            let watch = PassWatch::new(1);
            self.running[part.at].gone.enter(&watch);
            let Work { engine, running, .. } = self;
            match step::step(engine, running, std::slice::from_ref(part), watch.cancel()) {
                Ok(done) => over.extend(done.over),
                Err(EngineError::Cancelled) => {}
                Err(error) => over.push((part.at, Outcome::Failed(error.to_string()))),
            }
        }
        over
    }

    fn end(&mut self, at: usize, outcome: Outcome) {
        let running = self.running.remove(at);
        let sequence = match outcome {
            Outcome::Ended(ended) => {
                let usage = running.usage();
                // Counted before it is told: whoever heard of the end finds it counted.
                self.metrics.answered(&usage);
                running.end(ended, usage)
            }
            Outcome::Failed(why) => {
                self.metrics.failed();
                running.fail(why)
            }
        };
        self.prefixes.keep(&mut self.engine, sequence);
    }
}

/// A sequence for a job, and the pages that it may come to hold; `None` where there are not enough.
fn begin(
    engine: &mut Engine,
    prefixes: &mut Prefixes,
    running: &[Running<'_>],
    job: &Job,
) -> Option<(Sequence, usize)> {
    let tokens = job.prompt.len() + job.max_tokens;
    let promised = tokens.div_ceil(engine.kv_page_tokens());
    let sequence = prefixes.begin(engine, &job.prompt, running.iter().map(|it| &it.sequence));
    let outstanding =
        |it: &Running<'_>| it.promised.saturating_sub(engine.kv_pages_of(&it.sequence));
    let others: usize = running.iter().map(outstanding).sum();
    let needed = others + promised.saturating_sub(engine.kv_pages_of(&sequence));
    // What is kept is given back only where that makes room.
    let all: usize = running.iter().map(|it| it.promised).sum();
    let may_evict = all + promised <= engine.kv_pages();
    while needed > engine.kv_pages_free() {
        if !may_evict || !prefixes.give_back_oldest(engine) {
            engine.end(sequence);
            return None;
        }
    }
    Some((sequence, promised))
}
