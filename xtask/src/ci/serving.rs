//! What a server does for eight clients at once over a real model of which half stays on flash, in a memory group.

use super::clients::{Clients, target};
use super::{DeepArgs, Outcome};
use anyhow::{Context, bail};
use flint_fixtures::ControlGroup;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the group of the server may hold, page cache included: its budget. The pages of two long contexts, which eight short
/// ones share, take more than the weights of SmolLM2-135M in Q4_1; half of its weights have room beside them.
const BUDGET: u64 = 299 << 20;

/// How a server is run that is measured.
const EXACT: &[&str] = &["--mode", "exact", "--sessions", "2", "-c", "2304", "--memory"];

/// How long the server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(root: &Path, args: &DeepArgs) -> anyhow::Result<Outcome> {
    let Some(model) = &args.model else {
        return Ok(Outcome::Skipped("no --model with a chat template".to_owned()));
    };
    let group = match ControlGroup::new(Some(BUDGET)) {
        Ok(group) => group,
        Err(error) => return Ok(Outcome::Skipped(error.to_string())),
    };
    let clients = match Clients::prepare(root)? {
        Ok(clients) => clients,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let told = target(root).join("ci-clients/pid");
    // Left from another run it would name another process.
    let _ = fs::remove_file(&told);
    let mut command = Command::new("sh");
    let script = "echo $$ > \"$1\"; shift; exec \"$@\"";
    command.args(["-c", script, "sh"]).arg(&told).arg(target(root).join("release/flint"));
    command.args(["serve", "-m"]).arg(model);
    command.args(EXACT).arg(BUDGET.to_string()).args(["--port", &port.to_string()]);
    let (outcome, measured) = std::thread::scope(|scope| {
        let running = scope.spawn(|| group.run(command, None, &mut |_| {}));
        let measured = measure(&clients, &told, port);
        let pid = fs::read_to_string(&told).unwrap_or_default();
        let ended = Command::new("kill").args(["-TERM", pid.trim()]).status();
        (running.join(), measured.and(ended.context("cannot end the server").map(drop)))
    });
    measured?;
    let outcome = outcome.map_err(|_| anyhow::anyhow!("the server was not watched"))??;
    if outcome.memory_kills > 0 {
        bail!("the server needed more memory than its budget and was killed");
    }
    Ok(Outcome::Passed)
}

fn measure(clients: &Clients, told: &Path, port: u16) -> anyhow::Result<()> {
    let began = Instant::now();
    let address = format!("127.0.0.1:{port}");
    let health = format!("http://{address}/health");
    while !Command::new("curl").args(["-sf", &health, "-o", "/dev/null"]).status()?.success() {
        if began.elapsed() > PATIENCE {
            bail!("the server did not come up");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let pid = fs::read_to_string(told)?;
    clients.python("measure.py", &[&address, pid.trim()])
}
