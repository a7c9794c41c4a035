//! What is wrong with a request, in the form that clients of OpenAI's interface know.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// An answer that says what went wrong. The message is a line for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// The field that is wrong.
    param: Option<String>,
    /// Sizes that a program can use.
    more: Vec<(&'static str, usize)>,
    /// A name that is more exact than that of the status.
    kind: Option<&'static str>,
    /// Seconds after which the same request may be answered.
    retry_after: Option<u32>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Problem {
        let message = message.into();
        Problem { status, message, param: None, more: Vec::new(), kind: None, retry_after: None }
    }

    /// The request is wrong.
    pub(crate) fn wrong(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, message)
    }

    /// A field of the request is wrong.
    pub(crate) fn field(name: &str, message: impl std::fmt::Display) -> Problem {
        let param = Some(name.to_owned());
        Problem { param, ..Problem::wrong(format!("{name}: {message}")) }
    }

    /// What is asked for is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, message)
    }

    /// Something that others offer and this server does not.
    pub(crate) fn not_offered(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// Not now: after some seconds perhaps.
    pub(crate) fn later(status: StatusCode, message: impl Into<String>, seconds: u32) -> Problem {
        Problem { retry_after: Some(seconds), ..Problem::new(status, message) }
    }

    /// A prompt that does not fit the context; nothing of it is left out silently.
    pub(crate) fn too_long(prompt: usize, context: usize) -> Problem {
        let message = format!(
            "the prompt has at least {prompt} tokens, and the context holds {context} with at least one token of the answer"
        );
        Problem {
            kind: Some("exceed_context_size_error"),
            more: vec![("n_prompt_tokens", prompt), ("n_ctx", context)],
            ..Problem::wrong(message)
        }
    }

    fn kind(&self) -> &'static str {
        self.kind.unwrap_or(match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            501 => "not_supported_error",
            503 => "unavailable_error",
            500..=599 => "server_error",
            _ => "invalid_request_error",
        })
    }

    /// The object that tells it.
    pub(crate) fn json(&self) -> Value {
        let mut error = json!({
            "message": self.message,
            "type": self.kind(),
            "param": self.param,
            "code": self.status.as_u16(),
        });
        for (name, size) in &self.more {
            error[*name] = (*size).into();
        }
        json!({ "error": error })
    }

    /// The whole answer.
    pub(crate) fn response(&self) -> Response<Body> {
        self.with_body(&self.json())
    }

    /// The same for clients of Ollama.
    pub(crate) fn ollama_response(&self) -> Response<Body> {
        self.with_body(&json!({ "error": self.message }))
    }

    fn with_body(&self, body: &Value) -> Response<Body> {
        let mut response = json_response(self.status, body);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An answer of one JSON value.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// An answer of one JSON value, all being well.
pub(crate) fn ok(body: &Value) -> Response<Body> {
    json_response(StatusCode::OK, body)
}
