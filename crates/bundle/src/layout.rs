//! Where sections start: the one alignment rule that every data file follows.

/// Every section of a data file starts at a multiple of this and is followed by zeros up to the
/// next one. So a read widened to this grain never crosses the end of its file.
pub const SECTION: u64 = 4096;

/// The first section start at or after `end`; `None` past 64 bits.
pub(crate) fn next_section(end: u64) -> Option<u64> {
    end.checked_next_multiple_of(SECTION)
}
