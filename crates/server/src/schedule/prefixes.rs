//! Sequences of answered requests, kept while nobody needs their pages: what a new request has in common with one of
//! them is not computed again.

use flint_engine::{Engine, Sequence};
use std::collections::VecDeque;

/// Most sequences that are kept: each is compared with every new prompt.
const MOST: usize = 64;

/// Kept sequences, the one used longest ago first.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    kept: VecDeque<Sequence>,
}

impl Prefixes {
    /// Keeps a sequence. Those that it begins with hold nothing beyond it, and are given back.
    pub(super) fn keep(&mut self, engine: &mut Engine, sequence: Sequence) {
        if sequence.len() < engine.kv_page_tokens() {
            engine.end(sequence);
            return;
        }
        let (covered, others): (Vec<_>, Vec<_>) =
            self.kept.drain(..).partition(|kept| sequence.tokens().starts_with(kept.tokens()));
        covered.into_iter().for_each(|kept| engine.end(kept));
        self.kept.extend(others);
        self.kept.push_back(sequence);
        if self.kept.len() > MOST {
            self.give_back_oldest(engine);
        }
    }

    /// A sequence with whole pages of `prompt`: as many as one that is kept, or one of `running`, has in common with it,
    /// but not all of it.
    pub(super) fn begin<'a>(
        &mut self,
        engine: &mut Engine,
        prompt: &[u32],
        running: impl Iterator<Item = &'a Sequence>,
    ) -> Sequence {
        let page = engine.kv_page_tokens();
        let whole_pages = |sequence: &Sequence| {
            let same = sequence.tokens().iter().zip(prompt).take_while(|(a, b)| a == b).count();
            same.min(prompt.len() - 1) / page * page
        };
        let best = self.kept.iter().map(whole_pages).enumerate().max_by_key(|&(_, len)| len);
        let live = running.map(|it| (whole_pages(it), it)).max_by_key(|&(len, _)| len);
        match (best, live) {
            (best, Some((len, sequence))) if len > best.map_or(0, |(_, len)| len) => {
                engine.fork(sequence, len)
            }
            (Some((index, len)), _) if len > 0 => {
                let Some(found) = self.kept.remove(index) else { return engine.begin() };
                let forked = engine.fork(&found, len);
                // Used just now.
                self.kept.push_back(found);
                forked
            }
            _ => engine.begin(),
        }
    }

    /// A sequence with the whole pages of `tokens` that one of `others` has in common with it.
    pub(super) fn fork(engine: &mut Engine, tokens: &[u32], others: &[Sequence]) -> Sequence {
        Prefixes::default().begin(engine, tokens, others.iter())
    }

    /// Those that are kept, the one used last first.
    pub(super) fn latest_first(&self) -> impl Iterator<Item = &Sequence> {
        self.kept.iter().rev()
    }

    /// Ends the sequence that was used longest ago; whether there was one.
    pub(super) fn give_back_oldest(&mut self, engine: &mut Engine) -> bool {
        let oldest = self.kept.pop_front();
        let found = oldest.is_some();
        oldest.into_iter().for_each(|sequence| engine.end(sequence));
        found
    }
}
