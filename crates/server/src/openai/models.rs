//! `GET /v1/models`: the one model that is served, always under the same name.

use crate::app::App;
use crate::hosted::Hosted;
use crate::http::{Problem, ok};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

fn description(hosted: &Hosted) -> Value {
    let facts = &hosted.facts;
    json!({
        "id": hosted.name,
        "object": "model",
        "created": hosted.created,
        "owned_by": "flint",
        "meta": {
            "n_vocab": facts.vocabulary,
            "n_ctx_train": facts.trained_context,
            "n_ctx": facts.context,
            "n_embd": facts.hidden,
            "n_params": facts.parameters,
            "size": facts.bytes,
        },
    })
}

pub(crate) async fn models(State(app): State<Arc<App>>) -> Response<Body> {
    ok(&json!({ "object": "list", "data": [description(&app.hosted)] }))
}

pub(crate) async fn model(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response<Body>, Problem> {
    if name != app.hosted.name {
        let message = format!("there is no model '{name}' here, only '{}'", app.hosted.name);
        return Err(Problem::not_found(message));
    }
    Ok(ok(&description(&app.hosted)))
}
