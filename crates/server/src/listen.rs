//! Connections: bounded in number, in how long they may say nothing, and ended in order.

use crate::app::{App, Defaults};
use crate::error::ServeError;
use crate::hosted::Hosted;
use crate::http::{Guard, tidied};
use crate::metrics::Metrics;
use crate::patience::Patience;
use crate::routes::routes;
use crate::schedule::{Scheduler, Sessions};
use crate::view::View;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt;

/// Most connections at once. One that says nothing costs a few kilobytes.
const MOST_CONNECTIONS: usize = 2048;

/// How long a connection may take for the head of a request, or lie idle.
const HEAD: Duration = Duration::from_secs(30);

/// How long answers may go on after a server was asked to end.
const GRACE: Duration = Duration::from_secs(20);

/// How long answers that were ended may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long is waited after the system refused a connection, as it does when too many files are open.
const AGAIN: Duration = Duration::from_millis(50);

/// How a server is run.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where it listens.
    pub address: SocketAddr,
    /// Names under which it is known, beside those of this machine.
    pub names: Vec<String>,
    /// What clients must show, where they must.
    pub key: Option<String>,
    /// Most requests that wait.
    pub queue: usize,
    /// Where conversations are kept when the server ends.
    pub sessions: Option<Sessions>,
    /// How long a request may take, waiting included.
    pub longest: Option<Duration>,
    /// How long a client may leave what was sent to it unread before its connection is closed.
    pub write_timeout: Duration,
    /// What is taken where a request says nothing.
    pub defaults: Defaults,
}

/// A server that listens.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    write_timeout: Duration,
    close: Arc<Notify>,
}

/// What others can tell a server.
#[derive(Clone)]
pub struct Handle {
    app: Arc<App>,
    close: Arc<Notify>,
}

impl Handle {
    /// The model is loaded: requests are answered from now on.
    pub fn set_ready(&self) {
        self.app.set_ready();
    }

    /// Asks the server to end: it takes no more requests, and ends the answers that take too long.
    pub fn close(&self) {
        self.app.set_closing();
        self.app.scheduler.close();
        self.close.notify_one();
    }

    /// Where requests go.
    pub fn scheduler(&self) -> &Scheduler {
        &self.app.scheduler
    }
}

impl Server {
    /// Listens; connections wait until [`Server::run`]. Until [`Handle::set_ready`] clients are told that the model is
    /// being loaded.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(hosted: Hosted, options: ServeOptions) -> Result<Server, ServeError> {
        let ServeOptions { address, names, key, queue, sessions, longest, write_timeout, defaults } =
            options;
        let bind = |cause| ServeError::Bind { address, cause };
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let metrics = Arc::new(Metrics::default());
        let view = Arc::new(View::new(&hosted.name, &hosted.facts));
        let scheduler =
            Scheduler::new(queue, Arc::clone(&metrics)).with_view(&hosted.name, Arc::clone(&view));
        let scheduler = match sessions {
            Some(sessions) => scheduler.with_sessions(sessions),
            None => scheduler,
        };
        let scheduler = scheduler.with_longest(longest);
        let guard = Guard::new(address.ip(), &names, key);
        let app = App::new(hosted, scheduler, metrics, view, guard, defaults);
        Ok(Server { app: Arc::new(app), listener, write_timeout, close: Arc::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> Result<SocketAddr, ServeError> {
        self.listener.local_addr().map_err(|cause| ServeError::System { cause })
    }

    /// To tell it something from elsewhere.
    pub fn handle(&self) -> Handle {
        Handle { app: Arc::clone(&self.app), close: Arc::clone(&self.close) }
    }

    /// Serves in this thread until [`Handle::close`].
    ///
    /// # Errors
    /// When the system refuses what a server needs.
    pub fn run(self) -> Result<(), ServeError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()
            .map_err(|cause| ServeError::System { cause })?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<(), ServeError> {
        let listener = tokio::net::TcpListener::from_std(self.listener)
            .map_err(|cause| ServeError::System { cause })?;
        let router = routes(Arc::clone(&self.app));
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.close.notified() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    // One too many is closed at once.
                    if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        // Tokens are small, and each is to arrive when it is there.
                        let _ = stream.set_nodelay(true);
                        let stream = Patience::new(stream, self.write_timeout);
                        connect(stream, router.clone(), &graceful, place);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        drop(listener);
        tracing::debug!("closing");
        let ended = graceful.shutdown();
        tokio::pin!(ended);
        if tokio::time::timeout(GRACE, &mut ended).await.is_err() {
            self.app.scheduler.stop();
            let _ = tokio::time::timeout(LAST_WORDS, ended).await;
        }
        Ok(())
    }
}

fn connect(
    stream: Patience<TcpStream>,
    router: Router,
    graceful: &GracefulShutdown,
    place: tokio::sync::OwnedSemaphorePermit,
) {
    let service = ServiceExt::<Request>::map_request(router, tidy as fn(_) -> _);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    });
}

fn tidy(mut request: Request<Incoming>) -> Request {
    *request.uri_mut() = tidied(request.uri());
    request.map(Body::new)
}
