//! Which package of the workspace may know which: the picture in ARCHITECTURE.md, as a table.

use super::Finding;
use super::manifest::Manifest;

const LEAVES: &[&str] = &["flint-geometry", "flint-iobuf"];
const MIDDLE: &[&str] =
    &["flint-bundle", "flint-checkpoint", "flint-kernels", "flint-dram-cache", "flint-flash-io"];
const ON_KERNELS: &[&str] = &["flint-predictor", "flint-model"];

/// What each package may depend on, from the leaves up. [`ANYTHING`] stands beside it.
const LAYERS: &[(&str, &[&[&str]])] = &[
    ("flint-geometry", &[]),
    ("flint-iobuf", &[]),
    ("flint-chat", &[]),
    ("flint-bundle", &[LEAVES]),
    ("flint-checkpoint", &[&["flint-geometry"]]),
    ("flint-kernels", &[LEAVES]),
    ("flint-dram-cache", &[LEAVES]),
    ("flint-flash-io", &[LEAVES]),
    ("flint-predictor", &[LEAVES, &["flint-kernels"]]),
    ("flint-model", &[LEAVES, &["flint-kernels"]]),
    ("flint-engine", &[LEAVES, MIDDLE, ON_KERNELS]),
    ("flint-convert", &[LEAVES, MIDDLE, ON_KERNELS, &["flint-engine"]]),
    ("flint-dialogue", &[&["flint-chat", "flint-engine"]]),
    (
        "flint-server",
        &[&["flint-chat", "flint-dialogue", "flint-engine", "flint-kernels", "flint-model"]],
    ),
    (
        "runtime",
        &[
            LEAVES,
            MIDDLE,
            ON_KERNELS,
            &["flint-engine", "flint-convert", "flint-chat", "flint-dialogue", "flint-server"],
        ],
    ),
    ("flint-fixtures", &[&["flint-bundle", "flint-geometry"]]),
    // It checks the workspace and must not wait for the engine: other chores are handed on to other programs.
    ("xtask", &[&[FIXTURES]]),
    ("flint-lab", &[]),
    ("flint-benches", &[]),
];

/// The packages that may depend on anything.
const ANYTHING: &[&str] = &["flint-lab", "flint-benches"];

/// The package whose models, texts and control groups any test may use.
const FIXTURES: &str = "flint-fixtures";

/// What an example shows together with its own crate: its second half, for strangers who take both.
const FOR_EXAMPLES: &[(&str, &str)] = &[("flint-flash-io", "flint-dram-cache")];

/// Finds dependencies that point up or sideways, and packages that the table does not know.
pub(super) fn check(manifests: &[Manifest]) -> Vec<Finding> {
    manifests.iter().flat_map(check_one).collect()
}

/// A line for each package, from the leaves up, with the packages of the workspace that it is built with.
pub(super) fn picture(manifests: &[Manifest]) -> Vec<String> {
    let plain = |name: &str| name.strip_prefix("flint-").unwrap_or(name).to_owned();
    let line = |&(package, _): &(&str, _)| {
        let manifest = manifests.iter().find(|manifest| manifest.package == package)?;
        let known = |name: &&String| LAYERS.iter().any(|(other, _)| other == name);
        let below: Vec<String> =
            manifest.dependencies.iter().filter(known).map(|name| plain(name)).collect();
        Some(format!("{:<11} {}", plain(package), below.join(" ")).trim_end().to_owned())
    };
    LAYERS.iter().filter_map(line).collect()
}

fn check_one(manifest: &Manifest) -> Vec<Finding> {
    let package = &manifest.package;
    let Some((_, below)) = LAYERS.iter().find(|(name, _)| name == package) else {
        let text = format!("{package} has no place in the layers of xtask/src/tidy/layering.rs");
        return vec![Finding::file(&manifest.path, text)];
    };
    if ANYTHING.contains(&package.as_str()) {
        return Vec::new();
    }
    let in_workspace = |name: &&String| LAYERS.iter().any(|(other, _)| other == name);
    let is_shown = |name: &str| FOR_EXAMPLES.contains(&(package.as_str(), name));
    let for_tests = manifest.dev_dependencies.iter();
    let for_tests = for_tests.filter(|&name| name != FIXTURES && !is_shown(name));
    let known = manifest.dependencies.iter().chain(for_tests).filter(in_workspace);
    known
        .filter(|name| !below.iter().any(|layer| layer.contains(&name.as_str())))
        .map(|name| Finding::file(&manifest.path, format!("{package} must not know {name}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(package: &str, dependencies: &[&str], dev: &[&str]) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let manifest = Manifest {
            path: "Cargo.toml".into(),
            package: package.into(),
            dependencies: owned(dependencies),
            dev_dependencies: owned(dev),
        };
        check(&[manifest]).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn the_picture_has_a_line_for_each_package_from_the_leaves_up() {
        let manifest = |package: &str, dependencies: &[&str]| Manifest {
            path: "Cargo.toml".into(),
            package: package.into(),
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
            dev_dependencies: Vec::new(),
        };
        let all = [
            manifest("flint-dram-cache", &["serde", "flint-geometry", "flint-iobuf"]),
            manifest("flint-geometry", &[]),
        ];
        assert_eq!(picture(&all), ["geometry", "dram-cache  geometry iobuf"]);
    }

    #[test]
    fn siblings_do_not_know_each_other() {
        assert_eq!(
            findings("flint-kernels", &["flint-geometry", "flint-bundle"], &[]),
            ["flint-kernels must not know flint-bundle"]
        );
    }

    #[test]
    fn nothing_points_up_and_leaves_know_nobody() {
        assert_eq!(findings("flint-model", &["runtime"], &[]).len(), 1);
        assert_eq!(findings("flint-iobuf", &["flint-geometry"], &[]).len(), 1);
        assert_eq!(findings("runtime", &["flint-fixtures"], &[]).len(), 1);
        assert_eq!(findings("flint-predictor", &["flint-kernels", "libc"], &[]), [""; 0]);
        assert_eq!(findings("flint-benches", &["runtime", "flint-lab"], &[]), [""; 0]);
    }

    #[test]
    fn the_lab_knows_anything_and_nobody_below_knows_it() {
        assert_eq!(
            findings("flint-lab", &["runtime", "flint-bundle", "xtask"], &["xtask"]),
            [""; 0]
        );
        assert_eq!(findings("runtime", &["flint-lab"], &[]), ["runtime must not know flint-lab"]);
        assert_eq!(findings("xtask", &["flint-lab"], &[]), ["xtask must not know flint-lab"]);
    }

    #[test]
    fn checking_does_not_wait_for_the_engine() {
        for heavy in ["runtime", "flint-kernels", "flint-bundle"] {
            assert_eq!(findings("xtask", &[heavy, FIXTURES], &[]).len(), 1, "{heavy}");
        }
    }

    #[test]
    fn tests_may_use_fixtures_but_no_sibling() {
        assert_eq!(findings("flint-bundle", &[], &["flint-fixtures"]), [""; 0]);
        assert_eq!(findings("flint-bundle", &[], &["flint-kernels"]).len(), 1);
    }

    #[test]
    fn a_new_package_needs_a_place() {
        assert!(findings("flint-new", &[], &[])[0].starts_with("flint-new has no place"));
    }
}
