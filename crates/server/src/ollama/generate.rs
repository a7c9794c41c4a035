//! `POST /api/generate`: one question, or with `raw` a prompt as it is.

use super::Complaint;
use super::chat::answer;
use super::lines::{Kind, Lines};
use super::options::{check, load_reason, schema, thinking, wishes};
use crate::answer::Reading;
use crate::app::App;
use crate::chat::Chat;
use crate::http::{Fields, Problem};
use crate::stream::{IDLE, respond};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use flint_chat::{AnswerFormat, Message};
use std::sync::Arc;

pub(crate) async fn generate(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Complaint> {
    app.ready()?;
    let value = app.bodies.json(&headers, body).await?;
    let fields = Fields::of(&value)?;
    check(fields)?;
    let prompt = fields.text("prompt")?.unwrap_or_default();
    if prompt.is_empty() {
        return Ok(Lines::new(Kind::Generate, &app.hosted.name).loaded(load_reason(fields)));
    }
    app.hosted.check_given(fields.get("prompt").into_iter().chain(fields.get("system")))?;
    if fields.flag("raw")?.unwrap_or(false) || app.hosted.prompter.is_err() {
        return Ok(raw(&app, fields, prompt).await?);
    }
    let system = fields.text("system")?.filter(|text| !text.is_empty());
    let messages = system.map(Message::system).into_iter().chain([Message::user(prompt)]);
    let chat = Chat {
        messages: messages.collect(),
        tools: Vec::new(),
        variables: thinking(fields)?,
        add_generation_prompt: true,
        now: app.now(),
    };
    Ok(answer(&app, fields, chat, Kind::Generate).await?)
}

/// The text that follows a prompt. Special tokens in it are recognised: programs write templates of their own.
async fn raw(app: &Arc<App>, fields: Fields<'_>, prompt: &str) -> Result<Response<Body>, Problem> {
    let hosted = &app.hosted;
    let stream = fields.flag("stream")?.unwrap_or(true);
    let (model, text) = (Arc::clone(hosted), prompt.to_owned());
    let encoded = tokio::task::spawn_blocking(move || model.encode(&text)).await;
    let tokens = encoded.map_err(|_| Problem::wrong("the tokenizer failed"))??;
    let mut wishes = wishes(fields, app)?;
    if let Some(schema) = schema(fields)? {
        wishes.form = Some(app.form(schema, "format").await?);
    }
    let job = wishes.job(tokens, hosted, hosted.ends.clone(), Vec::new())?;
    let reading = Reading::new(app.ask(job)?, AnswerFormat::plain());
    let lines = Lines::new(Kind::Generate, &hosted.name);
    if stream { Ok(respond(reading, lines, IDLE)) } else { lines.whole(reading).await }
}
