//! What the chores do, apart from the command line, so that tests can run them.

use std::path::Path;

pub mod ci;
pub mod fio;
mod machine;
pub mod measure;
pub mod paper;
pub mod synth;
pub mod tidy;
pub mod trace;
pub mod train_layer;

/// The directory of the workspace that this was built in.
pub fn workspace_root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
