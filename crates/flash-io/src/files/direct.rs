//! Direct reading on Linux: asked for, then proven, since a successful open proves nothing.
#![expect(unsafe_code, reason = "statx, fstatfs and fadvise: see docs/UNSAFE.md")]

use flint_iobuf::{Lease, PAGE};
use std::fs::{File, OpenOptions};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// What reads are aligned to where the file system does not say: no device in use wants more.
const ASSUMED: u32 = 4096;

/// Opens `path` directly and compares its first and last block with what `buffered` reads. Returns the alignment
/// that the file needs, or a reason.
pub(super) fn open(path: &Path, buffered: &File) -> Result<(File, u32), String> {
    if lives_in_memory(buffered) {
        return Err("its file system keeps files in memory, there is no device to reach: \
                    put the file on a disk"
            .to_owned());
    }
    let alignment = alignment(buffered)?;
    let direct = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)
        .map_err(|cause| format!("its file system refuses direct reading ({cause})"))?;
    let bytes = buffered.metadata().map_err(|cause| cause.to_string())?.len();
    let step = u64::from(alignment);
    compare(&direct, buffered, 0, alignment)?;
    compare(&direct, buffered, bytes.saturating_sub(1) / step * step, alignment)?;
    Ok((direct, alignment))
}

/// Tells the kernel not to read ahead of reads that jump: what it fetched would be thrown away.
pub(super) fn expect_random_reads(file: &File) {
    // SAFETY: an advice on an open descriptor; it touches no memory. A refusal costs speed alone.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
}

fn compare(direct: &File, buffered: &File, offset: u64, alignment: u32) -> Result<(), String> {
    let bytes = alignment as usize;
    let lease = || Lease::alone(bytes).map_err(|cause| cause.to_string());
    let (mut ours, mut theirs) = (lease()?, lease()?);
    let read = |file: &File, into: &mut [u8], how| {
        file.read_at(into, offset).map_err(|cause| format!("a {how} read failed ({cause})"))
    };
    let got = read(direct, &mut ours[..bytes], "direct")?;
    let expected = read(buffered, &mut theirs[..bytes], "buffered")?;
    if got == expected && ours[..got] == theirs[..got] {
        Ok(())
    } else {
        Err(format!("a direct read at offset {offset} returned other bytes than a buffered one"))
    }
}

/// The alignment that statx reports for direct reads of `file`.
fn alignment(file: &File) -> Result<u32, String> {
    let mut answer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is an empty C string, which with AT_EMPTY_PATH means the descriptor itself; the answer
    // is memory of the right type that lives through the call.
    let code = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_DIOALIGN,
            answer.as_mut_ptr(),
        )
    };
    if code != 0 {
        // A kernel without statx can still read directly.
        return Ok(ASSUMED);
    }
    // SAFETY: zeroes are a valid statx, and the call only wrote fields of it.
    let answer = unsafe { answer.assume_init() };
    if answer.stx_mask & libc::STATX_DIOALIGN == 0 {
        return Ok(ASSUMED);
    }
    let (memory, offset) = (answer.stx_dio_mem_align, answer.stx_dio_offset_align);
    let needed = memory.max(offset);
    if offset == 0 || !needed.is_power_of_two() {
        return Err("its file system says that it cannot be read directly".to_owned());
    }
    if memory as usize > PAGE {
        return Err(format!("it would have to be read into memory aligned to {memory} bytes"));
    }
    Ok(needed)
}

/// Whether the file lies on tmpfs. Newer kernels accept direct reads there and copy from memory.
fn lives_in_memory(file: &File) -> bool {
    let mut answer = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the answer is memory of the right type that lives through the call.
    let code = unsafe { libc::fstatfs(file.as_raw_fd(), answer.as_mut_ptr()) };
    // SAFETY: zeroes are a valid statfs, and the call only wrote fields of it.
    let answer = unsafe { answer.assume_init() };
    code == 0 && answer.f_type == libc::TMPFS_MAGIC
}
