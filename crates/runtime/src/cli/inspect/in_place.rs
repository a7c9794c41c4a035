//! What a model is that is used from the files of others.

use super::super::output::{bytes, say, say_json};
use flint_engine::ModelFiles;
use serde_json::json;

pub(super) fn inspect(files: &ModelFiles, as_json: bool) -> anyhow::Result<()> {
    let architecture = files.architecture();
    let types = files.bytes_by_dtype();
    if as_json {
        let types: Vec<_> = types
            .iter()
            .map(|(dtype, bytes)| json!({ "dtype": dtype.name(), "bytes": bytes }))
            .collect();
        return say_json(&json!({
            "source": files.kind().name(),
            "family": architecture.family,
            "architecture": architecture,
            "layers": architecture.layers,
            "neurons": architecture.most_neurons(),
            "weights_bytes": files.weights_bytes(),
            "types": types,
            "reads_checked": files.is_checked(),
        }));
    }
    let types: Vec<String> =
        types.iter().map(|(dtype, size)| format!("{} in {dtype}", bytes(*size))).collect();
    let checked =
        if files.is_checked() { "checked" } else { "not checked: there are no checksums" };
    let feed_forward = &architecture.feed_forward;
    let lines = [
        format!("used from    a {}, as it lies there", files.kind().name()),
        format!("family       {}", architecture.family),
        format!(
            "model        {} layers of {} with {} neurons ({:?}{}), vocabulary {}, context {}",
            architecture.layers,
            architecture.hidden,
            architecture.most_neurons(),
            feed_forward.activation,
            if feed_forward.gated { ", gated" } else { "" },
            architecture.vocabulary,
            architecture.context
        ),
        format!("weights      {}: {}", bytes(files.weights_bytes()), types.join(", ")),
        format!("reads        {checked}"),
        "modes        exact: predictors need a bundle (`flint convert`)".to_owned(),
    ];
    say(&(lines.join("\n") + "\n"))
}
