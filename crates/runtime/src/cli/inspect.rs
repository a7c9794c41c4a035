//! `flint inspect`: what a model is and holds.

mod gguf;
mod in_place;

use super::output::{bytes, cost, say, say_json};
use clap::Args;
use flint_bundle::{Bundle, Calibration, GroupCalibration, LoadsPerToken};
use flint_engine::{OpenModel, Sparsity, sparsities};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A bundle, a checkpoint directory, or a GGUF file
    #[arg(value_name = "MODEL")]
    bundle: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(args: InspectArgs) -> anyhow::Result<()> {
    if args.bundle.is_file() {
        return gguf::inspect(&args.bundle, args.json);
    }
    let files = OpenModel::open(&args.bundle)?;
    let Some(bundle) = files.records() else { return in_place::inspect(&files, args.json) };
    let sparsities = sparsities(&files)?;
    if args.json {
        say_json(&description(&files, bundle, &sparsities))
    } else {
        say(&table(&files, bundle, &sparsities))
    }
}

fn description(files: &OpenModel, bundle: &Bundle, sparsities: &[Sparsity]) -> Value {
    let sparsity = |known: &Sparsity| {
        json!({
            "sparsity": known.sparsity,
            "perplexity": known.perplexity,
            "perplexity_exact": known.perplexity_exact,
            "quality_cost": known.cost(),
            "precision": known.precision.map(|it| {
                json!({
                    "tokens": it.tokens,
                    "margin": it.margin,
                    "margin_exact": it.margin_exact,
                    "margin_cost": it.margin_cost,
                    "agreement": it.agreement,
                    "margin_agreement": it.margin_agreement,
                })
            }),
        })
    };
    let shape = bundle.shape();
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
        "copies_bytes": files.stored_copy_bytes(),
        "predictors": bundle.predictors().map(|p| p.kind.clone()),
        "predictor_bytes": bundle.predictors().map(flint_bundle::Predictors::bytes),
        "sparsities": sparsities.iter().map(sparsity).collect::<Vec<_>>(),
        "calibration": bundle.calibration().map(calibration_json),
        "texts": bundle.texts().iter().map(text).collect::<Vec<_>>(),
        "tensors": bundle.tensors().iter().map(tensor).collect::<Vec<_>>(),
    })
}

fn table(files: &OpenModel, bundle: &Bundle, sparsities: &[Sparsity]) -> String {
    let architecture = files.architecture();
    let (shape, source) = (bundle.shape(), bundle.source());
    let feed_forward = &architecture.feed_forward;
    let texts: Vec<&str> = bundle.texts().iter().map(|text| text.name.as_str()).collect();
    let predictors = match bundle.predictors().map(|found| found.kind.as_str()) {
        None => "none: exact mode only".to_owned(),
        Some(kind) if sparsities.is_empty() => kind.to_owned(),
        Some(kind) => format!("{kind}: exact mode unless --sparsity is given"),
    };
    let copies = match files.stored_copy_bytes() {
        None => "none: made of the weights where --draft needs them".to_owned(),
        Some(size) => format!("{} in 4 bits, for drafts", bytes(size)),
    };
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
        format!("copies       {copies}"),
        format!("texts        {}", texts.join(", ")),
    ]
    .join("\n")
        + "\n"
        + &calibration(bundle, sparsities)
}

fn calibration_json(calibration: &Calibration) -> Value {
    let group = |group: &GroupCalibration| {
        json!({
            "active_mean": group.active_mean,
            "predicted_mean": group.predicted_mean,
            "recall": group.recall,
            "precision": group.precision,
        })
    };
    let point = |point: &LoadsPerToken| json!({ "slots": point.slots, "loads": point.loads });
    json!({
        "tokens": calibration.tokens,
        "groups": calibration.groups.iter().map(group).collect::<Vec<_>>(),
        "perplexity_exact": calibration.perplexity_exact,
        "perplexity_sparse": calibration.perplexity_sparse,
        "loads_per_token": calibration.loads_per_token.iter().map(point).collect::<Vec<_>>(),
    })
}

/// What the predictors do, as measured on text that they were not trained on: a table and a chart.
fn calibration(bundle: &Bundle, sparsities: &[Sparsity]) -> String {
    let Some(found) = bundle.calibration() else { return String::new() };
    let size = bundle.predictors().map_or(0, flint_bundle::Predictors::bytes);
    let share = size as f64 * 100.0 / bundle.shape().neuron_bytes() as f64;
    let at = sparsities.first().map_or(String::new(), |first| {
        format!(" with sparsity {} (active: the strongest)", first.sparsity)
    });
    let mut text = format!(
        "\npredictors take {} ({share:.1} % of the neurons); on {} tokens not trained on{at}:\n",
        bytes(size),
        found.tokens
    );
    text += "layer    active  predicted  per active   recall  precision\n";
    for (layer, group) in found.groups.iter().enumerate() {
        text += &format!(
            "{layer:>5}  {:>8.1}  {:>9.1}  {:>10.2}  {:>7.4}  {:>9.4}\n",
            group.active_mean,
            group.predicted_mean,
            group.predicted_mean / group.active_mean.max(f32::MIN_POSITIVE),
            group.recall,
            group.precision
        );
    }
    if let (Some(exact), Some(sparse)) = (found.perplexity_exact, found.perplexity_sparse) {
        let cost = (sparse / exact - 1.0) * 100.0;
        text += &format!("perplexity: exact {exact:.3}, sparse {sparse:.3} ({cost:+.2} %)\n");
    }
    for known in sparsities {
        text += &(cost(known) + "\n");
    }
    text + &chart(&found.loads_per_token)
}

/// Neurons loaded per token against slots, as bars.
fn chart(curve: &[LoadsPerToken]) -> String {
    const WIDEST: f64 = 50.0;
    let most = curve.iter().map(|point| point.loads).fold(0.0, f64::max).max(1.0);
    let mut text = "neurons loaded per token by slots (default policy of the version that made the predictors):\n".to_owned();
    for point in curve {
        let bar = "#".repeat((point.loads / most * WIDEST).round() as usize);
        text += &format!("{:>9}  {:>8.1}  {bar}\n", point.slots, point.loads);
    }
    text
}
