//! The ceiling: the fastest plain read of memory that we know, to set the kernels beside.
#![expect(unsafe_code, reason = "run-time detected instructions: see docs/UNSAFE.md")]

/// Cache lines are asked for this many bytes ahead.
const AHEAD: usize = 1024;

/// Reads all of `bytes` on `threads` threads, four streams each with software prefetch.
pub(crate) fn read(bytes: &[u8], threads: usize) -> u64 {
    let share = (bytes.len() / threads).next_multiple_of(4 * 64);
    std::thread::scope(|scope| {
        let mut parts = bytes.chunks(share);
        let own = parts.next();
        let others: Vec<_> = parts.map(|part| scope.spawn(|| read_part(part))).collect();
        let own = own.map_or(0, read_part);
        others.into_iter().filter_map(|other| other.join().ok()).fold(own, |a, b| a ^ b)
    })
}

#[cfg(target_arch = "x86_64")]
fn read_part(part: &[u8]) -> u64 {
    #[target_feature(enable = "avx2")]
    fn compiled(part: &[u8]) -> u64 {
        four_streams(part, |line| std::arch::x86_64::_mm_prefetch::<3>(line.cast()))
    }
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU was just seen to have AVX2.
        unsafe { compiled(part) }
    } else {
        four_streams(part, |_| {})
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn read_part(part: &[u8]) -> u64 {
    four_streams(part, |_| {})
}

#[inline(always)]
fn four_streams(part: &[u8], prefetch: impl Fn(*const u8)) -> u64 {
    let (lines, _) = part.as_chunks::<64>();
    let quarter = lines.len() / 4;
    let streams: [&[[u8; 64]]; 4] = std::array::from_fn(|s| &lines[s * quarter..][..quarter]);
    let mut sums = [[0u64; 8]; 4];
    for line in 0..quarter {
        for (stream, sums) in streams.iter().zip(&mut sums) {
            let line = &stream[line];
            prefetch(line.as_ptr().wrapping_add(AHEAD));
            for (sum, word) in sums.iter_mut().zip(line.as_chunks::<8>().0) {
                *sum ^= u64::from_le_bytes(*word);
            }
        }
    }
    sums.iter().flatten().fold(0, |a, b| a ^ b)
}
