//! What clients are run with: Python and Node with their packages, and a browser, in a folder of their own.

use super::super::tool::{cargo, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the scripts need of Python's packages.
const PYTHON: &[&str] = &["openai", "langchain-openai", "ollama", "llm", "litellm[proxy]"];

/// What they need of Node's.
const NODE: &[&str] = &["openai", "puppeteer-core"];

/// Names under which systems have a Chromium.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Scripts and what runs them.
pub(in crate::ci) struct Clients {
    scripts: PathBuf,
    place: PathBuf,
}

impl Clients {
    /// Installs what is not there, and builds the server; the reason where that cannot be.
    pub(in crate::ci) fn prepare(root: &Path) -> anyhow::Result<Result<Clients, String>> {
        for tool in ["python3", "npm", "node"] {
            if !is_there(tool) {
                return Ok(Err(format!("no {tool}")));
            }
        }
        let place = target(root).join("ci-clients");
        std::fs::create_dir_all(&place)?;
        let clients = Clients { scripts: root.join("crates/server/clients"), place };
        if clients.install().is_err() {
            return Ok(Err("the clients cannot be installed: no network?".to_owned()));
        }
        run(cargo(&["build", "--release", "--package", "runtime"]).current_dir(root))?;
        Ok(Ok(clients))
    }

    fn install(&self) -> anyhow::Result<()> {
        let python = self.place.join("venv/bin/python3");
        if !python.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(self.place.join("venv")))?;
        }
        run(Command::new(python).args(["-m", "pip", "install", "--quiet"]).args(PYTHON))?;
        let mut node = Command::new("npm");
        run(node.args(["install", "--silent", "--prefix"]).arg(&self.place).args(NODE))
    }

    /// Runs a script of Python.
    pub(in crate::ci) fn python(&self, script: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(self.place.join("venv/bin/python3"));
        run(command.arg(self.scripts.join(script)).args(arguments))
    }

    /// Runs a script of Node, which finds packages beside itself.
    pub(in crate::ci) fn node(&self, script: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let copy = self.place.join(script);
        std::fs::copy(self.scripts.join(script), &copy)?;
        run(Command::new("node").arg(copy).args(arguments))
    }

    /// The path of something beside the scripts.
    pub(in crate::ci) fn path(&self, name: &str) -> String {
        self.scripts.join(name).to_string_lossy().into_owned()
    }

    /// A folder for what the scripts leave.
    pub(in crate::ci) fn place(&self) -> String {
        self.place.to_string_lossy().into_owned()
    }

    /// A Chromium, where there is one, by its whole path: what drives it does not look for names.
    pub(in crate::ci) fn browser() -> Option<PathBuf> {
        let places = std::env::var_os("PATH")?;
        let places: Vec<PathBuf> = std::env::split_paths(&places).collect();
        let found =
            |name: &&str| places.iter().map(|place| place.join(name)).find(|it| it.is_file());
        BROWSERS.iter().find_map(found)
    }
}

/// Where cargo puts what it builds.
pub(in crate::ci) fn target(root: &Path) -> PathBuf {
    let elsewhere = std::env::var_os("CARGO_TARGET_DIR");
    root.join(elsewhere.unwrap_or_else(|| "target".into()))
}

fn is_there(tool: &str) -> bool {
    let mut command = Command::new(tool);
    let quiet = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
