//! A chat answer as server-sent events: the role at once, then what becomes known, the reason of the end, what it took if
//! that was asked for, and `[DONE]`.

use super::choices::{Head, timings, usage};
use super::delivery::Delivery;
use super::logprobs;
use crate::answer::Part;
use crate::http::Problem;
use crate::schedule::Chosen;
use crate::stream::{Frames, event};
use axum::http::StatusCode;
use flint_chat::{Event, call_id};
use flint_engine::Tokenizer;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// The end of a stream that went well.
pub(super) const DONE: &str = "data: [DONE]\n\n";

/// Keeps a connection alive; no client sees it.
pub(super) const COMMENT: &str = ":\n\n";

pub(super) struct ChatFrames {
    head: Head,
    delivery: Delivery,
    /// Where probabilities were asked for.
    codec: Option<Arc<Tokenizer>>,
    /// Tokens whose text is not out yet.
    held: Vec<Chosen>,
    began: Instant,
}

impl ChatFrames {
    pub(super) fn new(head: Head, delivery: Delivery, codec: Option<Arc<Tokenizer>>) -> ChatFrames {
        ChatFrames { head, delivery, codec, held: Vec::new(), began: Instant::now() }
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>, tokens: &[Chosen]) -> Value {
        let codec = self.codec.as_deref().filter(|_| !tokens.is_empty());
        let choice = json!({
            "index": 0,
            "delta": delta,
            "logprobs": codec.map(|codec| logprobs::of_chat(codec, tokens)),
            "finish_reason": finish,
        });
        let mut object = self.head.object("chat.completion.chunk", &json!([choice]));
        if self.delivery.include_usage {
            object["usage"] = Value::Null;
        }
        object
    }

    fn role(&self) -> Value {
        self.chunk(&json!({ "role": "assistant", "content": "" }), None, &[])
    }

    fn delta(&self, event: Event) -> Value {
        match event {
            Event::Content(text) => json!({ "content": text }),
            Event::Reasoning(text) => json!({ "reasoning_content": text }),
            Event::CallStart { index, name } => json!({ "tool_calls": [{
                "index": index,
                "id": call_id(self.head.number, index),
                "type": "function",
                "function": { "name": name, "arguments": "" },
            }] }),
            Event::CallArguments { index, delta } => json!({ "tool_calls": [{
                "index": index,
                "function": { "arguments": delta },
            }] }),
        }
    }
}

impl Frames for ChatFrames {
    fn begin(&mut self, out: &mut VecDeque<String>) {
        out.push_back(event(&self.role()));
    }

    fn part(&mut self, part: Part, out: &mut VecDeque<String>) {
        match part {
            Part::Progress { .. } if !self.delivery.progress => {}
            Part::Progress { done, total, cached } => {
                let mut chunk = self.role();
                let time_ms = self.began.elapsed().as_secs_f64() * 1e3;
                chunk["prompt_progress"] = json!({ "total": total, "cache": cached, "processed": done, "time_ms": time_ms });
                out.push_back(event(&chunk));
            }
            Part::Pieces { events, tokens } => {
                self.held.extend(tokens);
                for piece in events {
                    let tokens = std::mem::take(&mut self.held);
                    let delta = self.delta(piece);
                    out.push_back(event(&self.chunk(&delta, None, &tokens)));
                }
            }
            Part::Done { finish, usage: used } => {
                let tokens = std::mem::take(&mut self.held);
                let mut last = self.chunk(&json!({}), Some(finish.name()), &tokens);
                last["timings"] = timings(&used);
                out.push_back(event(&last));
                if self.delivery.include_usage {
                    let mut object = self.head.object("chat.completion.chunk", &json!([]));
                    object["usage"] = usage(&used);
                    out.push_back(event(&object));
                }
                out.push_back(DONE.to_owned());
            }
            Part::Failed(why) => {
                let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why);
                out.push_back(event(&problem.json()));
            }
        }
    }

    fn idle(&self) -> Option<&'static str> {
        Some(COMMENT)
    }

    fn content_type(&self) -> &'static str {
        "text/event-stream"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Finish;
    use crate::usage::Usage;
    use std::time::Duration;

    fn frames(include_usage: bool) -> ChatFrames {
        let head = Head { id: "chatcmpl-1".into(), created: 5, model: "m".into(), number: 9 };
        let idle = Duration::from_secs(1);
        let delivery = Delivery { stream: true, include_usage, progress: false, idle };
        ChatFrames::new(head, delivery, None)
    }

    fn sent(frames: &mut ChatFrames, parts: Vec<Part>) -> Vec<String> {
        let mut out = VecDeque::new();
        frames.begin(&mut out);
        parts.into_iter().for_each(|part| frames.part(part, &mut out));
        out.into()
    }

    fn object(event: &str) -> Value {
        serde_json::from_str(event.strip_prefix("data: ").unwrap().trim_end()).unwrap()
    }

    #[test]
    fn calls_are_told_with_index_id_and_name_once() {
        let start = |index, name: &str| Event::CallStart { index, name: name.into() };
        let more = |index, delta: &str| Event::CallArguments { index, delta: delta.into() };
        let pieces = |events| Part::Pieces { events, tokens: Vec::new() };
        let done = Part::Done { finish: Finish::ToolCalls, usage: Usage::default() };
        let parts = vec![
            pieces(vec![start(0, "a"), more(0, "{\"x\"")]),
            pieces(vec![more(0, ": 1}"), start(1, "b"), more(1, "{}")]),
            done,
        ];
        let sent = sent(&mut frames(false), parts);
        let (last, events) = sent.split_last().unwrap();
        assert_eq!(last, DONE);
        let deltas =
            events[1..events.len() - 1].iter().map(|event| object(event)["choices"][0].clone());
        let mut calls: Vec<(String, String, String)> = Vec::new();
        for choice in deltas {
            assert_eq!(choice["finish_reason"], Value::Null);
            let call = &choice["delta"]["tool_calls"][0];
            let index = call["index"].as_u64().unwrap() as usize;
            if index == calls.len() {
                assert_eq!(call["type"], "function");
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                calls.push((text(&call["id"]), text(&call["function"]["name"]), String::new()));
            } else {
                assert!(call.get("id").is_none() && call["function"].get("name").is_none());
            }
            calls[index].2 += call["function"]["arguments"].as_str().unwrap();
        }
        let told: Vec<_> =
            calls.iter().map(|(_, name, arguments)| (&name[..], &arguments[..])).collect();
        assert_eq!(told, [("a", "{\"x\": 1}"), ("b", "{}")]);
        assert_ne!(calls[0].0, calls[1].0);
        assert_eq!(object(&events[events.len() - 1])["choices"][0]["finish_reason"], "tool_calls");
    }

    #[test]
    fn a_failure_ends_a_stream_without_done() {
        let sent = sent(&mut frames(true), vec![Part::Failed("disk".into())]);
        assert_eq!(sent.len(), 2);
        assert_eq!(object(&sent[1])["error"]["message"], "disk");
    }
}
