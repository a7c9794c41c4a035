//! Memory for direct reads: lent to a file as one box, and back.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use flint_iobuf::Pool;
use std::fs::File;
use std::os::unix::fs::FileExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Sixteen places of a page each, in one mapping; nothing is touched before it is used.
    let pool = Pool::new(16, 4096)?;
    let mut place = pool.take().ok_or("a new pool is free")?;
    assert_eq!(place.as_ptr() as usize % 4096, 0, "a place begins at a page: fit for O_DIRECT");
    let read = File::open(std::env::current_exe()?)?.read_at(&mut place, 0)?;
    println!("{read} bytes in place {}, the first four are {:02x?}", place.index(), &place[..4]);
    // Another thread may own it meanwhile; whoever drops it gives it back.
    std::thread::spawn(move || drop(place)).join().map_err(|_| "the thread ended early")?;
    assert_eq!(pool.take().map(|place| place.index()), Some(0));
    Ok(())
}
