//! `POST /api/chat`.

use super::Complaint;
use super::lines::{Kind, Lines};
use super::options::{check, load_reason, schema, thinking, wishes};
use crate::answer::Reading;
use crate::app::App;
use crate::chat::Chat;
use crate::held::held_to;
use crate::http::{Fields, Problem};
use crate::stream::{IDLE, respond};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use flint_chat::Message;
use serde_json::Value;
use std::sync::Arc;

pub(crate) async fn chat(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Complaint> {
    app.ready()?;
    let value = app.bodies.json(&headers, body).await?;
    let fields = Fields::of(&value)?;
    check(fields)?;
    app.hosted.check_given(["messages", "tools"].iter().filter_map(|name| fields.get(name)))?;
    let messages = messages(fields)?;
    if messages.is_empty() {
        return Ok(Lines::new(Kind::Chat, &app.hosted.name).loaded(load_reason(fields)));
    }
    let chat = Chat {
        messages,
        tools: fields.list("tools")?.cloned().unwrap_or_default(),
        variables: thinking(fields)?,
        add_generation_prompt: true,
        now: app.now(),
    };
    Ok(answer(&app, fields, chat, Kind::Chat).await?)
}

/// The answer to a chat, by whichever route it came.
pub(super) async fn answer(
    app: &Arc<App>,
    fields: Fields<'_>,
    chat: Chat,
    kind: Kind,
) -> Result<Response<Body>, Problem> {
    let hosted = &app.hosted;
    let stream = fields.flag("stream")?.unwrap_or(true);
    let mut wishes = wishes(fields, app)?;
    let prompted = chat.prompt(hosted).await?;
    if let Some(schema) = schema(fields)? {
        wishes.form = Some(held_to(schema, "format", app, &prompted).await?);
    }
    let prompter = hosted.prompter.as_ref().map_err(Problem::wrong)?;
    wishes.stops.extend_from_slice(prompter.stops());
    let ends = prompter.ends().to_vec();
    let job = wishes.job(prompted.prompt.tokens, hosted, ends, prompted.answering.marks)?;
    let reading = Reading::new(app.ask(job)?, prompted.answering.format);
    let lines = Lines::new(kind, &hosted.name);
    if stream { Ok(respond(reading, lines, IDLE)) } else { lines.whole(reading).await }
}

fn messages(fields: Fields<'_>) -> Result<Vec<Message>, Problem> {
    let Some(list) = fields.list("messages")? else { return Ok(Vec::new()) };
    let message = |(index, value): (usize, &Value)| {
        let name = format!("messages[{index}]");
        if Fields::of(value)?.list("images")?.is_some_and(|it| !it.is_empty()) {
            return Err(Problem::field(&name, "this model reads text alone"));
        }
        let mut message: Message =
            serde_json::from_value(value.clone()).map_err(|error| Problem::field(&name, error))?;
        if message.name.is_none() {
            message.name = Fields::of(value)?.text("tool_name")?.map(str::to_owned);
        }
        Ok(message)
    };
    list.iter().enumerate().map(message).collect()
}
