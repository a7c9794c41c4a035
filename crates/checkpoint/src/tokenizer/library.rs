//! The library that runs tokenizers, let loose on files that may have been made to harm.

use super::screen;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokenizers::Tokenizer;

thread_local! {
    /// Whether the library is at work, on a file that may have been made to harm.
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is that of the library over a file, which is an error like any other.
pub fn panics_are_errors() -> bool {
    AT_WORK.get()
}

/// Lets the library read a `tokenizer.json`.
///
/// # Errors
/// When it is not one, or holds what the library should not see; as a message for the user.
pub fn read(json: &[u8]) -> Result<Tokenizer, String> {
    screen::screen(json)?;
    guarded(|| Tokenizer::from_bytes(json))
}

/// Runs the library. Some files make it panic; to whoever gave the file that is one more way to be wrong.
///
/// # Errors
/// What the library says, or that it panicked.
pub fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    let before = AT_WORK.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    AT_WORK.set(before);
    match done {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the library that reads tokenizers fails on it".to_owned()),
    }
}
