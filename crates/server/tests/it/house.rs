//! A scheduler over tiny-opt with a thread for its engine.

use flint_engine::{MemoryBudget, OpenModel, PlannedEngine, RunOptions, Sampling, Tokenizer};
use flint_fixtures::tiny_opt_bundle;
use flint_server::{
    Chosen, Ended, Job, Metrics, Penalties, Scheduler, Sessions, Ticket, Update, Usage,
};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Whole contexts that there is room for.
pub(crate) const SESSIONS: usize = 4;

pub(crate) struct House {
    pub(crate) scheduler: Scheduler,
    pub(crate) metrics: Arc<Metrics>,
    engine: Option<JoinHandle<()>>,
}

impl House {
    pub(crate) fn new(context: usize, options: RunOptions) -> House {
        House::keeping(context, options, None)
    }

    /// With conversations that outlive it.
    pub(crate) fn keeping(
        context: usize,
        options: RunOptions,
        sessions: Option<Sessions>,
    ) -> House {
        let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
        let codec = files.codec().unwrap().unwrap();
        let options = RunOptions { sequences: SESSIONS, ..options };
        let prepared = PlannedEngine::new(files, options, Some(context)).unwrap();
        let metrics = Arc::new(Metrics::default());
        let scheduler = Scheduler::new(64, Arc::clone(&metrics));
        let scheduler = match sessions {
            Some(sessions) => scheduler.with_sessions(sessions),
            None => scheduler,
        };
        let working = scheduler.clone();
        let engine = std::thread::spawn(move || {
            let engine = prepared.load(&mut |_, _| {}).unwrap();
            working.run(engine, &codec);
        });
        House { scheduler, metrics, engine: Some(engine) }
    }

    /// All weights in memory.
    pub(crate) fn in_memory(context: usize) -> House {
        let memory = MemoryBudget::Percent(1000.0);
        House::new(context, RunOptions { memory, ..RunOptions::default() })
    }

    pub(crate) fn answer(&self, job: Job) -> Answered {
        Answered::of(self.scheduler.ask(job).unwrap())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.scheduler.close();
        // A thread that panicked has failed its test already.
        let _ = self.engine.take().map(JoinHandle::join);
    }
}

/// An answer that is complete.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered {
    pub(crate) text: String,
    pub(crate) tokens: Vec<Chosen>,
    pub(crate) ended: Ended,
    pub(crate) usage: Usage,
}

impl Answered {
    pub(crate) fn of(mut ticket: Ticket) -> Answered {
        let (mut text, mut tokens) = (String::new(), Vec::new());
        loop {
            match ticket.next_blocking().unwrap() {
                Update::Progress { .. } => {}
                Update::Text { text: more, tokens: some } => {
                    text += &more;
                    tokens.extend(some);
                }
                Update::Done(ended, usage) => return Answered { text, tokens, ended, usage },
                Update::Failed(why) => panic!("{why}"),
            }
        }
    }
}

pub(crate) fn job(prompt: Vec<u32>, max_tokens: usize) -> Job {
    Job {
        prompt,
        max_tokens,
        sampling: Sampling::greedy(),
        penalties: Penalties::default(),
        stops: Vec::new(),
        ends: Vec::new(),
        marks: Vec::new(),
        logprobs: None,
        form: None,
    }
}

pub(crate) fn codec() -> Tokenizer {
    OpenModel::open(&tiny_opt_bundle()).unwrap().codec().unwrap().unwrap()
}

/// Tokens that look random.
pub(crate) fn tokens(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * i * 7 + i * 131 + seed * 977) % 4000 + 4) as u32).collect()
}
