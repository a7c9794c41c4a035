//! What the chores do, apart from the command line, so that tests can run them.

use std::path::Path;

pub mod ci;
pub mod compare;
pub mod fio;
pub mod gguf;
mod machine;
pub mod measure;
pub mod paper;
pub mod synth;
pub mod tidy;
pub mod trace;
pub mod train_layer;

/// What the request or its input did wrong, in one line: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// The directory of the workspace that this was built in.
pub fn workspace_root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
