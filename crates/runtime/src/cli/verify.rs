//! `flint verify`: every byte of a bundle, or the first one that is wrong.

use super::output::{bytes, say, say_json};
use super::progress::{advance, byte_bar};
use clap::Args;
use flint_engine::ModelFiles;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The bundle
    #[arg(value_name = "DIR.flint")]
    bundle: PathBuf,
    /// Print one JSON object instead of a line
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(args: VerifyArgs) -> anyhow::Result<()> {
    let files = ModelFiles::open(&args.bundle)?;
    let bar = byte_bar("verifying", args.json);
    let checked = files.bundle()?.verify(&mut |done, total| advance(&bar, done, total));
    bar.finish_and_clear();
    checked?;
    let count = files.bundle()?.file_bytes();
    if args.json {
        return say_json(&serde_json::json!({ "ok": true, "bytes": count }));
    }
    say(&format!("{} is whole: {} checked\n", args.bundle.display(), bytes(count)))
}
