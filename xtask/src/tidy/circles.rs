//! No modules of a crate need each other in a circle: what stands beside each other can be read in order.
//!
//! Compared are modules with the same parent, each with all that is in it. A module may name what is around it, and what
//! is in it: that is not a circle. A name counts for the module that defines it, though it is imported from the crate's root.

use super::Finding;
use super::modules::Modules;
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Directories of crates with circles that are still to be untied. None may be added.
const KNOWN: &[&str] = &[];

/// Finds circles, and crates that are on the list though they have none.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    check_but(KNOWN, "xtask/src/tidy/circles.rs", sources)
}

fn check_but(known: &[&str], list: &str, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut tied = BTreeSet::new();
    for modules in Modules::of_workspace(sources) {
        let circles = circles(&modules);
        if !circles.is_empty() {
            tied.insert(modules.directory);
        }
        if !known.contains(&modules.directory) {
            findings.extend(circles);
        }
    }
    let untied = known.iter().filter(|directory| !tied.contains(*directory));
    findings.extend(untied.map(|directory| {
        Finding::file(list, format!("{directory} has no circles any more: take it off the list"))
    }));
    findings
}

/// Who names whom among modules beside each other, and where first: file and line, counted from 0.
type Edges<'a> = BTreeMap<usize, BTreeMap<usize, (&'a str, usize)>>;

/// The circles of a crate.
fn circles(modules: &Modules<'_>) -> Vec<Finding> {
    let beside = beside(modules);
    beside.iter().flat_map(|(&parent, edges)| circles_in(modules, parent, edges)).collect()
}

/// The edges among the modules of each parent.
fn beside<'a>(modules: &Modules<'a>) -> BTreeMap<usize, Edges<'a>> {
    let line_of = |module: usize| {
        let mut line = modules.all[module].above.clone();
        line.push(module);
        line
    };
    let mut beside: BTreeMap<usize, Edges<'a>> = BTreeMap::new();
    for (index, module) in modules.all.iter().enumerate() {
        let own = line_of(index);
        for named in &module.named {
            let Some(target) = modules.resolve(index, &named.names) else { continue };
            let other = line_of(target);
            let shared = own.iter().zip(&other).take_while(|(a, b)| a == b).count();
            // Otherwise one is in the other.
            if let (Some(&from), Some(&to)) = (own.get(shared), other.get(shared)) {
                let edges = beside.entry(own[shared - 1]).or_default();
                edges.entry(from).or_default().entry(to).or_insert((module.file, named.line));
            }
        }
    }
    beside
}

/// One finding for all modules that reach each other.
fn circles_in(modules: &Modules<'_>, parent: usize, edges: &Edges<'_>) -> Vec<Finding> {
    let mut left: BTreeSet<usize> = edges.keys().copied().collect();
    let mut findings = Vec::new();
    while let Some(start) = left.pop_first() {
        let Some(mut circle) = shortest_circle(start, edges) else { continue };
        let back = |&other: &usize| path(other, start, edges).is_some();
        let knot: Vec<usize> = reached(start, edges)
            .into_iter()
            .filter(|other| *other == start || back(other))
            .collect();
        for &member in &knot {
            left.remove(&member);
            let shorter = shortest_circle(member, edges).filter(|new| new.len() < circle.len());
            circle = shorter.unwrap_or(circle);
        }
        let name = |module: usize| modules.all[module].name;
        let names: Vec<&str> = knot.iter().map(|&module| name(module)).collect();
        let arrows: Vec<String> = circle
            .windows(2)
            .map(|pair| {
                let (file, line) = edges[&pair[0]][&pair[1]];
                format!("{} names {} ({file}:{})", name(pair[0]), name(pair[1]), line + 1)
            })
            .collect();
        let text = format!("{} need each other: {}", names.join(", "), arrows.join(", "));
        findings.push(Finding::file(modules.all[parent].file, text));
    }
    findings
}

/// All that can be reached from `start`, which is one of them.
fn reached(start: usize, edges: &Edges<'_>) -> BTreeSet<usize> {
    let (mut seen, mut open) = (BTreeSet::from([start]), vec![start]);
    while let Some(at) = open.pop() {
        let next = edges.get(&at).into_iter().flat_map(BTreeMap::keys);
        open.extend(next.filter(|next| seen.insert(**next)));
    }
    seen
}

/// From `start` round to itself, both ends included.
fn shortest_circle(start: usize, edges: &Edges<'_>) -> Option<Vec<usize>> {
    let next = edges.get(&start)?.keys();
    let back = next.filter_map(|&next| path(next, start, edges)).min_by_key(Vec::len)?;
    Some([vec![start], back].concat())
}

/// The shortest path, both ends included.
fn path(from: usize, to: usize, edges: &Edges<'_>) -> Option<Vec<usize>> {
    let (mut before, mut open) = (BTreeMap::from([(from, from)]), VecDeque::from([from]));
    while let Some(at) = open.pop_front() {
        if at == to {
            let mut path = vec![to];
            while let Some(&last) = path.last().filter(|last| **last != from) {
                path.push(before[&last]);
            }
            path.reverse();
            return Some(path);
        }
        for &next in edges.get(&at).into_iter().flat_map(BTreeMap::keys) {
            before.entry(next).or_insert_with(|| {
                open.push_back(next);
                at
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(known: &[&str], files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source::new(&format!("c/src/{path}"), text);
        let sources: Vec<Source> = files.iter().map(source).collect();
        check_but(known, "list.rs", &sources).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn modules_that_name_each_other_are_a_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a.rs", "\nuse crate::b::B;\npub struct A;\n"),
            ("b.rs", "pub struct B(super::a::A);\n"),
        ];
        let expected = "c/src/lib.rs: a, b need each other: a names b (c/src/a.rs:2), b names a (c/src/b.rs:1)";
        assert_eq!(findings(&[], &files), [expected]);
        assert_eq!(findings(&["c/src"], &files), [""; 0]);
        assert_eq!(findings(&[], &files[..2]), [""; 0]);
    }

    #[test]
    fn the_root_of_the_crate_hides_no_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::inner::B;\n"),
            ("a.rs", "use crate::B;\npub struct A;\n"),
            ("b.rs", "mod inner;\n"),
            ("b/inner.rs", "pub struct B;\nfn f(a: crate::A) {}\n"),
        ];
        let expected = "c/src/lib.rs: a, b need each other: a names b (c/src/a.rs:1), b names a (c/src/b/inner.rs:2)";
        assert_eq!(findings(&[], &files), [expected]);
    }

    #[test]
    fn circles_are_found_below_and_through_others() {
        let files = [
            ("lib.rs", "mod page;\n"),
            ("page.rs", "mod chart;\nmod report;\nmod rows;\nuse rows::Row;\n"),
            ("page/chart.rs", "use super::Row;\n"),
            ("page/report.rs", "use super::chart;\n"),
            ("page/rows.rs", "pub struct Row(super::report::Report);\n"),
        ];
        let [finding] = &findings(&[], &files)[..] else { panic!("one knot") };
        assert!(
            finding.starts_with("c/src/page.rs: chart, report, rows need each other"),
            "{finding}"
        );
    }

    #[test]
    fn a_module_may_name_what_is_around_and_in_it() {
        let files = [
            ("lib.rs", "mod a;\npub struct Error;\npub use a::A;\n"),
            ("a.rs", "mod b;\npub use b::B;\npub struct A(crate::Error);\n"),
            ("a/b.rs", "use super::A;\npub struct B;\n"),
        ];
        assert_eq!(findings(&[], &files), [""; 0]);
    }

    #[test]
    fn tests_may_name_anything() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "pub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n"),
        ];
        assert_eq!(findings(&[], &files), [""; 0]);
    }

    #[test]
    fn a_crate_without_circles_leaves_the_list() {
        let expected = "list.rs: c/src has no circles any more: take it off the list";
        assert_eq!(findings(&["c/src"], &[("lib.rs", "")]), [expected]);
    }
}
