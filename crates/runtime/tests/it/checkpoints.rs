//! Checkpoints as they are downloaded: PyTorch files, shards, mixed encodings, tokenizers of every form.

mod layout;
mod memory;
mod names;
mod pytorch;
pub(crate) mod pytorch_file;
mod tokenizers;

use flint_convert::{ConvertError, ConvertOptions, convert};
use std::fs;
use std::path::Path;

/// Copies the files of a directory into another.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Why the checkpoint in `dir` is not converted; checks that nothing is left behind.
fn refusal(dir: &Path) -> ConvertError {
    let out = dir.join("model.flint");
    let checkpoint = dir.to_owned();
    let options = ConvertOptions {
        checkpoint,
        out: out.clone(),
        element: None,
        force: false,
        cancel: flint_engine::CancelToken::default(),
    };
    let error = convert(&options, &mut |_| {}).expect_err("the checkpoint is refused");
    assert!(!out.join("manifest.bin").exists(), "no bundle is left");
    error
}
