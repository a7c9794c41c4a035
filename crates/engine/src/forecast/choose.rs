//! How to read: from a measurement of the disk, unless the user said so.

use super::DiskRates;
use crate::{EngineError, OpenModel, RunOptions};
use flint_dram_cache::PolicyKind;
use flint_flash_io::{MergePolicy, Options};
use serde::Serialize;
use std::time::Duration;

/// Share of the time of reading the model once that a measurement of the disk may take, and the bounds of a
/// point of it.
const MEASURE_SHARE: f64 = 0.02;
const POINT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(30));

/// Points of a measurement, about.
const POINTS: u32 = 5;

/// Largest gap that is read through, in records. A short probe of a shared disk may find that bytes cost nothing: gaps
/// of 128 KiB, believed once, doubled what OPT-6.7B read per token and made tokens a quarter slower.
const LARGEST_GAP: u64 = 1;

/// What was decided about reading, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choices {
    /// Most reads in flight.
    pub depth: usize,
    /// Largest gap to read through when merging.
    pub max_gap_bytes: u64,
    /// Why, for people.
    pub reasons: Vec<String>,
}

impl Choices {
    /// Decides from what was `measured`, where something was.
    pub(crate) fn of(options: &RunOptions, measured: Option<&DiskRates>, record: usize) -> Choices {
        let unmeasured = Options::default();
        let mut reasons = Vec::new();
        if let Some(disk) = measured {
            reasons.push(format!(
                "disk: {:.1} us per record of {record} bytes at depth {}, {:.1} us per four at once, {:.2} GB/s in \
                 large reads",
                disk.record_seconds * 1e6,
                disk.depth,
                disk.run_seconds * 1e6,
                disk.bytes_per_second / 1e9
            ));
        }
        let depth = options.depth.or(measured.map(|disk| disk.depth));
        let gap =
            measured.map(|disk| disk.gap_worth_reading(record).min(LARGEST_GAP * record as u64));
        let choices = Choices {
            depth: depth.unwrap_or(unmeasured.max_requests),
            max_gap_bytes: options.max_gap.or(gap).unwrap_or(unmeasured.merge.max_gap_bytes),
            reasons,
        };
        choices.explained(options, measured.is_some())
    }

    fn explained(mut self, options: &RunOptions, measured: bool) -> Choices {
        let by = |asked: bool| match (asked, measured) {
            (true, _) => "as asked",
            (false, true) => "by that measurement",
            (false, false) => "the default, for nothing was measured",
        };
        let (depth, gap) = (self.depth, self.max_gap_bytes);
        self.reasons.push(format!("{depth} reads in flight: {}", by(options.depth.is_some())));
        if options.policy != PolicyKind::default() {
            let (used, other) = (options.policy, PolicyKind::default());
            let reason =
                format!("loads are forecast as for policy {other}, and the run has {used}");
            self.reasons.push(reason);
        }
        self.reasons.push(format!(
            "gaps of up to {gap} bytes are read through to save a request: {}{}",
            by(options.max_gap.is_some()),
            if options.max_gap.is_none() && measured { ", one record at most" } else { "" }
        ));
        self
    }

    /// The reader's options for this choice.
    pub(crate) fn merge(options: &RunOptions) -> (usize, MergePolicy) {
        let default = Options::default();
        let depth = options.depth.unwrap_or(default.max_requests);
        let max_gap_bytes = options.max_gap.unwrap_or(default.merge.max_gap_bytes);
        let merge = MergePolicy { max_gap_bytes, ..default.merge };
        (depth, if options.ablation.no_merging { MergePolicy::NEVER } else { merge })
    }
}

/// A file that is measured holds at least this many reads.
const LEAST_READS: u64 = 8;

/// Reads smaller than this are not measured.
const SMALLEST_READ: usize = 512;

/// Measures the disk that a model lies on, if that is wanted.
pub(crate) fn measure_disk(
    files: &OpenModel,
    options: &RunOptions,
) -> Result<Option<DiskRates>, EngineError> {
    if !options.measure {
        return Ok(None);
    }
    let once = files.weights_bytes() as f64 / 1e9;
    let each = Duration::from_secs_f64(once * MEASURE_SHARE) / POINTS;
    let read =
        Options { backend: options.io, min_alignment: options.io_alignment, ..Options::default() };
    let Some((path, size)) = files.largest_streamed() else { return Ok(None) };
    // A file of fewer reads of its own size says nothing of the disk; smaller ones are measured then.
    let record = files.read_bytes().min((size / LEAST_READS) as usize);
    if record < SMALLEST_READ {
        return Ok(None);
    }
    let each = each.clamp(POINT.0, POINT.1);
    DiskRates::measure(&path, record, read, each).map(Some)
}
