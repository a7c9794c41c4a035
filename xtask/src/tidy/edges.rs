//! Which outside packages may be known where, so that each can be exchanged at one place.

use super::Finding;
use super::code::has_word;
use super::manifest::Manifest;
use super::source::Source;

/// An outside package (or all whose names start alike) and the places that may name it.
struct Edge {
    /// Name in manifests; with a `*`, the start of names.
    package: &'static str,
    /// Packages of the workspace whose manifests may name it. Benches may name anything.
    packages: &'static [&'static str],
    /// Starts of the paths of the files that may name it; empty where the manifest is enough.
    files: &'static [&'static str],
}

const RING: &[&str] = &["crates/flash-io/src/backend/uring.rs"];
const PROGRAMS: &[&str] = &["runtime", "flint-lab", "xtask"];
const COMMAND_LINES: &[&str] = &[
    "crates/runtime/src/main.rs",
    "crates/runtime/src/cli.rs",
    "crates/runtime/src/cli/",
    "crates/lab/",
    "xtask/",
];

const EDGES: &[Edge] = &[
    Edge {
        package: "candle-*",
        // The lab: its tests read a GGUF file back.
        packages: &[
            "flint-kernels",
            "flint-model",
            "flint-predictor",
            "flint-engine",
            "flint-convert",
            "runtime",
            "flint-lab",
        ],
        files: &[],
    },
    Edge { package: "tokio-uring", packages: &["flint-flash-io"], files: RING },
    Edge { package: "io-uring", packages: &["flint-flash-io"], files: RING },
    Edge { package: "axum", packages: &["flint-server"], files: &[] },
    Edge { package: "hyper*", packages: &["flint-server"], files: &[] },
    Edge { package: "clap", packages: PROGRAMS, files: COMMAND_LINES },
    Edge { package: "anyhow", packages: PROGRAMS, files: COMMAND_LINES },
];

/// Finds manifests and files that name an outside package beyond its edge.
pub(super) fn check(manifests: &[Manifest], sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for edge in EDGES {
        findings.extend(manifests.iter().filter_map(|manifest| edge.check_manifest(manifest)));
        if !edge.files.is_empty() {
            findings.extend(sources.iter().filter_map(|source| edge.check_source(source)));
        }
    }
    findings
}

impl Edge {
    fn covers(&self, name: &str) -> bool {
        match self.package.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.package,
        }
    }

    fn check_manifest(&self, manifest: &Manifest) -> Option<Finding> {
        let package = manifest.package.as_str();
        if package == "flint-benches" || self.packages.contains(&package) {
            return None;
        }
        let mut known = manifest.dependencies.iter().chain(&manifest.dev_dependencies);
        let name = known.find(|name| self.covers(name))?;
        let places = self.packages.join(", ");
        Some(Finding::file(&manifest.path, format!("{name} is for {places} alone")))
    }

    fn check_source(&self, source: &Source) -> Option<Finding> {
        if self.files.iter().any(|start| source.path.starts_with(start)) {
            return None;
        }
        let name = self.package.replace('-', "_");
        let index = source.code.lines().position(|line| names_package(line, &name))?;
        let text = format!("{name} is for {} alone", self.files.join(", "));
        Some(Finding::line(&source.path, index, text))
    }
}

/// Whether the line takes something out of the package: by path, import or macro.
fn names_package(line: &str, name: &str) -> bool {
    let imports = line.trim_start().trim_start_matches("pub ").starts_with("use ");
    let takes = |sign: &str| line.contains(&format!("{name}{sign}"));
    has_word(line, name) && (imports || takes("::") || takes("!"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_source(path: &str, text: &str) -> Vec<String> {
        let findings = check(&[], &[Source::new(path, text)]);
        findings.iter().map(Finding::to_string).collect()
    }

    fn in_manifest(package: &str, dependency: &str) -> usize {
        let text = format!("[package]\nname = '{package}'\n[dependencies]\n{dependency} = '1'\n");
        check(&[Manifest::parse("Cargo.toml", &text).unwrap()], &[]).len()
    }

    #[test]
    fn the_ring_is_named_in_one_file() {
        let text = "//! io_uring in words\nuse io_uring::opcode;\n";
        let expected = "a/b.rs:2: io_uring is for crates/flash-io/src/backend/uring.rs alone";
        assert_eq!(in_source("a/b.rs", text), [expected]);
        assert_eq!(in_source("crates/flash-io/src/backend/uring.rs", text), [""; 0]);
        assert_eq!(in_source("a/b.rs", "fn f() { tokio_uring::start() }").len(), 1);
        assert_eq!(in_source("a/b.rs", "let io_uring = \"io_uring::x\";"), [""; 0]);
    }

    #[test]
    fn the_command_line_is_apart() {
        for text in ["use clap::Parser;", "fn f() -> anyhow::Result<()> {}", "anyhow!(1)"] {
            assert_eq!(in_source("crates/runtime/src/plan.rs", text).len(), 1, "{text}");
            assert_eq!(in_source("crates/runtime/src/cli/plan.rs", text), [""; 0]);
            assert_eq!(in_source("crates/lab/src/trace.rs", text), [""; 0]);
        }
    }

    #[test]
    fn a_manifest_beyond_the_edge_is_found() {
        assert_eq!(in_manifest("flint-bundle", "candle-core"), 1);
        assert_eq!(in_manifest("flint-predictor", "candle-nn"), 0);
        assert_eq!(in_manifest("flint-model", "anyhow"), 1);
        assert_eq!(in_manifest("runtime", "tokio-uring"), 1);
        assert_eq!(in_manifest("flint-benches", "io-uring"), 0);
    }
}
