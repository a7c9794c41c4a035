//! A server for clients to talk to.

use super::tools::target;
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running server; it ends with this value.
pub(in crate::ci) struct Server {
    child: Child,
    /// Where it listens.
    pub(in crate::ci) address: String,
}

impl Server {
    /// Serves `model` with further options.
    pub(in crate::ci) fn start(root: &Path, model: &Path, more: &[&str]) -> anyhow::Result<Server> {
        let mut child = Command::new(target(root).join("release/flint"))
            .args(["serve", "--port", "0", "-m"])
            .arg(model)
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let mut lines = lines.map_while(Result::ok);
        let address = lines.find_map(|line| {
            let (_, rest) = line.split_once("http://")?;
            Some(rest.split(',').next().unwrap_or(rest).to_owned())
        });
        // It answers once it is ready.
        let ready = lines.any(|line| line == "ready");
        // Its other lines are read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        match address {
            Some(address) if ready => Ok(Server { child, address }),
            _ => bail!("the server did not come up"),
        }
    }

    /// Its process.
    pub(in crate::ci) fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
