//! `flint inspect`: what a bundle holds.

use super::output::{bytes, say, say_json};
use crate::ModelFiles;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The bundle
    #[arg(value_name = "DIR.flint")]
    bundle: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(args: InspectArgs) -> anyhow::Result<()> {
    let files = ModelFiles::open(&args.bundle)?;
    if args.json { say_json(&description(&files)) } else { say(&table(&files)) }
}

fn description(files: &ModelFiles) -> Value {
    let (bundle, shape) = (files.bundle(), files.bundle().shape());
    let text =
        |text: &flint_bundle::TextEntry| json!({ "name": text.name, "bytes": text.extent.len() });
    let tensor = |tensor: &flint_bundle::TensorEntry| json!({ "name": tensor.name, "element": tensor.element.name(), "dims": tensor.dims });
    json!({
        "format_version": flint_bundle::FORMAT_VERSION,
        "family": bundle.source().family,
        "converter": bundle.source().converter,
        "fingerprint": bundle.source().fingerprint,
        "architecture": files.architecture(),
        "layers": shape.layers,
        "neurons": shape.neurons,
        "element": shape.record.element().name(),
        "record_bytes": shape.record.payload_bytes(),
        "record_stride": shape.record.stride(),
        "weights_bytes": bundle.weights_bytes(),
        "neuron_bytes": shape.neuron_bytes(),
        "disk_bytes": bundle.file_bytes(),
        "predictors": bundle.predictors().map(|p| p.kind.clone()),
        "texts": bundle.texts().iter().map(text).collect::<Vec<_>>(),
        "tensors": bundle.tensors().iter().map(tensor).collect::<Vec<_>>(),
    })
}

fn table(files: &ModelFiles) -> String {
    let (bundle, architecture) = (files.bundle(), files.architecture());
    let (shape, source) = (bundle.shape(), bundle.source());
    let feed_forward = &architecture.feed_forward;
    let texts: Vec<&str> = bundle.texts().iter().map(|text| text.name.as_str()).collect();
    let predictors = bundle.predictors().map_or("none: exact mode only", |p| p.kind.as_str());
    [
        format!("family       {}", source.family),
        format!("written by   {} from {}", source.converter, source.fingerprint),
        format!(
            "model        {} layers of {} with {} neurons ({:?}{}), vocabulary {}, context {}",
            shape.layers,
            architecture.hidden,
            shape.neurons,
            feed_forward.activation,
            if feed_forward.gated { ", gated" } else { "" },
            shape.vocabulary,
            shape.context
        ),
        format!(
            "weights      {}: dense {}, neurons {}",
            bytes(bundle.weights_bytes()),
            bytes(bundle.weights_bytes() - shape.neuron_bytes()),
            bytes(shape.neuron_bytes())
        ),
        format!(
            "records      {} of {} bytes ({}), one every {} bytes",
            u64::from(shape.layers) * u64::from(shape.neurons),
            shape.record.payload_bytes(),
            shape.record.element(),
            shape.record.stride()
        ),
        format!("on disk      {}", bytes(bundle.file_bytes())),
        format!("predictors   {predictors}"),
        format!("texts        {}", texts.join(", ")),
    ]
    .join("\n")
        + "\n"
}
