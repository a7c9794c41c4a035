//! A request on the engine: its sequence, how far it is, and whom to tell.

use super::choose::{Choice, Chooser};
use super::gone::Gone;
use super::job::{Ended, Job, Queued, Update};
use super::text::AnswerText;
use crate::usage::Usage;
use flint_engine::{DraftRequest, DraftState, Engine, Sampler, Sequence, Tokenizer};
use flint_model::Row;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;

/// A request that holds pages.
pub(super) struct Running<'c> {
    pub(super) job: Job,
    pub(super) sequence: Sequence,
    pub(super) gone: Arc<Gone>,
    /// Pages that it may come to hold.
    pub(super) promised: usize,
    /// Tokens of the prompt that were there.
    cached: usize,
    generated: Vec<u32>,
    /// A token that was chosen and is not fed yet.
    next: Option<u32>,
    chooser: Chooser,
    drafts: DraftState,
    text: AnswerText<'c>,
    updates: UnboundedSender<Update>,
    queued: Instant,
    began: Instant,
    first: Option<Instant>,
}

/// What a token means for its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    GoesOn,
    Over(Ended),
    Failed(String),
}

impl<'c> Running<'c> {
    pub(super) fn new(
        queued: Queued,
        sequence: Sequence,
        promised: usize,
        codec: &'c Tokenizer,
    ) -> Running<'c> {
        let Queued { mut job, updates, gone, since } = queued;
        let form = job.form.take();
        let sampler = Sampler::new(job.sampling);
        let running = Running {
            chooser: Chooser::new(sampler, job.penalties.clone(), job.logprobs, form),
            text: AnswerText::new(codec, &job),
            cached: sequence.len(),
            generated: Vec::new(),
            next: None,
            drafts: DraftState::default(),
            job,
            sequence,
            gone,
            promised,
            updates,
            queued: since,
            began: Instant::now(),
            first: None,
        };
        running.tell_progress();
        running
    }

    /// Tokens of the prompt that are still to be fed.
    pub(super) fn prompt_left(&self) -> usize {
        self.job.prompt.len().saturating_sub(self.sequence.len())
    }

    /// Rows for the next pass: at most `most` of the prompt, or the token that was chosen last.
    pub(super) fn rows(&self, most: usize) -> Vec<Row> {
        let (done, all) = (self.sequence.len(), self.job.prompt.len());
        if let Some(next) = self.next.filter(|_| done >= all) {
            return self.sequence.rows(&[next], |_| true);
        }
        let end = done.saturating_add(most).min(all);
        self.sequence.rows(&self.job.prompt[done..end], |index| done + index + 1 == all)
    }

    /// Asks for at most `most` tokens that may follow the one that was chosen last; `None` before there is one.
    pub(super) fn draft_request(&mut self, most: usize) -> Option<DraftRequest<'_>> {
        let (next, drawn) = (self.next?, self.generated.len());
        let chooser = &mut self.chooser;
        Some(DraftRequest {
            seq: self.sequence.id(),
            fed: self.sequence.tokens(),
            next,
            // One more comes of the pass itself.
            most: most.min((self.job.max_tokens - drawn).saturating_sub(1)),
            state: &mut self.drafts,
            choose: Box::new(move |logits, behind| chooser.guess(logits, drawn + behind)),
            drafted: Vec::new(),
        })
    }

    /// Rows for the token that was chosen last and for a draft after it.
    pub(super) fn drafted_rows(&self, next: u32, drafted: &[u32]) -> Vec<Row> {
        self.sequence.rows(&[&[next], drafted].concat(), |_| true)
    }

    /// The token that was chosen last.
    pub(super) fn next(&self) -> Option<u32> {
        self.next
    }

    /// Of `rows` that were computed, those of the draft that were not chosen are taken back: `kept` stay.
    pub(super) fn judge_draft(&mut self, engine: &mut Engine, rows: &[Row], kept: usize) {
        let first = rows.first().map_or(0, |row| row.position);
        engine.judge_draft(&mut self.drafts, kept - 1);
        engine.truncate(&mut self.sequence, first + kept);
    }

    /// Notes that rows were computed.
    pub(super) fn fed(&mut self, rows: &[Row]) {
        let tokens: Vec<u32> = rows.iter().map(|row| row.token).collect();
        let in_prompt = self.sequence.len() < self.job.prompt.len();
        self.sequence.extend(&tokens);
        if in_prompt {
            self.tell_progress();
        }
    }

    /// Chooses the next token from the logits after the last one.
    pub(super) fn choose(&mut self, logits: &[f32]) -> Step {
        self.first.get_or_insert_with(Instant::now);
        if self.job.max_tokens == 0 {
            return Step::Over(Ended::Length);
        }
        let choice = self.chooser.choose(logits, &self.job.prompt, &self.generated);
        let Choice { token, chosen, complete } = match choice {
            Ok(choice) => choice,
            Err(why) => return Step::Failed(format!("the form of the answer: {why}")),
        };
        self.generated.push(token);
        self.next = Some(token);
        if self.job.ends.contains(&token) {
            return Step::Over(Ended::Stop);
        }
        let piece = self.text.push(token, chosen);
        if !piece.text.is_empty() {
            self.tell(Update::Text { text: piece.text, tokens: piece.tokens });
        }
        match self.generated.len() {
            _ if piece.stopped || complete => Step::Over(Ended::Stop),
            all if all >= self.job.max_tokens => Step::Over(Ended::Length),
            _ => Step::GoesOn,
        }
    }

    /// What it took, if it ended now.
    pub(super) fn usage(&self) -> Usage {
        let now = Instant::now();
        let first = self.first.unwrap_or(now);
        Usage {
            prompt: self.job.prompt.len(),
            cached: self.cached,
            generated: self.generated.len(),
            queued: self.began - self.queued,
            prefill: first - self.began,
            decode: now - first,
        }
    }

    /// Tells the end, and gives back the sequence.
    pub(super) fn end(mut self, ended: Ended, usage: Usage) -> Sequence {
        let rest = self.text.finish();
        if !rest.text.is_empty() || !rest.tokens.is_empty() {
            self.tell(Update::Text { text: rest.text, tokens: rest.tokens });
        }
        self.tell(Update::Done(ended, usage));
        self.sequence
    }

    /// Tells that it cannot go on, and gives back the sequence.
    pub(super) fn fail(self, why: String) -> Sequence {
        self.tell(Update::Failed(why));
        self.sequence
    }

    fn tell_progress(&self) {
        let (done, total) = (self.sequence.len(), self.job.prompt.len());
        self.tell(Update::Progress { done, total, cached: self.cached });
    }

    /// Whoever left is not told; that he left is seen elsewhere.
    fn tell(&self, update: Update) {
        let _ = self.updates.send(update);
    }
}
