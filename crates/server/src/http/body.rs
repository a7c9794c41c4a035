//! Reads the body of a request: bounded in bytes, in time, in depth and in what it becomes in memory.

use super::problem::Problem;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Longest body, in bytes.
pub(crate) const LONGEST: usize = 32 << 20;

/// Bodies of this many bytes together may be under way at once.
const TOGETHER: usize = 2 * LONGEST;

/// Bytes that one permit stands for.
const GRAIN: usize = 64 << 10;

/// How long a client may take to send a body.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most values in a body: each takes tens of bytes in memory, and of a text only its own.
const MOST_VALUES: usize = 1 << 19;

/// Room for the bodies that are under way.
#[derive(Debug, Clone)]
pub(crate) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Bodies {
        Bodies(Arc::new(Semaphore::new(TOGETHER / GRAIN)))
    }
}

impl Bodies {
    /// The JSON value of a body.
    pub(crate) async fn json(&self, headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
        let too_long = || {
            let message = format!("the body is longer than {LONGEST} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        };
        let said =
            headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
        let length: usize = said.unwrap_or(LONGEST);
        if length > LONGEST {
            return Err(too_long());
        }
        let slow = || Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to come");
        let permits = length.div_ceil(GRAIN) as u32;
        let reading = async {
            let permit = self.0.acquire_many(permits).await.map_err(|_| slow())?;
            let bytes = to_bytes(body, LONGEST).await.map_err(|error| cause(&error, too_long))?;
            Ok((permit, bytes))
        };
        let (_permit, bytes) =
            tokio::time::timeout(PATIENCE, reading).await.map_err(|_| slow())??;
        let parsed = tokio::task::spawn_blocking(move || parse(&bytes)).await;
        parsed.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "cannot parse"))?
    }
}

/// The limit, or a client that went away in the middle.
fn cause(error: &axum::Error, too_long: impl Fn() -> Problem) -> Problem {
    let text = error.to_string();
    if text.contains("length limit") { too_long() } else { Problem::wrong("the body is not whole") }
}

/// Parses a body. The depth of values is bounded by the parser.
fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if values(bytes) > MOST_VALUES {
        return Err(Problem::wrong(format!("the body has more than {MOST_VALUES} values")));
    }
    serde_json::from_slice(bytes).map_err(|error| Problem::wrong(format!("not JSON: {error}")))
}

/// About how many values a JSON text has: what separates or opens them, outside of texts.
fn values(bytes: &[u8]) -> usize {
    let (mut count, mut in_text, mut escaped) = (0, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_bounded_in_depth_and_in_values() {
        assert!(parse(b"\xef\xbb\xbf{\"a\": 1, \"a\": 2}").is_ok_and(|it| it["a"] == 2));
        for wrong in ["", "{", "nul", "{\"a\": \"\u{1}\"}", &"[".repeat(10_000)] {
            assert_eq!(parse(wrong.as_bytes()).unwrap_err().status, StatusCode::BAD_REQUEST);
        }
        assert!(parse(b"{\"a\": \"\xff\"}").is_err());
        let many = format!("[{}0]", "0,".repeat(MOST_VALUES));
        assert!(parse(many.as_bytes()).unwrap_err().message.contains("values"));
        assert_eq!(values(br#"{"a,[": "\",{", "b": [1, 2]}"#), 4);
    }
}
