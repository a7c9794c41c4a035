//! What a run has done so far, kept where another thread can see it: one that must answer while the run itself
//! waits for a device that may never answer.

use crate::engine::PlannedEngine;
use crate::generated::{Finish, Generated};
use crate::stats::{Phases, RunInfo};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A view of a run. Clones see the same run.
#[derive(Debug, Clone, Default)]
pub struct ProgressHandle(Arc<Mutex<Option<SoFar>>>);

/// What there is to see.
#[derive(Debug, Clone)]
struct SoFar {
    setting: RunInfo,
    prompt: Vec<u32>,
    text: String,
    tokens: Vec<u32>,
    phases: Phases,
}

impl ProgressHandle {
    /// Shows a run that is planned and has not begun.
    pub fn planned(&self, prepared: &PlannedEngine, prompt: &[u32]) {
        self.begin(prepared.setting(), prompt);
    }

    /// The result as it would be if the run were stopped now; `None` before there is a plan.
    pub fn generated(&self) -> Option<Generated> {
        let so_far = self.lock().clone()?;
        Some(Generated {
            stats: so_far.setting.stats(&so_far.phases),
            text: so_far.text,
            tokens: so_far.tokens,
            prompt_tokens: so_far.prompt,
            finish: Finish::Stop,
        })
    }

    pub(crate) fn begin(&self, setting: RunInfo, prompt: &[u32]) {
        let (prompt, phases) = (prompt.to_vec(), Phases::default());
        let (text, tokens) = (String::new(), Vec::new());
        *self.lock() = Some(SoFar { setting, prompt, text, tokens, phases });
    }

    pub(crate) fn fed(&self, phases: Phases) {
        if let Some(so_far) = &mut *self.lock() {
            so_far.phases = phases;
        }
    }

    pub(crate) fn token(&self, token: u32, text: &str, phases: Phases) {
        if let Some(so_far) = &mut *self.lock() {
            so_far.tokens.push(token);
            so_far.text.push_str(text);
            so_far.phases = phases;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<SoFar>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
