//! The ablation of a tiny model: a page, numbers and a chart that say what was measured and how.

use clap::Parser;
use flint_lab::paper::{PaperArgs, paper};
use serde_json::Value;
use std::fs;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: PaperArgs,
}

#[test]
fn a_page_says_what_was_measured_on_what_and_whether_the_model_is_as_it_should_be() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (bundles, out) = (at("bundles"), at("out"));
    let line = ["paper", "--shapes", "falcon-7b", "--scale", "1/1024", "-n", "4", "--rounds", "1"];
    let line = line.into_iter().chain(["--dir", &bundles, "--out", &out]);
    let files = paper(&Line::try_parse_from(line).unwrap().args).unwrap();
    let [page, numbers, chart] = files.as_slice() else { panic!("{files:?}") };

    let page = fs::read_to_string(page).unwrap();
    for part in [
        "target/release/xtask paper --shapes falcon-7b --scale",
        "--memory 50% --number 4 --rounds 1 --seed 1`",
        "| naive | 2 |",
        "| flint | 4 |",
        "| recall of all stages | 95.00 % |",
    ] {
        assert!(page.contains(part), "{part} is missing in:\n{page}");
    }
    assert!(!page.contains("Void"), "{page}");
    let drawn = chart.file_name().unwrap().to_str().unwrap();
    assert!(page.contains(&format!("({drawn})")) && chart.exists());

    let numbers: Value = serde_json::from_str(&fs::read_to_string(numbers).unwrap()).unwrap();
    let variants = numbers["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 11);
    for variant in variants {
        let stats = &variant["runs"][0];
        assert!(stats["tokens_per_second"].as_f64().unwrap() > 0.0, "{variant}");
        // What was said of all stages says nothing of the first alone.
        let said = !stats["forecast"].is_null();
        let whole = stats["mode"] == "exact" || variant["name"] == "flint";
        assert_eq!(said, whole, "{}", variant["name"]);
    }
    assert_eq!(fs::read_dir(&bundles).unwrap().count(), 0, "bundles are deleted");
}
