//! The plan of device reads against its slow twin.
#![no_main]

use flint_flash_io::{FileId, MergePolicy, Want, merge};
use flint_geometry::Extent;

#[path = "../../crates/flash-io/tests/it/merge_twin.rs"]
mod merge_twin;

/// Wants of a few bytes each, near together or (a length of 255) at the end of all offsets.
fn wants(bytes: &[u8], alignment: u64) -> Vec<Want> {
    let (records, _) = bytes.as_chunks::<3>();
    let want = |&[file, place, len]: &[u8; 3]| {
        let offset = if len == 255 { u64::MAX - 600 + u64::from(place) } else { u64::from(place) };
        let extent = Extent::new(offset, u64::from(len % 32) + 1)?.widen(alignment)?;
        Some(Want { file: FileId(u32::from(file % 3)), extent })
    };
    let mut wants: Vec<Want> = records.iter().take(80).filter_map(want).collect();
    wants.sort_unstable();
    wants
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [alignment, gap, request, records @ ..] = bytes else { return };
    let wants = wants(records, 1 << (alignment % 5));
    let policy = MergePolicy {
        max_gap_bytes: u64::from(*gap),
        max_request_bytes: if *request == 255 { u64::MAX } else { u64::from(*request) * 4 },
    };
    let mut runs = Vec::new();
    merge(&wants, policy, &mut runs);
    assert_eq!(runs, merge_twin::naive(&wants, policy));
});
