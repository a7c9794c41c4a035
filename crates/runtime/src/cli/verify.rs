//! `flint verify`: every byte of a model, or the first tensor or record that is wrong.

use super::output::{bytes, say, say_json};
use super::progress::{advance, byte_bar};
use clap::Args;
use flint_engine::{EngineError, OpenModel};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// A bundle; or a GGUF file or checkpoint directory that was sealed
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Read a GGUF file or checkpoint directory once and write checksums of its tensors beside it: every read of later
    /// runs is compared with them
    #[arg(long)]
    seal: bool,
    /// Print one JSON object instead of a line
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(args: VerifyArgs) -> anyhow::Result<()> {
    if args.seal {
        return seal(&args);
    }
    let files = OpenModel::open(&args.model)?;
    let bar = byte_bar("verifying", args.json);
    let mut progress = |done, total| advance(&bar, done, total);
    let checked = match files.records() {
        Some(bundle) => {
            let checked = bundle.verify(&mut progress).map_err(EngineError::from);
            let copies = checked.and_then(|()| files.verify_copies(&mut progress));
            copies.map(|copies| bundle.file_bytes() + copies)
        }
        None => files.verify_sealed(&mut progress),
    };
    bar.finish_and_clear();
    let count = checked?;
    if args.json {
        return say_json(&serde_json::json!({ "ok": true, "bytes": count }));
    }
    say(&format!("{} is whole: {} checked\n", args.model.display(), bytes(count)))
}

fn seal(args: &VerifyArgs) -> anyhow::Result<()> {
    let files = OpenModel::open_unsealed(&args.model)?;
    let bar = byte_bar("sealing", args.json);
    let sealed = files.seal(&mut |done, total| advance(&bar, done, total));
    bar.finish_and_clear();
    let path = sealed?;
    let count = files.weights_bytes();
    if args.json {
        return say_json(&serde_json::json!({ "ok": true, "bytes": count, "seal": path }));
    }
    say(&format!(
        "{}: checksums of {} are in {}\n",
        args.model.display(),
        bytes(count),
        path.display()
    ))
}
