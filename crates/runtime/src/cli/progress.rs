//! Progress bars with time left, on a terminal only; drawn on stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

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
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// Moves a bar.
pub(super) fn advance(bar: &ProgressBar, done: u64, total: u64) {
    if bar.length() != Some(total) {
        bar.set_length(total);
    }
    bar.set_position(done);
}
