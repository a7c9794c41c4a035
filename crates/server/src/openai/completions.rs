//! `POST /v1/completions`: a raw prompt, in which special tokens are recognised, as for `flint generate -p`.

use super::choices::{Head, sum, timings, usage};
use super::completion_frames::CompletionFrames;
use super::delivery::Delivery;
use super::{forms, logprobs, tools};
use crate::answer::{Reading, Whole};
use crate::app::App;
use crate::ask::{MOST_LOGPROBS, Wishes};
use crate::hosted::Hosted;
use crate::http::{Fields, Problem, ok};
use crate::stream::respond;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use flint_chat::AnswerFormat;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most prompts of a request.
const MOST_PROMPTS: usize = 64;

/// A prompt as it came.
#[derive(Debug, Clone, PartialEq)]
enum Raw {
    Text(String),
    Tokens(Vec<u32>),
}

/// What is done with the text beside generating it.
#[derive(Debug, Clone, Copy)]
struct Extras {
    echo: bool,
    logprobs: bool,
}

pub(crate) async fn completions(
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
    wishes.logprobs = fields.count("logprobs", 0..=MOST_LOGPROBS)?;
    if let Some(schema) = forms::schema(fields)? {
        wishes.form = Some(app.form(schema, "response_format").await?);
    }
    let extras = extras(fields, wishes.logprobs.is_some())?;
    let raws = prompts(fields)?;
    let texts = if extras.echo { Some(echoes(&raws, hosted)?) } else { None };
    let prompts = encode(raws, hosted).await?;
    let job = |tokens| wishes.clone().job(tokens, hosted, hosted.ends.clone(), Vec::new());
    let jobs = prompts.into_iter().map(job).collect::<Result<Vec<_>, _>>()?;
    let head = Head::new("cmpl", hosted);
    if delivery.stream {
        let [job] = <[_; 1]>::try_from(jobs)
            .map_err(|_| Problem::field("prompt", "only one prompt can be streamed"))?;
        let reading = Reading::new(app.ask(job)?, AnswerFormat::plain());
        let codec = extras.logprobs.then(|| Arc::clone(&hosted.codec));
        let echo = texts.and_then(|texts| texts.into_iter().next());
        return Ok(respond(
            reading,
            CompletionFrames::new(head, delivery, codec, echo),
            delivery.idle,
        ));
    }
    let tickets = jobs.into_iter().map(|job| app.ask(job)).collect::<Result<Vec<_>, _>>()?;
    let mut wholes = Vec::new();
    for ticket in tickets {
        let whole = Reading::new(ticket, AnswerFormat::plain()).whole().await;
        wholes.push(whole.map_err(|why| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why))?);
    }
    Ok(ok(&completion(wholes, &head, hosted, extras, texts.as_deref())))
}

fn extras(fields: Fields<'_>, logprobs: bool) -> Result<Extras, Problem> {
    let echo = fields.flag("echo")?.unwrap_or(false);
    if echo && logprobs {
        return Err(Problem::field("echo", "probabilities of the prompt are not computed"));
    }
    if fields.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(Problem::field("suffix", "text cannot be inserted"));
    }
    match fields.integer("best_of", i64::MIN..=i64::MAX)? {
        None | Some(1) => Ok(Extras { echo, logprobs }),
        Some(_) => Err(Problem::field("best_of", "must be 1")),
    }
}

/// A text, tokens, or a list of either.
fn prompts(fields: Fields<'_>) -> Result<Vec<Raw>, Problem> {
    let wrong = || Problem::field("prompt", "expected a text, tokens, or a list of these");
    let one = |value: &Value| match value {
        Value::String(text) => Ok(Raw::Text(text.clone())),
        Value::Array(list) => tokens(list).map(Raw::Tokens).ok_or_else(wrong),
        _ => Err(wrong()),
    };
    let all = match fields.get("prompt").ok_or_else(wrong)? {
        Value::Array(list) if list.first().is_some_and(|it| !it.is_number()) => {
            list.iter().map(one).collect::<Result<Vec<_>, _>>()?
        }
        other => vec![one(other)?],
    };
    if all.len() > MOST_PROMPTS {
        return Err(Problem::field("prompt", format!("at most {MOST_PROMPTS} prompts")));
    }
    Ok(all)
}

fn tokens(list: &[Value]) -> Option<Vec<u32>> {
    list.iter().map(|it| u32::try_from(it.as_u64()?).ok()).collect()
}

async fn encode(raws: Vec<Raw>, hosted: &Arc<Hosted>) -> Result<Vec<Vec<u32>>, Problem> {
    let hosted = Arc::clone(hosted);
    let encode = move || {
        let one = |raw| match raw {
            Raw::Text(text) => hosted.encode(&text),
            Raw::Tokens(tokens) => Ok(tokens),
        };
        raws.into_iter().map(one).collect()
    };
    let encoded = tokio::task::spawn_blocking(encode).await;
    encoded.unwrap_or_else(|_| Err(Problem::wrong("the tokenizer failed")))
}

/// The prompts as text.
fn echoes(raws: &[Raw], hosted: &Hosted) -> Result<Vec<String>, Problem> {
    let text = |raw: &Raw| match raw {
        Raw::Text(text) => Ok(text.clone()),
        Raw::Tokens(tokens) => {
            hosted.codec.decode(tokens).map_err(|error| Problem::wrong(error.to_string()))
        }
    };
    raws.iter().map(text).collect()
}

/// The answers in one piece.
fn completion(
    wholes: Vec<Whole>,
    head: &Head,
    hosted: &Hosted,
    extras: Extras,
    texts: Option<&[String]>,
) -> Value {
    let used = sum(&wholes.iter().map(|whole| whole.usage).collect::<Vec<_>>());
    let choice = |(index, whole): (usize, Whole)| {
        let before = texts.map_or("", |texts| texts[index].as_str());
        let text = format!("{before}{}", whole.answer.content);
        let logprobs = || logprobs::of_completion(&hosted.codec, &whole.tokens, &mut 0);
        json!({
            "index": index,
            "text": text,
            "logprobs": extras.logprobs.then(logprobs),
            "finish_reason": whole.finish.name(),
        })
    };
    let choices: Vec<Value> = wholes.into_iter().enumerate().map(choice).collect();
    let mut object = head.object("text_completion", &choices.into());
    object["usage"] = usage(&used);
    object["timings"] = timings(&used);
    object
}
