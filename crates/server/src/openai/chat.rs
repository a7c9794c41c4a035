//! `POST /v1/chat/completions`.

use super::chat_frames::ChatFrames;
use super::choices::{Head, timings, usage};
use super::delivery::Delivery;
use super::tools::Tools;
use super::{forms, logprobs, tools};
use crate::answer::{Reading, Whole};
use crate::app::App;
use crate::ask::{MOST_LOGPROBS, Wishes};
use crate::chat::{Chat, Prompted, date};
use crate::form::Form;
use crate::held::held_to;
use crate::hosted::Hosted;
use crate::http::{Fields, Problem, ok};
use crate::stream::respond;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use flint_chat::{Message, Role, call_id};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(crate) async fn chat_completions(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Problem> {
    app.ready()?;
    let value = app.bodies.json(&headers, body).await?;
    let fields = Fields::of(&value)?;
    let hosted = &app.hosted;
    let delivery = Delivery::read(fields)?;
    tools::check(fields)?;
    let mut wishes = Wishes::read(fields, app.defaults.sampling, hosted.facts.vocabulary)?;
    wishes.logprobs = top_logprobs(fields)?;
    let with_logprobs = wishes.logprobs.is_some();
    let prompted = chat(fields, &app)?.prompt(hosted).await?;
    let prompter = hosted.prompter.as_ref().map_err(Problem::wrong)?;
    wishes.form = form(fields, &app, &prompted).await?;
    wishes.stops.extend_from_slice(prompter.stops());
    let ends = prompter.ends().to_vec();
    let (tokens, marks) = (prompted.prompt.tokens, prompted.answering.marks);
    let job = wishes.job(tokens, hosted, ends, marks)?;
    let reading = Reading::new(app.ask(job)?, prompted.answering.format);
    let head = Head::new("chatcmpl", hosted);
    if delivery.stream {
        let codec = with_logprobs.then(|| Arc::clone(&hosted.codec));
        let frames = ChatFrames::new(head, delivery, codec);
        return Ok(respond(reading, frames, delivery.idle));
    }
    let whole = reading.whole().await;
    let whole = whole.map_err(|why| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why))?;
    Ok(ok(&completion(whole, &head, hosted, with_logprobs)))
}

/// The form that the answer is held to: that of the request, or that of a call that must be made.
async fn form(
    fields: Fields<'_>,
    app: &Arc<App>,
    prompted: &Prompted,
) -> Result<Option<Form>, Problem> {
    let tools = Tools::read(fields)?;
    let prompter = app.hosted.prompter.as_ref().map_err(Problem::wrong)?;
    match (forms::schema(fields)?, tools.call(prompter.tool_format())?) {
        (None, None) => Ok(None),
        (Some(schema), _) => held_to(schema, "response_format", app, prompted).await.map(Some),
        (None, Some(call)) => {
            let opening = app.hosted.codec.encode(&call.opening, false);
            let opening = opening.map_err(|error| Problem::wrong(error.to_string()))?;
            let form = app.form(call.schema, "tools").await?.opened_by(opening);
            prompted.after_thoughts(form, "tool_choice").map(Some)
        }
    }
}

/// What is said, and what the template is to know beside it.
pub(super) fn chat(fields: Fields<'_>, app: &App) -> Result<Chat, Problem> {
    if fields.flag("continue_final_message")? == Some(true) {
        return Err(Problem::field("continue_final_message", "an answer cannot be continued"));
    }
    app.hosted.check_given(["messages", "tools"].iter().filter_map(|name| fields.get(name)))?;
    let mut variables = Map::new();
    if let Some(more) = fields.object("chat_template_kwargs")? {
        variables.extend(more.0.clone());
    }
    if let Some(effort) = fields.text("reasoning_effort")? {
        variables.insert("reasoning_effort".to_owned(), effort.into());
    }
    Ok(Chat {
        messages: messages(fields)?,
        tools: Tools::read(fields)?.shown,
        variables,
        add_generation_prompt: fields.flag("add_generation_prompt")?.unwrap_or(true),
        now: date(fields)?.unwrap_or_else(|| app.now()),
    })
}

fn messages(fields: Fields<'_>) -> Result<Vec<Message>, Problem> {
    let list = fields.list("messages")?;
    let list = list.ok_or_else(|| Problem::field("messages", "expected a list of messages"))?;
    if list.is_empty() {
        return Err(Problem::field("messages", "expected at least one message"));
    }
    let message = |(index, value): (usize, &Value)| {
        let name = format!("messages[{index}]");
        let message: Message =
            serde_json::from_value(value.clone()).map_err(|error| Problem::field(&name, error))?;
        let silent = message.content.is_none() && message.tool_calls.is_empty();
        if message.role == Role::Assistant && silent {
            return Err(Problem::field(&name, "an answer has content or tool_calls"));
        }
        Ok(message)
    };
    list.iter().enumerate().map(message).collect()
}

/// How many of the likeliest tokens are named; `None` where no probabilities are asked for.
fn top_logprobs(fields: Fields<'_>) -> Result<Option<usize>, Problem> {
    let top = fields.count("top_logprobs", 0..=MOST_LOGPROBS)?;
    match (fields.flag("logprobs")?.unwrap_or(false), top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(Problem::field("top_logprobs", "needs logprobs: true")),
    }
}

/// The answer in one piece.
fn completion(whole: Whole, head: &Head, hosted: &Hosted, with_logprobs: bool) -> Value {
    let Whole { answer, tokens, finish, usage: used } = whole;
    let message = answer.into_message(|call| call_id(head.number, call));
    let mut message = serde_json::to_value(message).unwrap_or_default();
    message["refusal"] = Value::Null;
    let choice = json!({
        "index": 0,
        "message": message,
        "logprobs": with_logprobs.then(|| logprobs::of_chat(&hosted.codec, &tokens)),
        "finish_reason": finish.name(),
    });
    let mut object = head.object("chat.completion", &json!([choice]));
    object["usage"] = usage(&used);
    object["timings"] = timings(&used);
    object
}
