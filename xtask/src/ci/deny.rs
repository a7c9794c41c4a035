//! Checks the dependencies by deny.toml: licences, sources, bans, and advisories where their database can be had.

use super::tool::{cargo, cargo_has, run as call};
use super::{DeepArgs, Outcome};
use std::path::Path;

pub(super) fn run(root: &Path, _: &DeepArgs) -> anyhow::Result<Outcome> {
    if !cargo_has(&["deny", "--version"]) {
        return Ok(Outcome::Skipped("no cargo-deny: cargo install cargo-deny --locked".into()));
    }
    call(cargo(&["deny", "check", "licenses", "bans", "sources"]).current_dir(root))?;
    // The database is a repository on the network; whether it could be had is asked first, so that a network
    // that is not there is not taken for a finding.
    if !cargo_has(&["deny", "fetch", "db"]) {
        let why = "advisories alone, for their database could not be fetched (no network?); licences, bans and \
                   sources passed. With a network: cargo deny check advisories";
        return Ok(Outcome::Skipped(why.into()));
    }
    call(cargo(&["deny", "check", "advisories"]).current_dir(root))?;
    Ok(Outcome::Passed)
}
