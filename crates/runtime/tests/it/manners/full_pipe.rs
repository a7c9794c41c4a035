//! Somebody who has the output but does not read it.

use super::SOON;
use crate::program::{ended, flint, signal};
use flint_fixtures::tiny_opt_bundle;
use rustix::process::Signal;
use std::io::Write;
use std::time::Duration;

/// What a pipe holds unless somebody changes it.
const PIPE: usize = 64 << 10;

#[test]
fn a_run_whose_output_nobody_reads_still_ends_when_it_is_asked_to() {
    let model = tiny_opt_bundle();
    let run = ["generate", "-m", model.to_str().unwrap(), "-p", "Once upon a time", "-n", "9"];
    let (_unread, mut write) = std::io::pipe().unwrap();
    write.write_all(&[b'x'; PIPE]).unwrap();
    let child = flint(&run).stdout(write).spawn().unwrap();
    // The prompt fills the pipe: from then on the program waits for the reader.
    std::thread::sleep(Duration::from_millis(1500));
    signal(&child, Signal::TERM);
    let (status, ..) = ended(child, SOON);
    assert_eq!(status.code(), Some(143));
}
