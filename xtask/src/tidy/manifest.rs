//! What a package of the workspace depends on, as its Cargo.toml says.

use super::read;
use std::fs;
use std::io;
use std::path::Path;
use toml::{Table, Value};

/// The dependencies of one package.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Path of the Cargo.toml, from the root of the workspace on.
    pub(super) path: String,
    /// Name of the package.
    pub(super) package: String,
    /// Packages that it is built with.
    pub(super) dependencies: Vec<String>,
    /// Packages that its tests and benches are built with besides.
    pub(super) dev_dependencies: Vec<String>,
}

impl Manifest {
    /// The manifests of all members of the workspace at `root`.
    pub(super) fn of_workspace(root: &Path) -> io::Result<Vec<Manifest>> {
        let mut members: Vec<String> =
            ["benches", "fixtures", "xtask"].map(|member| format!("{member}/Cargo.toml")).into();
        for entry in fs::read_dir(root.join("crates"))? {
            let name = entry?.file_name();
            members.push(format!("crates/{}/Cargo.toml", name.to_string_lossy()));
        }
        members.sort();
        members.iter().map(|path| Manifest::parse(path, &read(root, path)?)).collect()
    }

    /// What the text of a manifest at `path` says.
    pub(super) fn parse(path: &str, text: &str) -> io::Result<Manifest> {
        let wrong = |why: String| io::Error::other(format!("{path}: {why}"));
        let table: Table = text.parse().map_err(|error| wrong(format!("{error}")))?;
        let name = table.get("package").and_then(|package| package.get("name"));
        let package =
            name.and_then(Value::as_str).ok_or_else(|| wrong("no package name".into()))?;
        let mut manifest = Manifest {
            path: path.to_owned(),
            package: package.to_owned(),
            dependencies: Vec::new(),
            dev_dependencies: Vec::new(),
        };
        manifest.gather(&table);
        let targets = table.get("target").and_then(Value::as_table);
        for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
            manifest.gather(target);
        }
        Ok(manifest)
    }

    fn gather(&mut self, table: &Table) {
        self.dependencies.extend(names(table, "dependencies"));
        self.dependencies.extend(names(table, "build-dependencies"));
        self.dev_dependencies.extend(names(table, "dev-dependencies"));
    }
}

/// The packages of one dependency table, under their own names.
fn names<'a>(table: &'a Table, section: &str) -> impl Iterator<Item = String> + 'a {
    let entries = table.get(section).and_then(Value::as_table);
    entries.into_iter().flatten().map(|(name, value)| {
        let renamed = value.get("package").and_then(Value::as_str);
        renamed.unwrap_or(name).to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_counts_under_the_true_name() {
        let text = "[package]\nname = 'a'\n[dependencies]\nb.workspace = true\n\
                    c = { package = 'd', version = '1' }\n[build-dependencies]\ne = '1'\n\
                    [dev-dependencies]\nf = '1'\n[target.'cfg(unix)'.dependencies]\ng = '1'\n";
        let manifest = Manifest::parse("Cargo.toml", text).unwrap();
        assert_eq!(manifest.package, "a");
        assert_eq!(manifest.dependencies, ["b", "d", "e", "g"]);
        assert_eq!(manifest.dev_dependencies, ["f"]);
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_named() {
        let error = Manifest::parse("x/Cargo.toml", "[package]").unwrap_err();
        assert_eq!(error.to_string(), "x/Cargo.toml: no package name");
    }
}
