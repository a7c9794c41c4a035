//! Which path is answered by whom, and what is checked before.

use crate::app::App;
use crate::http::{LONGEST_BODY, Problem, ok};
use crate::{ollama, openai, page};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::json;
use std::sync::Arc;

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        self.response()
    }
}

/// Paths that are answered without a key.
const OPEN: [&str; 6] = ["/", "/page.css", "/page.js", "/view.js", "/health", "/v1/health"];

/// All routes.
pub(crate) fn routes(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/", get(page::root))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/view.js", get(page::view_script))
        .route("/events", get(page::events))
        .route("/metrics", get(metrics))
        .route("/tokenize", post(openai::tokenize))
        .route("/detokenize", post(openai::detokenize))
        .route("/apply-template", post(openai::apply_template))
        .route("/props", get(openai::props))
        .route("/api/chat", post(ollama::chat))
        .route("/api/generate", post(ollama::generate))
        .route("/api/tags", get(ollama::tags))
        .route("/api/show", post(ollama::show))
        .route("/api/ps", get(ollama::ps))
        .route("/api/version", get(ollama::version));
    // Base addresses with and without /v1.
    for base in ["", "/v1"] {
        let path = |path: &str| format!("{base}{path}");
        router = router
            .route(&path("/health"), get(health))
            .route(&path("/models"), get(openai::models))
            .route(&path("/models/{*name}"), get(openai::model))
            .route(&path("/chat/completions"), post(openai::chat_completions))
            .route(&path("/completions"), post(openai::completions));
        for other in ["/embeddings", "/responses", "/messages"] {
            router = router.route(&path(other), post(not_offered));
        }
    }
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn_with_state(Arc::clone(&app), guarded))
        .with_state(app)
}

/// Lets in whom the guard lets in, and answers the question that browsers ask before they send something.
async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let headers = request.headers();
    let path = request.uri().path();
    if let Err(problem) = app.guard.check_source(headers) {
        return told_at(path, &problem);
    }
    let origin = headers.get(header::ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        preflight()
    } else if !OPEN.contains(&path)
        && let Err(problem) = app.guard.check_key(headers)
    {
        told_at(path, &problem)
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    // Clients send headers of their own kind.
    headers
        .insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, Authorization"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

async fn health(State(app): State<Arc<App>>) -> Result<Response<Body>, Problem> {
    app.ready()?;
    Ok(ok(&json!({ "status": "ok" })))
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let text = app.metrics.prometheus(app.scheduler.waiting());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

async fn not_offered() -> Problem {
    Problem::not_offered("this server has chat/completions and completions, not this")
}

/// A problem as clients of the interface at `path` read it.
fn told_at(path: &str, problem: &Problem) -> Response<Body> {
    let ollama = path == "/api" || path.starts_with("/api/");
    if ollama { problem.ollama_response() } else { problem.response() }
}

async fn nowhere(request: Request) -> Response<Body> {
    let path = request.uri().path();
    told_at(path, &Problem::not_found(format!("there is nothing at {path}")))
}

async fn wrong_method(request: Request) -> Response<Body> {
    let path = request.uri().path();
    let message = format!("{} is not for {path}", request.method());
    told_at(path, &Problem::new(StatusCode::METHOD_NOT_ALLOWED, message))
}
