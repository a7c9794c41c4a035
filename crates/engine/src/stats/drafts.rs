//! What drafts took and what they were worth.

use super::Phase;
use serde::Serialize;
use std::time::Duration;

/// Work of drafts, cumulative.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct DraftEffort {
    pub(crate) drafted: u64,
    pub(crate) accepted: u64,
    pub(crate) drafting: Duration,
}

impl DraftEffort {
    pub(super) fn with(
        self,
        b: DraftEffort,
        n: fn(u64, u64) -> u64,
        t: fn(Duration, Duration) -> Duration,
    ) -> DraftEffort {
        DraftEffort {
            drafted: n(self.drafted, b.drafted),
            accepted: n(self.accepted, b.accepted),
            drafting: t(self.drafting, b.drafting),
        }
    }
}

/// Drafts of the decode phase: part of the statistics of every run in which somebody could draft.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DraftStats {
    /// Who: as asked for.
    pub by: &'static str,
    /// Exact passes.
    pub passes: u64,
    /// Tokens that were drafted and computed exactly.
    pub drafted: u64,
    /// Those of them that became part of the text.
    pub accepted: u64,
    /// Accepted over drafted; 0 where nothing was drafted.
    pub acceptance: f64,
    /// Share of the decode time in which drafts were made.
    pub time_share: f64,
}

impl DraftStats {
    pub(super) fn of(by: &'static str, phase: &Phase) -> DraftStats {
        let (effort, passes) = (phase.effort.drafts, phase.effort.passes);
        let over = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        DraftStats {
            by,
            passes,
            drafted: effort.drafted,
            accepted: effort.accepted,
            acceptance: over(effort.accepted as f64, effort.drafted as f64),
            time_share: over(effort.drafting.as_secs_f64(), phase.time.as_secs_f64()),
        }
    }
}
