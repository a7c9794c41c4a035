//! The web page: files that are part of the program, and the stream of events that it shows.

use crate::app::App;
use crate::stream::{IDLE, stream_headers};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use std::convert::Infallible;
use std::sync::Arc;

/// Nothing but what is here may be loaded.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/`: the page for browsers, a line for programs that look whether somebody is there.
pub(crate) async fn root(headers: HeaderMap) -> Response<Body> {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    match accepts {
        Some(accepts) if accepts.contains("text/html") => {
            file("text/html; charset=utf-8", include_str!("page/index.html"))
        }
        _ => file("text/plain; charset=utf-8", "Flint is running\n"),
    }
}

pub(crate) async fn style() -> Response<Body> {
    file("text/css; charset=utf-8", include_str!("page/page.css"))
}

pub(crate) async fn script() -> Response<Body> {
    file("text/javascript; charset=utf-8", include_str!("page/page.js"))
}

pub(crate) async fn view_script() -> Response<Body> {
    file("text/javascript; charset=utf-8", include_str!("page/view.js"))
}

fn file(kind: &'static str, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// `/events`: the state of the engine, again whenever it has changed.
pub(crate) async fn events(State(app): State<Arc<App>>) -> Response<Body> {
    let mut states = app.view.subscribe();
    states.mark_changed();
    let stream = futures_util::stream::unfold((states, app), |(mut states, app)| async {
        if app.is_closing() {
            return None;
        }
        let text = tokio::select! {
            () = app.closed.notified() => return None,
            changed = tokio::time::timeout(IDLE, states.changed()) => match changed {
                Ok(Ok(())) => format!("data: {}\n\n", *states.borrow_and_update()),
                Ok(Err(_)) => return None,
                Err(_) => ":\n\n".to_owned(),
            },
        };
        Some((Ok::<_, Infallible>(text), (states, app)))
    });
    let mut response = Response::new(Body::from_stream(stream));
    stream_headers(&mut response, "text/event-stream");
    response
}
