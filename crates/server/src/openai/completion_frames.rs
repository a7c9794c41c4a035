//! A completion as server-sent events.

use super::chat_frames::{COMMENT, DONE};
use super::choices::{Head, timings, usage};
use super::delivery::Delivery;
use super::logprobs;
use crate::answer::Part;
use crate::http::Problem;
use crate::schedule::Chosen;
use crate::stream::{Frames, event};
use axum::http::StatusCode;
use flint_chat::Event;
use flint_engine::Tokenizer;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

pub(super) struct CompletionFrames {
    head: Head,
    delivery: Delivery,
    /// Where probabilities were asked for.
    codec: Option<Arc<Tokenizer>>,
    /// The prompt, where it is to be repeated.
    echo: Option<String>,
    /// Where the text of the next token begins.
    offset: usize,
}

impl CompletionFrames {
    pub(super) fn new(
        head: Head,
        delivery: Delivery,
        codec: Option<Arc<Tokenizer>>,
        echo: Option<String>,
    ) -> CompletionFrames {
        CompletionFrames { head, delivery, codec, echo, offset: 0 }
    }

    fn chunk(&mut self, text: &str, finish: Option<&str>, tokens: &[Chosen]) -> Value {
        let offset = &mut self.offset;
        let codec = self.codec.as_deref().filter(|_| !tokens.is_empty());
        let choice = json!({
            "index": 0,
            "text": text,
            "logprobs": codec.map(|codec| logprobs::of_completion(codec, tokens, offset)),
            "finish_reason": finish,
        });
        let mut object = self.head.object("text_completion", &json!([choice]));
        if self.delivery.include_usage {
            object["usage"] = Value::Null;
        }
        object
    }
}

impl Frames for CompletionFrames {
    fn begin(&mut self, out: &mut VecDeque<String>) {
        // An empty text tells a client that its request was taken.
        let echo = self.echo.take().unwrap_or_default();
        out.push_back(event(&self.chunk(&echo, None, &[])));
    }

    fn part(&mut self, part: Part, out: &mut VecDeque<String>) {
        match part {
            Part::Progress { .. } => {}
            Part::Pieces { events, tokens } => {
                let text = events.into_iter().map(|event| match event {
                    Event::Content(text) => text,
                    _ => String::new(),
                });
                let text: String = text.collect();
                if !text.is_empty() || !tokens.is_empty() {
                    out.push_back(event(&self.chunk(&text, None, &tokens)));
                }
            }
            Part::Done { finish, usage: used } => {
                let mut last = self.chunk("", Some(finish.name()), &[]);
                last["timings"] = timings(&used);
                out.push_back(event(&last));
                if self.delivery.include_usage {
                    let mut object = self.head.object("text_completion", &json!([]));
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
