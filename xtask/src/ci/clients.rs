//! Real clients against a running server: those of Python and Node, and a soak of many short requests of every kind.

use super::tool::{cargo, run as call};
use super::{DeepArgs, Outcome};
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What the scripts need of Python's packages.
const PYTHON: &[&str] = &["openai", "langchain-openai", "ollama"];

/// Requests of the soak.
const SOAK: &str = "10000";

pub(super) fn run(root: &Path, _: &DeepArgs) -> anyhow::Result<Outcome> {
    for tool in ["python3", "npm", "node"] {
        let there = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            return Ok(Outcome::Skipped(format!("no {tool}")));
        }
    }
    let place = root.join("target/ci-clients");
    std::fs::create_dir_all(&place)?;
    let python = place.join("venv/bin/python3");
    if !python.exists() {
        call(Command::new("python3").args(["-m", "venv"]).arg(place.join("venv")))?;
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet"]).args(PYTHON);
    let mut node = Command::new("npm");
    node.args(["install", "--silent", "--prefix"]).arg(&place).arg("openai");
    if call(&mut install).and_then(|()| call(&mut node)).is_err() {
        return Ok(Outcome::Skipped("the clients cannot be installed: no network?".to_owned()));
    }
    call(cargo(&["build", "--release", "--package", "runtime"]).current_dir(root))?;
    let server = Server::start(root)?;
    let scripts = root.join("crates/server/clients");
    // Node finds packages beside the script.
    let script = place.join("node_client.mjs");
    std::fs::copy(scripts.join("node_client.mjs"), &script)?;
    let mut many = Command::new(&python);
    many.arg(scripts.join("python_clients.py")).args([&server.address, "tiny-opt", "0"]);
    call(&mut many)?;
    call(Command::new("node").arg(&script).args([&server.address, "tiny-opt"]))?;
    let mut soak = Command::new(&python);
    let id = server.child.id().to_string();
    soak.arg(scripts.join("soak.py")).args([&server.address, &id, SOAK]);
    call(&mut soak)?;
    Ok(Outcome::Passed)
}

/// A server over the model that ships; it ends with this value.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(root: &Path) -> anyhow::Result<Server> {
        let mut child = Command::new(root.join("target/release/flint"))
            .args(["serve", "--port", "0", "--chat-template", "chatml", "--memory", "75%", "-m"])
            .arg(root.join("fixtures/tiny-opt.flint"))
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("http://")?;
            Some(rest.split(',').next().unwrap_or(rest).to_owned())
        });
        // Its other lines are read, so that it never waits for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        match address {
            Some(address) => Ok(Server { child, address }),
            None => bail!("the server did not say where it listens"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
