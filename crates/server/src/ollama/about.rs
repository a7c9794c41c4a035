//! What the model is, in the words of this interface.

use super::Complaint;
use super::lines::rfc3339;
use crate::app::App;
use crate::hosted::Hosted;
use crate::http::{Fields, Problem, ok};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use flint_chat::ToolFormat;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Names carry a tag.
fn tagged(hosted: &Hosted) -> String {
    if hosted.name.contains(':') { hosted.name.clone() } else { format!("{}:latest", hosted.name) }
}

/// 64 digits that differ where models differ: clients compare them. They are no checksum of the weights.
fn digest(hosted: &Hosted) -> String {
    let part = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &hosted.name, hosted.facts.bytes, hosted.facts.parameters).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    (0..4).map(part).collect()
}

/// A count as people say it: 135M, 7.6B.
fn short(count: u64) -> String {
    let count = count as f64;
    let (value, unit) = match count {
        c if c >= 1e9 => (c / 1e9, "B"),
        c if c >= 1e6 => (c / 1e6, "M"),
        c => (c / 1e3, "K"),
    };
    let digits = usize::from(value < 10.0);
    format!("{value:.digits$}{unit}")
}

fn details(hosted: &Hosted) -> Value {
    json!({
        "parent_model": "",
        "format": hosted.facts.source,
        "family": hosted.facts.family,
        "families": [hosted.facts.family],
        "parameter_size": short(hosted.facts.parameters),
        "quantization_level": hosted.facts.weights.to_uppercase(),
    })
}

fn entry(hosted: &Hosted) -> Value {
    json!({
        "name": tagged(hosted),
        "model": tagged(hosted),
        "modified_at": rfc3339(Duration::from_secs(hosted.created)),
        "size": hosted.facts.bytes,
        "digest": digest(hosted),
        "details": details(hosted),
    })
}

pub(crate) async fn version() -> Response<Body> {
    // Clients ask whether it is new enough for what they do; this is what the interface here is like.
    ok(&json!({ "version": "0.12.0", "flint": env!("CARGO_PKG_VERSION") }))
}

pub(crate) async fn tags(State(app): State<Arc<App>>) -> Response<Body> {
    ok(&json!({ "models": [entry(&app.hosted)] }))
}

pub(crate) async fn ps(State(app): State<Arc<App>>) -> Response<Body> {
    let mut entry = entry(&app.hosted);
    // It stays until the server ends.
    entry["expires_at"] = "9999-12-31T23:59:59Z".into();
    entry["size_vram"] = 0.into();
    entry["context_length"] = app.hosted.facts.context.into();
    ok(&json!({ "models": [entry] }))
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Complaint> {
    let value = app.bodies.json(&headers, body).await?;
    let fields = Fields::of(&value)?;
    let hosted = &app.hosted;
    let asked = fields.text("model")?.or(fields.text("name")?).unwrap_or_default();
    if asked.is_empty() {
        return Err(Problem::field("model", "expected a name").into());
    }
    let prompter = hosted.prompter.as_ref().ok();
    let mut capabilities = vec!["completion"];
    if prompter.is_some_and(|it| it.tool_format() != ToolFormat::None) {
        capabilities.push("tools");
    }
    if prompter.is_some_and(flint_dialogue::Prompter::thinks) {
        capabilities.push("thinking");
    }
    let facts = &hosted.facts;
    let family = &facts.family;
    let mut info = json!({
        "general.architecture": family,
        "general.basename": hosted.name,
        "general.parameter_count": facts.parameters,
    });
    info[format!("{family}.context_length")] = facts.context.into();
    info[format!("{family}.embedding_length")] = facts.hidden.into();
    info[format!("{family}.block_count")] = facts.layers.into();
    info[format!("{family}.vocab_size")] = facts.vocabulary.into();
    Ok(ok(&json!({
        "modelfile": format!("FROM {}", tagged(hosted)),
        "parameters": "",
        "template": prompter.map(|it| it.template().source().default.as_str()).unwrap_or_default(),
        "details": details(hosted),
        "model_info": info,
        "capabilities": capabilities,
        "modified_at": rfc3339(Duration::from_secs(hosted.created)),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        assert_eq!([134_515_008, 7_615_616_512, 5_900].map(short), ["135M", "7.6B", "5.9K"]);
    }
}
