//! What the engine does, for the page: a state after passes, at most ten times a second, and only while somebody looks.

use crate::hosted::Facts;
use flint_engine::{Counts, Engine, LayerHeld, process_memory};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a state is shown at least.
const PERIOD: Duration = Duration::from_millis(100);

/// How much of a new rate is taken over: rates are those of about the last second.
const NEW: f64 = 0.2;

/// The latest state, as JSON text.
#[derive(Debug)]
pub(crate) struct View(watch::Sender<String>);

impl View {
    /// A view of a model that is being loaded.
    pub(crate) fn new(name: &str, facts: &Facts) -> View {
        let state = json!({
            "model": name, "mode": "", "context": facts.context, "state": "loading",
            "weights": facts.bytes, "budget": 0, "held": 0, "speed": 0, "rate": 0, "read": 0, "rows": 0,
            "hits": 1, "memory": 0, "running": 0, "waiting": 0,
            "time": { "wait": 0, "other": 0, "compute": 0 }, "layers": [],
        });
        View(watch::Sender::new(state.to_string()))
    }

    /// To look at it.
    pub(crate) fn subscribe(&self) -> watch::Receiver<String> {
        self.0.subscribe()
    }
}

/// Makes states of what an engine counts.
#[derive(Debug)]
pub(crate) struct Watcher {
    name: String,
    held: Vec<LayerHeld>,
    /// When the last state was shown, and what was counted then.
    shown: Instant,
    counts: Counts,
    /// What was counted before the passes that a state tells of: the last ones, also when nothing is to be done.
    before: Counts,
    /// Tokens of answers since then.
    answers: usize,
    speed: f64,
    rate: f64,
}

impl Watcher {
    pub(crate) fn new(name: &str, engine: &Engine) -> Watcher {
        Watcher {
            name: name.to_owned(),
            held: engine.layers_held(),
            shown: Instant::now(),
            counts: engine.counts(),
            before: engine.counts(),
            answers: 0,
            speed: 0.0,
            rate: 0.0,
        }
    }

    /// A pass is over, with this number of tokens of answers.
    pub(crate) fn pass(&mut self, view: &View, engine: &Engine, answers: usize, busy: [usize; 2]) {
        self.answers += answers;
        if self.shown.elapsed() >= PERIOD {
            self.show(view, engine, "working", busy);
        }
    }

    /// Nothing is to be done.
    pub(crate) fn idle(&mut self, view: &View, engine: &Engine) {
        (self.speed, self.rate) = (0.0, 0.0);
        self.show(view, engine, "idle", [0, 0]);
    }

    /// Shows the state; `busy` is how many requests run and wait.
    fn show(&mut self, view: &View, engine: &Engine, state: &str, busy: [usize; 2]) {
        let (now, seconds) = (engine.counts(), self.shown.elapsed().as_secs_f64().max(1e-3));
        let before = std::mem::replace(&mut self.counts, now);
        let read = now.bytes_read - before.bytes_read;
        if now.passes > before.passes {
            self.before = before;
        }
        if state != "idle" {
            let blend = |old: f64, new: f64| if old == 0.0 { new } else { old + NEW * (new - old) };
            self.speed = blend(self.speed, self.answers as f64 / seconds);
            self.rate = blend(self.rate, read as f64 / seconds);
        }
        (self.shown, self.answers) = (Instant::now(), 0);
        if view.0.receiver_count() > 0 || state == "idle" {
            let text = self.state(engine, state, busy).to_string();
            view.0.send_replace(text);
        }
    }

    fn state(&self, engine: &Engine, state: &str, busy: [usize; 2]) -> Value {
        let (now, before, plan) = (self.counts, self.before, engine.plan());
        let passes = (now.passes - before.passes).max(1);
        let each = |count: u64| count as f64 / passes as f64;
        let ms = |time: Duration| time.as_secs_f64() * 1e3 / passes as f64;
        let layers = self.held.iter().enumerate().map(|(index, held)| {
            let read = engine.last_pass().get(index).map_or(0, |layer| layer.bytes_read);
            json!({ "bytes": held.bytes, "held": held.held, "read": read })
        });
        let whole: Duration = engine.last_pass().iter().map(|layer| layer.time).sum();
        let wait = ms(now.io_wait.saturating_sub(before.io_wait));
        let other = ms(now.choosing.saturating_sub(before.choosing));
        let compute = (whole.as_secs_f64() * 1e3 - wait - other).max(0.0);
        let total: u64 = self.held.iter().map(|layer| layer.bytes).sum();
        let held: u64 = self.held.iter().map(|layer| layer.held).sum();
        let read = each(now.bytes_read - before.bytes_read);
        let neurons = [now, before].map(|it| (it.neurons_computed, it.neurons_read));
        let experts = [now, before].map(|it| (it.experts_computed, it.experts_read));
        let [now_done, before_done] = if now.experts_computed > 0 { experts } else { neurons };
        let hits = match now_done.0 - before_done.0 {
            // Without a choice all weights are needed.
            0 => 1.0 - read / total.max(1) as f64,
            computed => 1.0 - (now_done.1 - before_done.1) as f64 / computed as f64,
        };
        json!({
            "model": self.name,
            "mode": plan.mode.name(),
            "context": plan.context,
            "state": state,
            "weights": plan.weights_bytes,
            "budget": plan.whole_process_bytes(),
            "held": plan.weights_bytes.saturating_sub(total - held.min(total)),
            "speed": self.speed,
            "rate": self.rate,
            "read": read,
            "rows": each(now.rows - before.rows).round(),
            "hits": hits.clamp(0.0, 1.0),
            "memory": process_memory().resident,
            "running": busy[0],
            "waiting": busy[1],
            "time": { "wait": wait, "other": other, "compute": compute },
            "layers": layers.collect::<Vec<_>>(),
        })
    }
}
