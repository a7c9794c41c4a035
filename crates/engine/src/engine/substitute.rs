//! Whether drafts are made with low-bit copies: where the time of a token is expected to be less with them, by what is
//! read for a pass, what computing it takes, and how many tokens it gives.

use super::PlannedEngine;
use crate::draft::{DraftChoice, Kind, MOST_DRAFTED, expected_tokens};
use crate::plan::{Costs, NoSubstitute, Plan};
use crate::{EngineError, Rates, Work};

/// How much faster a run must be expected to be.
const WORTH: f64 = 1.1;

/// What a row more costs to compute, as a share of the first, where that is not measured.
const ROW: f64 = 0.3;

/// What multiplying a vector with a copy takes, as a share of what it takes with the exact matrix: of codes of four bits four
/// times as many come from memory, but each has to be unpacked.
const COPY: f64 = 0.5;

/// Bytes of memory that are multiplied while one is read, where nothing was measured.
const MEMORY_OVER_DISK: f64 = 6.0;

/// What is expected of drafts.
struct Expected {
    /// Tokens of a draft, and tokens of a pass with such.
    drafted: usize,
    tokens: f64,
    /// How many times as fast as without.
    gain: f64,
}

impl PlannedEngine {
    /// Plans copies where they were asked for, or are allowed and pay; notes why.
    pub(super) fn plan_substitutes(&mut self, costs: &Costs) -> Result<(), EngineError> {
        let asked = match self.options.draft {
            DraftChoice::Substitute => true,
            // Another model drafts, in memory of its own.
            DraftChoice::Auto if self.draft_model.is_some() => return Ok(()),
            DraftChoice::Auto => false,
            DraftChoice::Off | DraftChoice::Lookup | DraftChoice::Model => return Ok(()),
        };
        let plan = match self.plan.with_substitutes(costs) {
            Ok(plan) => plan,
            Err(NoSubstitute::AllResident) => return Ok(()),
            Err(why) if asked => {
                return Err(EngineError::NoSubstitute { cause: why.to_string() });
            }
            Err(why) => {
                self.choices.reasons.push(format!("no drafts by 4-bit copies: {why}"));
                return Ok(());
            }
        };
        let threads = costs.widths.threads();
        let work = Work::of(&self.files, &plan, &self.options, threads);
        let expected = self.expect(&plan, &work);
        let Expected { drafted, tokens, gain } = expected;
        let said = format!(
            "4-bit copies ({} MB) of what is streamed, to draft {drafted} tokens a pass: {tokens:.1} tokens a pass, {gain:.2} \
             times as fast as without, expected",
            plan.copy_bytes() / 1_000_000
        );
        if asked || gain >= WORTH {
            self.choices.reasons.push(said);
            (self.plan, self.work) = (plan, work);
        } else {
            self.choices.reasons.push(format!("no {said}"));
        }
        Ok(())
    }

    /// What drafts of the best length are expected to bring.
    fn expect(&self, plan: &Plan, work: &Work) -> Expected {
        let before = Seconds::of(&self.work, self.rates.as_ref());
        let with = Seconds::of(work, self.rates.as_ref());
        let held = plan.weights_bytes as f64 - work.streamed_bytes;
        let rough = (held + COPY * work.streamed_bytes) / with.memory;
        let each = |drafted: usize| {
            let tokens = expected_tokens(Kind::SUBSTITUTE.prior(), drafted);
            let time = with.pass(1 + drafted) + rough * drafted as f64;
            Expected { drafted, tokens, gain: before.pass(1) * tokens / time }
        };
        let better = |a: Expected, b: Expected| if b.gain > a.gain { b } else { a };
        (2..=MOST_DRAFTED).map(each).fold(each(1), better)
    }
}

/// The time of a pass.
struct Seconds {
    reads: f64,
    compute: f64,
    /// Of each row, where there are many.
    row: f64,
    /// Bytes that are multiplied per second.
    memory: f64,
}

impl Seconds {
    fn of(work: &Work, rates: Option<&Rates>) -> Seconds {
        match rates {
            Some(rates) => {
                let said = work.forecast(rates);
                let compute = said.token_ms - said.waiting_ms;
                let (reads, compute) = (said.reads_ms / 1e3, compute / 1e3);
                let weights = work.prompt.dense_weights + work.prompt.neuron_weights;
                let row = 2.0 * weights / rates.operations;
                Seconds { reads, compute, row, memory: rates.memory }
            }
            // In times of reading a byte.
            None => {
                let all: f64 = work.layers.iter().map(|layer| layer.dense_bytes).sum();
                let neurons = work.prompt.neurons * work.record_bytes;
                let bytes = all + neurons + work.head_bytes;
                let (memory, reads) = (MEMORY_OVER_DISK, work.streamed_bytes);
                let compute = bytes / memory;
                Seconds { reads, compute, row: ROW * compute, memory }
            }
        }
    }

    /// A pass with this number of rows.
    fn pass(&self, rows: usize) -> f64 {
        self.reads.max(self.compute + self.row * (rows as f64 - 1.0))
    }
}
