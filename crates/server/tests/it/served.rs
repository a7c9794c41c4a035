//! A whole server on a port of its own.

use flint_chat::Moment;
use flint_engine::{MemoryBudget, OpenModel, PlannedEngine, RunOptions, Sampling};
use flint_fixtures::tiny_opt_bundle;
use flint_server::{Defaults, Handle, Hosted, ServeOptions, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const CONTEXT: usize = 256;

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    loading: Option<Box<dyn FnOnce() -> JoinHandle<()> + Send>>,
    threads: Vec<JoinHandle<()>>,
}

impl Served {
    /// One that answers.
    pub(crate) fn new() -> Served {
        Served::with("chatml", |_| {})
    }

    pub(crate) fn with(template: &str, change: impl FnOnce(&mut ServeOptions)) -> Served {
        let mut served = Served::loading(Some(template), change);
        served.load();
        served
    }

    /// One whose model is not loaded yet.
    pub(crate) fn loading(
        template: Option<&str>,
        change: impl FnOnce(&mut ServeOptions),
    ) -> Served {
        let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
        let codec = files.codec().unwrap().unwrap();
        let memory = MemoryBudget::Percent(1000.0);
        let options = RunOptions { sequences: 2, memory, ..RunOptions::default() };
        let prepared = PlannedEngine::new(files, options, Some(CONTEXT)).unwrap();
        let hosted = Hosted::new(prepared.files(), codec, CONTEXT, template);
        let codec = Arc::clone(&hosted.codec);
        let now = Moment::from_date(2025, 3, 14);
        let mut options = ServeOptions {
            address: ([127, 0, 0, 1], 0).into(),
            names: Vec::new(),
            key: None,
            queue: 16,
            sessions: None,
            longest: None,
            write_timeout: Duration::from_secs(60),
            defaults: Defaults { sampling: Sampling::greedy(), now },
        };
        change(&mut options);
        let server = Server::bind(hosted, options).unwrap();
        let (address, handle) = (server.address().unwrap(), server.handle());
        let working = handle.clone();
        let load = move || {
            std::thread::spawn(move || {
                let engine = prepared.load(&mut |_, _| {}).unwrap();
                working.set_ready();
                working.scheduler().run(engine, &codec);
            })
        };
        let serving = std::thread::spawn(move || server.run().unwrap());
        Served { address, handle, loading: Some(Box::new(load)), threads: vec![serving] }
    }

    /// Loads, and waits until that is done.
    pub(crate) fn load(&mut self) {
        let load = self.loading.take().unwrap();
        self.threads.push(load());
        while crate::client::get(self.address, "/health").status != 200 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has failed its test already.
            let _ = thread.join();
        }
    }
}
