//! What a model is that is used from the files of others.

use super::super::output::{bytes, say, say_json};
use flint_engine::{OpenModel, RunOptions, needs};
use flint_model::Architecture;
use serde_json::{Value, json};

/// Context that memory is told for: enough for a conversation, and less than most models have.
const CONTEXT: usize = 4096;

pub(super) fn inspect(files: &OpenModel, as_json: bool) -> anyhow::Result<()> {
    if as_json { say_json(&description(files)?) } else { say(&(lines(files)?.join("\n") + "\n")) }
}

/// What can be run, as one JSON object.
pub(super) fn description(files: &OpenModel) -> anyhow::Result<Value> {
    let architecture = files.architecture();
    let types = files.bytes_by_dtype();
    let types = types.iter().map(|(dtype, bytes)| json!({ "dtype": dtype.name(), "bytes": bytes }));
    let needs = needs(files, &RunOptions::default(), CONTEXT)?;
    Ok(json!({
        "source": files.kind().name(),
        "family": architecture.family,
        "architecture": architecture,
        "layers": architecture.layers,
        "neurons": architecture.most_neurons(),
        "weights_bytes": files.weights_bytes(),
        "types": types.collect::<Vec<_>>(),
        "reads_checked": files.is_checked(),
        "notes": files.notes(),
        "unused_tensors": files.unused_tensors().names(),
        "needs": { "context": needs.context, "least_bytes": needs.least, "most_bytes": needs.most },
    }))
}

/// The same for people.
pub(super) fn lines(files: &OpenModel) -> anyhow::Result<Vec<String>> {
    let architecture = files.architecture();
    let types = files.bytes_by_dtype();
    let types: Vec<String> =
        types.iter().map(|(dtype, size)| format!("{} in {dtype}", bytes(*size))).collect();
    let checked = if files.is_checked() {
        "checked"
    } else {
        "not checked: there are no checksums (`flint verify --seal` makes some)"
    };
    let needs = needs(files, &RunOptions::default(), CONTEXT)?;
    let mut lines = vec![
        format!("used from    a {}, as it lies there", files.kind().name()),
        format!("family       {}", architecture.family),
        format!("model        {}", model(files)),
    ];
    lines.extend(experts(files));
    lines.extend([
        format!("weights      {}: {}", bytes(files.weights_bytes()), types.join(", ")),
        format!("reads        {checked}"),
        format!("modes        {}", modes(architecture)),
        format!(
            "memory       {} at least; with {} nothing is read while it runs (context of {} tokens)",
            bytes(needs.least),
            bytes(needs.most),
            needs.context
        ),
    ]);
    lines.extend(files.notes().iter().map(|note| format!("note         {note}")));
    if !files.unused_tensors().names().is_empty() {
        lines.push(format!("note         {}", files.unused_tensors()));
    }
    Ok(lines)
}

fn modes(architecture: &Architecture) -> &'static str {
    match architecture.experts {
        Some(_) => "exact: the router says which experts a token needs",
        None => "exact: predictors need a bundle (`flint convert`)",
    }
}

fn experts(files: &OpenModel) -> Option<String> {
    let architecture = files.architecture();
    let experts = architecture.experts.as_ref()?;
    let shared = match experts.shared {
        0 => String::new(),
        neurons => format!(", one of {neurons} neurons for every token"),
    };
    let layers = architecture.layers - experts.dense_layers;
    Some(format!(
        "experts      {} of {} neurons ({:?}) in each of {layers} layers, {} for a token{shared}",
        experts.count, experts.neurons, experts.activation, experts.routing.used
    ))
}

fn model(files: &OpenModel) -> String {
    let architecture = files.architecture();
    if architecture.experts.as_ref().is_some_and(|experts| experts.dense_layers == 0) {
        let (layers, hidden) = (architecture.layers, architecture.hidden);
        let (vocabulary, context) = (architecture.vocabulary, architecture.context);
        return format!("{layers} layers of {hidden}, vocabulary {vocabulary}, context {context}");
    }
    let feed_forward = &architecture.feed_forward;
    format!(
        "{} layers of {} with {} neurons ({:?}{}), vocabulary {}, context {}",
        architecture.layers,
        architecture.hidden,
        architecture.most_neurons(),
        feed_forward.activation,
        if feed_forward.gated { ", gated" } else { "" },
        architecture.vocabulary,
        architecture.context
    )
}
