//! The modules of a crate, one per file, and in which of them a path ends.

use super::paths::{Named, paths};
use super::source::Source;
use std::collections::HashMap;

/// How many imports lead from a name to what it means, at most: a guard against imports that name each other.
const LONGEST: usize = 16;

/// One crate, without tests.
pub(super) struct Modules<'a> {
    /// The directory that its files lie in.
    pub(super) directory: &'a str,
    /// The first is the root.
    pub(super) all: Vec<Module<'a>>,
}

/// One file.
pub(super) struct Module<'a> {
    /// Its name; that of the root is `crate`.
    pub(super) name: &'a str,
    /// Its path, from the root of the workspace on.
    pub(super) file: &'a str,
    /// The module that it is in, and all around that, the innermost last. The root has none.
    pub(super) above: Vec<usize>,
    /// The paths that it names.
    pub(super) named: Vec<Named>,
    children: HashMap<&'a str, usize>,
    /// By the name here: imports, those for others included.
    imports: HashMap<String, Vec<String>>,
}

impl<'a> Modules<'a> {
    /// The crates of a workspace.
    pub(super) fn of_workspace(sources: &'a [Source]) -> Vec<Modules<'a>> {
        let there = |path: &str| sources.iter().any(|source| source.path == path);
        let root = |source: &'a Source| {
            let (directory, file) = source.path.rsplit_once('/')?;
            let is_root =
                file == "lib.rs" || file == "main.rs" && !there(&format!("{directory}/lib.rs"));
            (is_root && !source.is_test()).then_some((directory, source))
        };
        let roots = sources.iter().filter_map(root);
        roots.map(|(directory, root)| Modules::of(directory, root, sources)).collect()
    }

    fn of(directory: &'a str, root: &'a Source, sources: &'a [Source]) -> Modules<'a> {
        let mut modules = Modules { directory, all: vec![Module::new("crate", root, Vec::new())] };
        let path = |source: &'a Source| -> Option<(Vec<&'a str>, &'a Source)> {
            let path = source.path.strip_prefix(directory)?.strip_prefix('/')?;
            let path = path.strip_suffix(".rs")?.split('/').collect();
            (!source.is_test()).then_some((path, source))
        };
        let mut inside: Vec<_> = sources.iter().filter_map(path).collect();
        // Those around others first.
        inside.sort_by_key(|(path, _)| path.len());
        for (path, source) in inside {
            let Some((name, around)) = path.split_last() else { continue };
            let programs = around.is_empty() && ["lib", "main", "build"].contains(name);
            // A file that no module is around is a program of its own.
            if let Some(above) = modules.walk(around).filter(|_| !programs) {
                let (index, inner) = (modules.all.len(), above.last().copied().unwrap_or(0));
                modules.all[inner].children.insert(name, index);
                modules.all.push(Module::new(name, source, above));
            }
        }
        modules
    }

    /// The root and the modules of these names, each in the one before.
    fn walk(&self, names: &[&str]) -> Option<Vec<usize>> {
        let mut walked = vec![0];
        for name in names {
            let inner = walked.last().copied()?;
            walked.push(*self.all[inner].children.get(name)?);
        }
        Some(walked)
    }

    /// The module in which what `names` name, seen from module `from`, is defined: through imports, those of the crate's
    /// root included. `None` where it is not of this crate.
    pub(super) fn resolve(&self, from: usize, names: &[String]) -> Option<usize> {
        self.follow(from, names, LONGEST).map(|end| end.module)
    }

    fn follow(&self, from: usize, names: &[String], left: usize) -> Option<End> {
        let left = left.checked_sub(1)?;
        let (first, rest) = names.split_first()?;
        let mut end = match first.as_str() {
            "crate" => End { module: 0, is_item: false },
            "self" => End { module: from, is_item: false },
            "super" => End { module: self.parent(from)?, is_item: false },
            name => self.step(from, name, left)?,
        };
        for name in rest {
            if end.is_item {
                break;
            }
            end = match name.as_str() {
                "super" => End { module: self.parent(end.module)?, is_item: false },
                name => {
                    let item = End { module: end.module, is_item: true };
                    self.step(end.module, name, left).unwrap_or(item)
                }
            };
        }
        Some(end)
    }

    /// What `name` is in a module that holds it as a module or imports it.
    fn step(&self, module: usize, name: &str, left: usize) -> Option<End> {
        if let Some(&child) = self.all[module].children.get(name) {
            return Some(End { module: child, is_item: false });
        }
        self.follow(module, self.all[module].imports.get(name)?, left)
    }

    fn parent(&self, module: usize) -> Option<usize> {
        self.all[module].above.last().copied()
    }
}

/// Where a path ends.
struct End {
    module: usize,
    /// Whether it is something in the module, not the module itself.
    is_item: bool,
}

impl<'a> Module<'a> {
    fn new(name: &'a str, source: &'a Source, above: Vec<usize>) -> Module<'a> {
        let lines = source.code.split_inclusive('\n').take(source.lines_before_tests());
        let named = paths(&lines.collect::<String>());
        let import = |named: &Named| Some((named.alias.clone()?, named.names.clone()));
        let imports = named.iter().filter_map(import).collect();
        let (file, children) = (source.path.as_str(), HashMap::new());
        Module { name, file, above, named, children, imports }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 6] = [
        (
            "a/src/lib.rs",
            "mod b;\nmod c;\npub use b::{Deep, d::Item as Other};\npub use std::fmt;\n",
        ),
        ("a/src/b.rs", "mod d;\npub use d::Deep;\n"),
        ("a/src/b/d.rs", "pub struct Deep; pub struct Item;\n"),
        ("a/src/c.rs", "use c as c;\n"),
        ("a/src/main.rs", "use a::c;\n"),
        ("a/tests/it/main.rs", "mod b;\n"),
    ];

    fn defined(from: &str, path: &str) -> Option<String> {
        let sources = FILES.map(|(path, text)| Source::new(path, text));
        let crates = Modules::of_workspace(&sources);
        assert_eq!(crates.len(), 1, "programs beside a library and tests are not crates");
        let modules = &crates[0];
        let from = modules.all.iter().position(|module| module.name == from).unwrap();
        let names: Vec<String> = path.split("::").map(str::to_owned).collect();
        modules.resolve(from, &names).map(|module| modules.all[module].name.to_owned())
    }

    #[test]
    fn a_name_leads_through_imports_to_where_it_is_defined() {
        for (from, path, module) in [
            ("c", "crate::b::d::Item", "d"),
            ("c", "crate::Deep", "d"),
            ("c", "crate::Other::new", "d"),
            ("c", "super::b::Deep", "d"),
            ("c", "super::b", "b"),
            ("c", "crate::Missing", "crate"),
            ("c", "crate::fmt::Display", "crate"),
            ("d", "super::super::c::X", "c"),
            ("d", "self::Deep", "d"),
            ("crate", "b::Deep", "d"),
        ] {
            assert_eq!(defined(from, path).as_deref(), Some(module), "{from}: {path}");
        }
    }

    #[test]
    fn what_is_of_another_crate_is_nothing() {
        for path in ["std::fmt::Display", "c", "super::super::x"] {
            assert_eq!(defined("c", path), None, "{path}");
        }
    }
}
