//! Answers of this interface, in lines or in one piece.

use crate::answer::{Finish, Part, Reading};
use crate::http::{Problem, ok};
use crate::stream::Frames;
use crate::usage::Usage;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use flint_chat::{Event, Moment};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Which of the two routes answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Chat,
    Generate,
}

/// Makes the lines of one answer.
#[derive(Debug)]
pub(super) struct Lines {
    kind: Kind,
    model: String,
    began: Instant,
    /// A call that is being written: this interface tells whole ones.
    call: Option<(String, String)>,
}

/// The moment as RFC 3339 writes it.
pub(super) fn rfc3339(since: Duration) -> String {
    let moment = Moment::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), 0);
    let whole = moment.strftime("%Y-%m-%dT%H:%M:%S").unwrap_or_default();
    format!("{whole}.{:06}Z", since.subsec_micros())
}

fn now() -> String {
    rfc3339(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Lines {
    pub(super) fn new(kind: Kind, model: &str) -> Lines {
        Lines { kind, model: model.to_owned(), began: Instant::now(), call: None }
    }

    /// A line with these texts.
    fn line(&self, content: &str, thinking: &str, calls: Vec<Value>, done: bool) -> Value {
        let mut line = json!({ "model": self.model, "created_at": now() });
        let mut message = match self.kind {
            Kind::Chat => json!({ "role": "assistant", "content": content }),
            Kind::Generate => json!({ "response": content }),
        };
        if !thinking.is_empty() {
            message["thinking"] = thinking.into();
        }
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        match self.kind {
            Kind::Chat => line["message"] = message,
            Kind::Generate => extend(&mut line, message),
        }
        line["done"] = done.into();
        line
    }

    /// What became known: text, thoughts, and calls that are complete.
    fn pieces(&mut self, events: Vec<Event>) -> (String, String, Vec<Value>) {
        let (mut content, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
        for event in events {
            match event {
                Event::Content(text) => content += &text,
                Event::Reasoning(text) => thinking += &text,
                Event::CallStart { name, .. } => {
                    calls.extend(self.call.replace((name, String::new())).map(call));
                }
                Event::CallArguments { delta, .. } => {
                    if let Some((_, arguments)) = &mut self.call {
                        *arguments += &delta;
                    }
                }
            }
        }
        (content, thinking, calls)
    }

    fn last(&self, line: Value, finish: Finish, usage: &Usage) -> Value {
        let mut last = line;
        let reason = if finish == Finish::Length { "length" } else { "stop" };
        extend(
            &mut last,
            json!({
                "done_reason": reason,
                "total_duration": nanoseconds(self.began.elapsed()),
                "load_duration": nanoseconds(usage.queued),
                "prompt_eval_count": usage.prompt,
                "prompt_eval_duration": nanoseconds(usage.prefill),
                "eval_count": usage.generated,
                "eval_duration": nanoseconds(usage.decode),
            }),
        );
        last
    }

    /// The answer in one piece.
    pub(super) async fn whole(mut self, mut reading: Reading) -> Result<Response<Body>, Problem> {
        let (mut content, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
        loop {
            match reading.next().await {
                Part::Progress { .. } => {}
                Part::Pieces { events, .. } => {
                    let (more, thoughts, called) = self.pieces(events);
                    content += &more;
                    thinking += &thoughts;
                    calls.extend(called);
                }
                Part::Done { finish, usage } => {
                    calls.extend(self.call.take().map(call));
                    let line = self.line(&content, &thinking, calls, true);
                    return Ok(ok(&self.last(line, finish, &usage)));
                }
                Part::Failed(why) => {
                    return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why));
                }
            }
        }
    }

    /// The answer to a request that asks for nothing but the model.
    pub(super) fn loaded(&self, reason: &str) -> Response<Body> {
        let mut line = self.line("", "", Vec::new(), true);
        line["done_reason"] = reason.into();
        ok(&line)
    }
}

impl Frames for Lines {
    fn begin(&mut self, _: &mut VecDeque<String>) {}

    fn part(&mut self, part: Part, out: &mut VecDeque<String>) {
        match part {
            Part::Progress { .. } => {}
            Part::Pieces { events, .. } => {
                let (content, thinking, calls) = self.pieces(events);
                if !(content.is_empty() && thinking.is_empty() && calls.is_empty()) {
                    out.push_back(format!("{}\n", self.line(&content, &thinking, calls, false)));
                }
            }
            Part::Done { finish, usage } => {
                if let Some(last) = self.call.take() {
                    out.push_back(format!("{}\n", self.line("", "", vec![call(last)], false)));
                }
                let line = self.line("", "", Vec::new(), true);
                out.push_back(format!("{}\n", self.last(line, finish, &usage)));
            }
            Part::Failed(why) => out.push_back(format!("{}\n", json!({ "error": why }))),
        }
    }

    fn idle(&self) -> Option<&'static str> {
        None
    }

    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }
}

/// A call; arguments that are no object are told as they were written.
fn call((name, arguments): (String, String)) -> Value {
    let object = match arguments.trim() {
        "" => Ok(Map::new()),
        text => serde_json::from_str::<Map<String, Value>>(text),
    };
    let arguments = object.map_or(Value::String(arguments), Value::Object);
    json!({ "function": { "name": name, "arguments": arguments } })
}

fn extend(line: &mut Value, more: Value) {
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_has_them() {
        assert_eq!(rfc3339(Duration::new(1_700_000_000, 5_000)), "2023-11-14T22:13:20.000005Z");
    }

    #[test]
    fn calls_are_told_whole_with_arguments_as_objects() {
        let mut lines = Lines::new(Kind::Chat, "m");
        let start = |index, name: &str| Event::CallStart { index, name: name.to_owned() };
        let more = |index, delta: &str| Event::CallArguments { index, delta: delta.to_owned() };
        let first = lines.pieces(vec![start(0, "a"), more(0, "{\"x\"")]).2;
        assert_eq!(first, [] as [Value; 0]);
        let second = lines.pieces(vec![more(0, ": 1}"), start(1, "b")]).2;
        assert_eq!(second, [json!({"function": {"name": "a", "arguments": {"x": 1}}})]);
        let last = lines.call.take().map(call);
        assert_eq!(last, Some(json!({"function": {"name": "b", "arguments": {}}})));
    }
}
