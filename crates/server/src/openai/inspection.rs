//! Tokens and templates to look at, as llama-server offers them.

use super::chat::chat;
use crate::app::App;
use crate::http::{Fields, Problem, ok};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest text that is taken apart, in bytes: its tokens take a hundred times as much memory.
const LONGEST_TEXT: usize = 1 << 20;

/// Text to tokens.
pub(crate) async fn tokenize(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let value = app.bodies.json(&headers, body).await?;
    let fields = Fields::of(&value)?;
    let text = fields.text("content")?.unwrap_or_default().to_owned();
    if text.len() > LONGEST_TEXT {
        return Err(Problem::field("content", format!("longer than {LONGEST_TEXT} bytes")));
    }
    let whole = fields.flag("add_special")?.unwrap_or(false);
    let pieces = fields.flag("with_pieces")?.unwrap_or(false);
    let codec = Arc::clone(&app.hosted.codec);
    let encode = move || {
        let tokens =
            codec.encode(&text, whole).map_err(|error| Problem::wrong(error.to_string()))?;
        let piece = |&token: &u32| json!({ "id": token, "piece": String::from_utf8_lossy(&codec.bytes(token)) });
        let shown: Vec<Value> = match pieces {
            true => tokens.iter().map(piece).collect(),
            false => tokens.into_iter().map(Value::from).collect(),
        };
        Ok(ok(&json!({ "tokens": shown })))
    };
    let encoded = tokio::task::spawn_blocking(encode).await;
    encoded.unwrap_or_else(|_| Err(Problem::wrong("the tokenizer failed")))
}

/// Tokens to text.
pub(crate) async fn detokenize(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let value = app.bodies.json(&headers, body).await?;
    let list = Fields::of(&value)?.list("tokens")?.cloned().unwrap_or_default();
    let token = |value: &Value| value.as_u64().and_then(|it| u32::try_from(it).ok());
    let tokens: Option<Vec<u32>> = list.iter().map(token).collect();
    let tokens = tokens.ok_or_else(|| Problem::field("tokens", "expected tokens"))?;
    let text = app.hosted.codec.decode(&tokens);
    let text = text.map_err(|error| Problem::wrong(error.to_string()))?;
    Ok(ok(&json!({ "content": text })))
}

/// A chat to the prompt that the model would be given.
pub(crate) async fn apply_template(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let value = app.bodies.json(&headers, body).await?;
    let prompted = chat(Fields::of(&value)?, &app)?.prompt(&app.hosted).await?;
    Ok(ok(&json!({ "prompt": prompted.prompt.text, "tokens": prompted.prompt.tokens.len() })))
}

/// What is served and how.
pub(crate) async fn props(State(app): State<Arc<App>>) -> Response<Body> {
    let hosted = &app.hosted;
    let template = hosted.prompter.as_ref().ok().map(|it| it.template().source().default.clone());
    ok(&json!({
        "model_alias": hosted.name,
        "chat_template": template,
        "default_generation_settings": { "n_ctx": hosted.facts.context },
        "build_info": concat!("flint ", env!("CARGO_PKG_VERSION")),
    }))
}
