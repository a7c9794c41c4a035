//! `flint convert`, the same as `cargo xtask convert`.

use super::output::{bytes, note};
use super::progress::{advance, byte_bar};
use super::refuse;
use crate::convert::{ConvertEvent, ConvertOptions};
use clap::Args;
use flint_geometry::ElementType;
use std::path::PathBuf;

/// Turns a HuggingFace checkpoint into a bundle.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Directory of the checkpoint, as downloaded
    #[arg(value_name = "HF_DIR")]
    checkpoint: PathBuf,
    /// Directory of the bundle
    #[arg(long, value_name = "DIR.flint")]
    out: PathBuf,
    /// Encoding to store: keep, f16, bf16 or f32
    #[arg(long, value_name = "TYPE", default_value = "keep", value_parser = dtype)]
    dtype: Dtype,
    /// Replace a bundle that exists; it stays whole until the new one is
    #[arg(long)]
    force: bool,
    /// Train no predictors; this version trains none in any case
    #[arg(long)]
    no_predictor: bool,
}

#[derive(Debug, Clone, Copy)]
struct Dtype(Option<ElementType>);

fn dtype(text: &str) -> Result<Dtype, String> {
    if text == "keep" {
        return Ok(Dtype(None));
    }
    text.parse()
        .map(|element| Dtype(Some(element)))
        .map_err(|_| "expected keep, f16, bf16 or f32".to_owned())
}

/// Converts and says what happens.
///
/// # Errors
/// When the checkpoint cannot be converted or the bundle not be written.
pub fn convert(args: ConvertArgs) -> anyhow::Result<()> {
    if args.out.as_os_str().is_empty() {
        return Err(refuse("--out is empty"));
    }
    let options = ConvertOptions {
        checkpoint: args.checkpoint,
        out: args.out.clone(),
        element: args.dtype.0,
        force: args.force,
    };
    let (writing, verifying) = (byte_bar("writing", false), byte_bar("verifying", false));
    let converted = crate::convert::convert(&options, &mut |event| match event {
        ConvertEvent::Planned { family, element, disk_bytes, free_bytes } => {
            let free = free_bytes.map_or("unknown".to_owned(), bytes);
            let disk = bytes(disk_bytes);
            note(&format!("{family} model in {element}: needs {disk} of disk, {free} free"));
        }
        ConvertEvent::Written { done, total } => advance(&writing, done, total),
        ConvertEvent::Verified { done, total } => {
            writing.finish_and_clear();
            advance(&verifying, done, total);
        }
    });
    writing.finish_and_clear();
    verifying.finish_and_clear();
    let bundle = converted?;
    note(&format!(
        "{} is written and verified: {}, no predictors (exact mode)",
        args.out.display(),
        bytes(bundle.file_bytes())
    ));
    Ok(())
}
