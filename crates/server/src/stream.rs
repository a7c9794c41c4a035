//! Bodies that grow while an answer comes. Dropping one, as happens when a client goes away, takes its request back.

use crate::answer::{Part, Reading};
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use serde_json::Value;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

/// Turns the parts of an answer into what is sent.
pub(crate) trait Frames: Send + 'static {
    /// What is sent before anything is known.
    fn begin(&mut self, out: &mut VecDeque<String>);

    /// What a part is sent as.
    fn part(&mut self, part: Part, out: &mut VecDeque<String>);

    /// What is sent when nothing happened for a while; `None` for nothing.
    fn idle(&self) -> Option<&'static str>;

    /// The type of the body.
    fn content_type(&self) -> &'static str;
}

/// How long nothing is sent at most: proxies and clients give up after a minute.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

struct State<F> {
    reading: Reading,
    frames: F,
    ready: VecDeque<String>,
    over: bool,
    /// How long nothing is sent at most.
    idle: Duration,
}

/// A body of `frames` over what `reading` gives.
pub(crate) fn respond<F: Frames>(
    reading: Reading,
    mut frames: F,
    idle: Duration,
) -> Response<Body> {
    let kind = frames.content_type();
    let mut ready = VecDeque::new();
    frames.begin(&mut ready);
    let state = State { reading, frames, ready, over: false, idle };
    let stream = futures_util::stream::unfold(state, |mut state| async move {
        loop {
            if let Some(text) = state.ready.pop_front() {
                return Some((Ok::<_, Infallible>(text), state));
            }
            if state.over {
                return None;
            }
            match tokio::time::timeout(state.idle, state.reading.next()).await {
                Ok(part) => {
                    state.over = matches!(part, Part::Done { .. } | Part::Failed(_));
                    state.frames.part(part, &mut state.ready);
                }
                Err(_) => state.ready.extend(state.frames.idle().map(str::to_owned)),
            }
        }
    });
    let mut response = Response::new(Body::from_stream(stream));
    stream_headers(&mut response, kind);
    response
}

/// What a body that grows says of itself: it is not to be kept, and passed on as it comes.
pub(crate) fn stream_headers(response: &mut Response<Body>, kind: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// One event of a stream of server-sent events.
pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
