//! Progress bars with time left, on a terminal only; drawn on stderr. What is for show never ends a run.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::thread;
use std::time::Duration;

/// Between two drawings of a bar on which nothing moves.
const TICK: Duration = Duration::from_millis(250);

const BYTES: &str = "{msg:<9} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
const COUNT: &str = "{msg:<9} [{bar:30}] {pos} of {len}, {per_sec}, {eta} left";

/// A bar that counts bytes; drawn once `total` is known.
pub(super) fn byte_bar(what: &'static str, quiet: bool) -> ProgressBar {
    bar(what, BYTES, quiet)
}

/// A bar that counts things.
pub(super) fn count_bar(what: &'static str, quiet: bool) -> ProgressBar {
    bar(what, COUNT, quiet)
}

fn bar(what: &'static str, template: &str, quiet: bool) -> ProgressBar {
    let target =
        if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(8) };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style).with_message(what);
    if !bar.is_hidden() {
        keep_drawing(&bar);
    }
    bar
}

/// Lets the time left go on between steps. The library's own ticks panic where the system has no thread to give; without
/// one this bar is drawn when it moves.
fn keep_drawing(bar: &ProgressBar) {
    let drawn = bar.downgrade();
    let draw = move || {
        while let Some(bar) = drawn.upgrade().filter(|bar| !bar.is_finished()) {
            bar.tick();
            drop(bar);
            thread::sleep(TICK);
        }
    };
    let _ = thread::Builder::new().name("flint-progress".to_owned()).spawn(draw);
}

/// Moves a bar.
pub(super) fn advance(bar: &ProgressBar, done: u64, total: u64) {
    if bar.length() != Some(total) {
        bar.set_length(total);
    }
    bar.set_position(done);
}
