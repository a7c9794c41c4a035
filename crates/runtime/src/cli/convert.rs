//! `flint convert`, the same as `cargo xtask convert`.

mod calibration;

use super::args::{at_least_one, read_text, sparsity};
use super::interrupt::Interrupt;
use super::output::{bytes, note};
use super::progress::{advance, byte_bar};
use super::refuse;
use calibration::Shown;
use clap::Args;
use flint_convert::{
    CalibrateError, CalibrateOptions, ConvertError, ConvertEvent, ConvertOptions, PredictorKind,
};
use flint_engine::{EngineError, OpenModel};
use flint_geometry::DType;
use flint_model::Architecture;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Public-domain stories: what predictors learn from when no other text is given.
const DEFAULT_TEXT: &str = include_str!("../../assets/calibration.txt");

/// Turns a HuggingFace checkpoint or a GGUF file into a bundle.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Directory of the checkpoint, or a GGUF file, as downloaded
    #[arg(value_name = "HF_DIR|FILE.gguf", required_unless_present_any = ["predictors_only", "draft"])]
    checkpoint: Option<PathBuf>,
    /// Directory of the bundle
    #[arg(long, value_name = "DIR.flint")]
    out: PathBuf,
    /// Encoding to store: keep, f16, bf16 or f32; quantised files need one of the latter
    #[arg(long, value_name = "TYPE", default_value = "keep", value_parser = dtype)]
    dtype: Dtype,
    /// Replace a bundle that exists; it stays whole until the new one is
    #[arg(long)]
    force: bool,
    /// Make no predictors: the bundle runs in exact mode only
    #[arg(long, conflicts_with_all = ["calibrate", "predictors_only"])]
    no_predictor: bool,
    /// Make the predictors of a bundle that exists anew; its weights stay
    #[arg(long, conflicts_with_all = ["checkpoint", "force"])]
    predictors_only: bool,
    /// Keep a low-bit copy of what exact mode may stream: runs with --draft load it instead of making one of all weights. Without
    /// a checkpoint: of a bundle that exists
    #[arg(long, value_name = "TYPE", value_parser = ["q4_0"])]
    draft: Option<String>,
    /// Text that predictors learn from (token ids for a model without tokenizer) [default: public-domain
    /// stories]
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// Tokens of that text that are learnt from [default: 32768; with --sparsity at most 8192, fewer of a large model]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    calibrate_tokens: Option<usize>,
    /// Tokens of the rest of that text that quality is measured on [default: at most 16384, fewer of a large model]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    quality_tokens: Option<usize>,
    /// Shares of neurons that runs need not read of a model whose neurons are never zero: makes a threshold for each, 4-bit
    /// copies that stand in for what is not read, and measures what it costs
    #[arg(
        long,
        value_name = "F[,F..]",
        value_delimiter = ',',
        value_parser = sparsity,
        conflicts_with = "no_predictor"
    )]
    sparsity: Vec<f32>,
    /// Kind of predictor: low-rank (trained), gate-copy (low-bit copy of the deciding rows), or cascade (the one names
    /// candidates, the other tells which are active)
    #[arg(long, value_name = "KIND", default_value = PredictorKind::default().name())]
    predictor: PredictorKind,
}

#[derive(Debug, Clone, Copy)]
struct Dtype(Option<DType>);

fn dtype(text: &str) -> Result<Dtype, String> {
    if text == "keep" {
        return Ok(Dtype(None));
    }
    let found = text.parse().ok().filter(|dtype: &DType| !dtype.is_quantised());
    found
        .map(|dtype| Dtype(Some(dtype)))
        .ok_or_else(|| "expected keep, f16, bf16 or f32".to_owned())
}

/// Converts and says what happens.
///
/// # Errors
/// When the checkpoint cannot be converted or the bundle not be written.
pub fn convert(args: ConvertArgs) -> anyhow::Result<()> {
    if args.out.as_os_str().is_empty() {
        return Err(refuse("--out is empty"));
    }
    let sparsities = sparsities(&args)?;
    check_draft(&args, !sparsities.is_empty())?;
    // A text that cannot be read is found out before hours of work.
    let text = args.calibrate.as_deref().map(read_text).transpose()?;
    let interrupt = Interrupt::watch();
    let ended = match convert_both(&args, text.as_deref(), sparsities, &interrupt) {
        Err(error) if is_cancelled(&error) => {
            interrupt.claim_output();
            interrupt.print_final_report();
            Ok(())
        }
        other => other,
    };
    interrupt.leave_if_asked();
    ended
}

fn convert_both(
    args: &ConvertArgs,
    text: Option<&str>,
    sparsities: Vec<f32>,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    if let Some(checkpoint) = &args.checkpoint {
        if !sparsities.is_empty() {
            check_sparsity(&flint_convert::architecture(checkpoint)?)?;
        }
        write_bundle(args, checkpoint, interrupt)?;
    }
    if args.draft.is_some() {
        store_copies(args, interrupt)?;
    }
    if args.no_predictor || (args.checkpoint.is_none() && !args.predictors_only) {
        return Ok(());
    }
    make_predictors(args, text, sparsities, interrupt)
}

/// Whether the work ended because it was asked to.
fn is_cancelled(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(CalibrateError::Engine(EngineError::Cancelled)))
        || matches!(error.downcast_ref(), Some(EngineError::Cancelled))
        || matches!(error.downcast_ref(), Some(ConvertError::Cancelled))
}

fn write_bundle(
    args: &ConvertArgs,
    checkpoint: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let options = ConvertOptions {
        checkpoint: checkpoint.to_owned(),
        out: args.out.clone(),
        element: args.dtype.0,
        force: args.force,
        cancel: interrupt.cancel(),
    };
    let (writing, verifying) = (byte_bar("writing", false), byte_bar("verifying", false));
    let written = Arc::new(AtomicU64::new(0));
    let (so_far, out) = (Arc::clone(&written), args.out.clone());
    interrupt.set_final_report(move || {
        note(&format!(
            "stopped after {} were written: {} is as it was; run convert again",
            bytes(so_far.load(Ordering::Relaxed)),
            out.display()
        ));
    });
    let converted = flint_convert::convert(&options, &mut |event| match event {
        ConvertEvent::Planned { family, element, disk_bytes, free_bytes } => {
            let free = free_bytes.map_or("unknown".to_owned(), bytes);
            let disk = bytes(disk_bytes);
            note(&format!("{family} model in {element}: needs {disk} of disk, {free} free"));
        }
        ConvertEvent::LeftOut(unused) => note(&format!("flint: {unused}")),
        ConvertEvent::Written { done, total } => {
            written.store(done, Ordering::Relaxed);
            advance(&writing, done, total);
        }
        ConvertEvent::Verified { done, total } => {
            writing.finish_and_clear();
            advance(&verifying, done, total);
        }
        // Nothing else is told of yet.
        _ => {}
    });
    writing.finish_and_clear();
    verifying.finish_and_clear();
    let size = bytes(converted?.file_bytes());
    let out = args.out.clone();
    interrupt.set_final_report(move || {
        note(&format!("stopped: {} is complete, without predictors", out.display()));
    });
    note(&format!("{} is written and verified: {size}", args.out.display()));
    Ok(())
}

/// Writes the copies that drafts are made with.
fn store_copies(args: &ConvertArgs, interrupt: &Interrupt) -> anyhow::Result<()> {
    let out = args.out.clone();
    interrupt.set_final_report(move || {
        note(&format!("stopped: {} has no new copies for drafts", out.display()));
    });
    let files = OpenModel::open_to_store_copies(&args.out)?;
    let bar = byte_bar("copying", false);
    let progress = &mut |done, total| advance(&bar, done, total);
    let stored = flint_engine::store_copies(&files, &interrupt.cancel(), progress);
    bar.finish_and_clear();
    let path = stored?;
    let size = path.metadata().map_or(0, |found| found.len());
    note(&format!("{} holds copies for drafts: {}", path.display(), bytes(size)));
    Ok(())
}

/// Refuses copies that cannot be had, before anything is written, and options that would be ignored.
fn check_draft(args: &ConvertArgs, sparsities: bool) -> anyhow::Result<()> {
    if args.draft.is_none() {
        return Ok(());
    }
    let for_others = sparsities || args.calibrate.is_some() || args.dtype.0.is_some() || args.force;
    let Some(checkpoint) = &args.checkpoint else {
        return match for_others && !args.predictors_only {
            true => Err(refuse(
                "without a checkpoint --draft keeps copies of a bundle that exists: --sparsity and --calibrate need --predictors-only, --dtype and --force a checkpoint",
            )),
            false => Ok(()),
        };
    };
    let width = flint_convert::architecture(checkpoint)?.hidden;
    match width.is_multiple_of(DType::Q4_0.block_len()) {
        true => Ok(()),
        false => Err(refuse(format!(
            "--draft q4_0 needs rows of a multiple of 32 weights, those of this model have {width}"
        ))),
    }
}

/// Refuses thresholds for a model that needs none, before anything is written.
fn check_sparsity(architecture: &Architecture) -> anyhow::Result<()> {
    let activation = architecture.feed_forward.activation;
    if activation.is_sparse() {
        let activation = format!("{activation:?}");
        return Err(EngineError::SparsityOfZeros { activation }.into());
    }
    Ok(())
}

/// The shares asked for, ascending, each once.
fn sparsities(args: &ConvertArgs) -> anyhow::Result<Vec<f32>> {
    const MOST: usize = 16;
    let mut shares = args.sparsity.clone();
    shares.sort_by(f32::total_cmp);
    shares.dedup();
    match shares.len() {
        0..=MOST => Ok(shares),
        count => Err(refuse(format!("--sparsity takes at most {MOST} shares, not {count}"))),
    }
}

/// Trains, unless the model gives no exact zeros or has no tokenizer and no tokens were given.
fn make_predictors(
    args: &ConvertArgs,
    text: Option<&str>,
    sparsities: Vec<f32>,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let files = OpenModel::open(&args.out)?;
    let activation = files.architecture().feed_forward.activation;
    if !activation.is_sparse() && sparsities.is_empty() {
        note(&format!(
            "{activation:?} is never zero: no predictors, the model runs in exact mode (--sparsity F makes thresholds)"
        ));
        return Ok(());
    }
    let Some(tokens) = calibration_text(&files, text, !sparsities.is_empty())? else {
        return Ok(());
    };
    drop(files);
    let options = CalibrateOptions {
        kind: args.predictor,
        tokens: args.calibrate_tokens,
        quality_tokens: args.quality_tokens,
        sparsities,
        cancel: interrupt.cancel(),
        ..CalibrateOptions::new(args.out.clone())
    };
    let mut shown = Shown::new(steps(args, interrupt));
    let made = flint_convert::calibrate(&options, &tokens, &mut |event| shown.hear(event));
    shown.end();
    let size = made?.predictors().map_or(0, flint_bundle::Predictors::bytes);
    note(&format!("{} has predictors: {}", args.out.display(), bytes(size)));
    Ok(())
}

/// Counts the steps of making predictors, for the final report of a run that is stopped.
fn steps(args: &ConvertArgs, interrupt: &Interrupt) -> Arc<AtomicU64> {
    let (done, out) = (Arc::new(AtomicU64::new(0)), args.out.clone());
    let so_far = Arc::clone(&done);
    interrupt.set_final_report(move || {
        note(&format!(
            "stopped after {} steps of making predictors: {} runs without them; go on with \
             `flint convert --predictors-only --out {1}`",
            so_far.load(Ordering::Relaxed),
            out.display()
        ));
    });
    done
}

/// The tokens to learn from; none where there is nothing to make them of, unless they are `wanted`.
fn calibration_text(
    files: &OpenModel,
    text: Option<&str>,
    wanted: bool,
) -> anyhow::Result<Option<Vec<u32>>> {
    match (files.codec()?, text) {
        (Some(codec), Some(text)) => Ok(Some(codec.encode(text, false)?)),
        (Some(codec), None) => {
            note("predictors learn from public-domain stories; give --calibrate for other text");
            Ok(Some(codec.encode(DEFAULT_TEXT, false)?))
        }
        (None, Some(text)) => token_ids(text).map(Some),
        (None, None) if wanted => {
            Err(refuse("no tokenizer, so no text for --sparsity: give token ids with --calibrate"))
        }
        (None, None) => {
            note("no tokenizer, so no predictors: give token ids with --calibrate");
            Ok(None)
        }
    }
}

fn token_ids(text: &str) -> anyhow::Result<Vec<u32>> {
    let separators = |c: char| c.is_whitespace() || c == ',';
    let words = text.split(separators).filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.parse().map_err(|_| {
                EngineError::BadTokenizer { cause: format!("'{word}' is not a token id") }.into()
            })
        })
        .collect()
}
