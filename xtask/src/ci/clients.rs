//! Real clients against running servers: those of Python and Node, a browser, attacks, and a soak of many short requests.
//! With `--model` a model with a chat template of its own is talked to as well.

mod server;
mod tools;

pub(super) use server::Server;
pub(super) use tools::{Clients, target};

use super::{DeepArgs, Outcome};
use anyhow::Context;
use std::path::Path;

/// Requests of the soak.
const SOAK: &str = "10000";

/// Options of a server over the model that ships: pages for four contexts take more than its weights, a part of which stays
/// on flash.
const TINY: &[&str] = &["--memory", "190%", "--sessions", "4", "--chat-template", "chatml"];

/// Options of a server over a model of some hundred megabytes.
const REAL: &[&str] = &["--memory", "300MiB", "--sessions", "2", "-c", "1024"];

pub(super) fn run(root: &Path, args: &DeepArgs) -> anyhow::Result<Outcome> {
    let clients = match Clients::prepare(root)? {
        Ok(clients) => clients,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    tiny(root, &clients)?;
    if let Some(model) = &args.model {
        real(root, &clients, model)?;
    }
    Ok(match (Clients::browser(), &args.model) {
        (Some(_), Some(_)) => Outcome::Passed,
        (None, _) => Outcome::Skipped("all but the page: no chromium".to_owned()),
        (_, None) => Outcome::Skipped("the page, and all with a real model: no --model".to_owned()),
    })
}

/// Everybody but the page against the model that ships: it answers before a page could show a speed. Its 256 tokens of
/// context do not hold what a template says of tools.
fn tiny(root: &Path, clients: &Clients) -> anyhow::Result<()> {
    let model = root.join("fixtures/tiny-opt.flint");
    let start = || Server::start(root, &model, TINY);
    let server = start()?;
    clients.python("python_clients.py", &[&server.address, "tiny-opt", "0"])?;
    clients.node("node_client.mjs", &[&server.address, "tiny-opt"])?;
    clients.python("attacks.py", &[&server.address])?;
    clients.python("soak.py", &[&server.address, &server.pid(), SOAK])?;
    let other = start()?;
    clients.python("litellm_proxy.py", &[&server.address, &other.address, &other.pid()])
}

/// The same against a real model, and a prompt that it takes more than a minute to read.
fn real(root: &Path, clients: &Clients, model: &Path) -> anyhow::Result<()> {
    let name = model.file_name().context("the model has no name")?.to_string_lossy();
    let name = name.trim_end_matches(".gguf").trim_end_matches(".flint");
    let hermes = clients.path("hermes.jinja");
    let server = Server::start(root, model, REAL)?;
    clients.python("python_clients.py", &[&server.address, name, "0"])?;
    clients.node("node_client.mjs", &[&server.address, name])?;
    page(clients, &server)?;
    drop(server);
    let tools = Server::start(root, model, &[REAL, &["--chat-template", &hermes]].concat())?;
    clients.python("python_clients.py", &[&tools.address, name, "1"])?;
    drop(tools);
    let slow = [
        "--memory",
        "170MiB",
        "--sessions",
        "2",
        "-c",
        "1024",
        "--threads",
        "1",
        "--chunk",
        "2",
        "--no-forecast",
    ];
    let slow = Server::start(root, model, &slow)?;
    clients.python("slow_prompt.py", &[&slow.address, &clients.path("fetch.mjs")])
}

/// The page in a browser; its screenshots are for people to look at.
fn page(clients: &Clients, server: &Server) -> anyhow::Result<()> {
    match Clients::browser() {
        Some(browser) => {
            let browser = browser.to_string_lossy();
            clients.node("page.mjs", &[&server.address, &browser, &clients.place()])
        }
        None => Ok(()),
    }
}
