//! What fuzz targets share whose code calls a library that may panic over a file, which is then an error.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

/// What the last panic said: only one that is a finding is worth a line.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Lets panics unwind as they do in the program; libFuzzer's own hook would end the run at the first one.
pub fn panics_unwind() {
    set_hook(Box::new(|panic| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

/// Runs `body`; a panic that leaves it is a finding.
pub fn no_panic(body: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(body)).is_err() {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        std::process::abort();
    }
}
