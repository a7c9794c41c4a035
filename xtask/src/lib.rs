//! What the chores do, apart from the command line, so that tests can run them.

use std::path::Path;

pub mod ci;
pub mod handed_on;
pub mod tidy;

/// The directory of the workspace that this was built in.
pub fn workspace_root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
