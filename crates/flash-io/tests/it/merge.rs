//! The plan of device reads, against a slow twin and against what it promises.

use crate::merge_twin::naive;
use flint_flash_io::{FileId, MergePolicy, Run, Want, merge};
use flint_geometry::Extent;
use proptest::prelude::*;

fn want(file: u32, offset: u64, len: u64) -> Want {
    Want { file: FileId(file), extent: Extent::new(offset, len).unwrap() }
}

fn plan(wants: &[Want], policy: MergePolicy) -> Vec<Run> {
    let mut runs = Vec::new();
    merge(wants, policy, &mut runs);
    runs
}

proptest! {
    #[test]
    fn the_plan_is_that_of_a_slow_twin(
        mut wants in proptest::collection::vec((0..3u32, 0u64..400, 1u64..20), 0..60),
        alignment in prop_oneof![Just(1u64), Just(4), Just(8)],
        max_gap_bytes in 0u64..20,
        max_request_bytes in 0u64..120,
    ) {
        wants.sort_unstable();
        let wants: Vec<Want> = wants
            .into_iter()
            .map(|(file, offset, len)| want(file, offset, len))
            .map(|want| Want { extent: want.extent.widen(alignment).unwrap(), ..want })
            .collect();
        let policy = MergePolicy { max_gap_bytes, max_request_bytes, part_bytes: 0 };
        prop_assert_eq!(plan(&wants, policy), naive(&wants, policy));
    }
}

#[test]
fn one_read_never_has_more_places_than_the_kernel_takes() {
    let policy = MergePolicy { max_gap_bytes: 1, max_request_bytes: u64::MAX, part_bytes: 0 };
    let dense: Vec<Want> = (0..2500).map(|n| want(0, n, 1)).collect();
    let runs = plan(&dense, policy);
    assert_eq!(runs.iter().map(|run| run.records.len()).collect::<Vec<_>>(), [1024, 1024, 452]);
    let gapped: Vec<Want> = (0..1000).map(|n| want(0, 2 * n, 1)).collect();
    let runs = plan(&gapped, policy);
    // 512 records have 511 gaps between them.
    assert_eq!(runs.iter().map(|run| run.records.len()).collect::<Vec<_>>(), [512, 488]);
}

#[test]
fn a_single_record_above_the_limit_is_still_read() {
    let policy = MergePolicy { max_gap_bytes: 0, max_request_bytes: 10, part_bytes: 0 };
    let runs = plan(&[want(0, 0, 100), want(0, 100, 100)], policy);
    assert_eq!(runs.len(), 2);
}
