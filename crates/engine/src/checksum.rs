//! Checksums of what was read, on all threads.

use flint_kernels::Compute;

/// Fewer bytes are checked by one thread: putting a checksum behind another takes 11 to 14 us, as long as the checksum of some
/// 350 KB, and it is done once per thread (`cargo bench -p flint-benches --bench checksums`).
const WORTH_SHARING: usize = 1 << 20;

/// The checksum of what `crc` is of, with `bytes` behind it.
pub(crate) fn append_shared(
    compute: &Compute,
    crc: u32,
    bytes: &[u8],
    parts: &mut Vec<u32>,
) -> u32 {
    if bytes.len() < WORTH_SHARING {
        return crc32c::crc32c_append(crc, bytes);
    }
    append_in_parts(compute, crc, bytes, parts)
}

/// The same; each thread takes its part.
fn append_in_parts(compute: &Compute, crc: u32, bytes: &[u8], parts: &mut Vec<u32>) -> u32 {
    let share = bytes.len().div_ceil(compute.threads()).max(1);
    parts.clear();
    parts.resize(bytes.len().div_ceil(share), 0);
    let work = bytes.chunks(share).zip(parts.iter_mut());
    compute.share(bytes.len(), work, |(bytes, part)| *part = crc32c::crc32c(bytes));
    let parts = bytes.chunks(share).zip(parts.iter());
    parts.fold(crc, |crc, (bytes, &part)| crc32c::crc32c_combine(crc, part, bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flint_kernels::Isa;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_together_have_the_checksum_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cut in 0usize..300,
            threads in 1usize..4,
        ) {
            let compute = Compute::new(Isa::Scalar, threads).unwrap();
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let crc = append_in_parts(&compute, crc32c::crc32c(head), tail, &mut Vec::new());
            prop_assert_eq!(crc, crc32c::crc32c(&bytes));
        }
    }
}
