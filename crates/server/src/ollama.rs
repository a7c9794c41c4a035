//! Ollama's interface: one JSON object per line, streamed unless a client says otherwise.

mod about;
mod chat;
mod generate;
mod lines;
mod options;

pub(crate) use about::{ps, show, tags, version};
pub(crate) use chat::chat;
pub(crate) use generate::generate;

use crate::http::Problem;
use axum::body::Body;
use axum::http::Response;
use axum::response::IntoResponse;

/// A problem as this interface tells it.
#[derive(Debug)]
pub(crate) struct Complaint(Problem);

impl From<Problem> for Complaint {
    fn from(problem: Problem) -> Complaint {
        Complaint(problem)
    }
}

impl IntoResponse for Complaint {
    fn into_response(self) -> Response<Body> {
        self.0.ollama_response()
    }
}
