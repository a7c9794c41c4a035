//! Comparing, with small commands in the place of Flint and the peer.

use clap::Parser;
use flint_fixtures::ControlGroup;
use flint_lab::Refused;
use flint_lab::compare::{CompareArgs, Limit, Ratios, Run, Spread, compare, order};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: CompareArgs,
}

const FLINT: &str = r#"echo '{"stats": {"tokens_per_second": 6, "decode_tokens": 2, "decode_storage_bytes": 4000000000}}'"#;

fn run(more: &[&str]) -> anyhow::Result<(String, Vec<String>)> {
    run_model(&flint_fixtures::tiny_opt_bundle(), more)
}

fn run_model(model: &Path, more: &[&str]) -> anyhow::Result<(String, Vec<String>)> {
    let line = ["compare", "--model", model.to_str().unwrap()];
    let args = Line::try_parse_from(line.iter().chain(more))?.args;
    let mut told = Vec::new();
    let text = compare(&args, &mut |line| told.push(line.to_owned()))?;
    Ok((text, told))
}

/// Says so where there are no control groups to run in.
fn can_run() -> bool {
    let group = ControlGroup::new(None);
    if let Err(error) = &group {
        flint_fixtures::skip(error);
    }
    group.is_ok()
}

#[test]
fn every_second_round_runs_backwards() {
    assert_eq!(order(3, 0), [0, 1, 2]);
    assert_eq!(order(3, 1), [2, 1, 0]);
    assert_eq!(order(3, 2), [0, 1, 2]);
}

#[test]
fn a_spread_is_median_least_and_most() {
    let spread = Spread::of([4.0, 1.0, 3.0, f64::NAN, 2.0]).unwrap();
    assert_eq!((spread.median, spread.min, spread.max, spread.count), (2.5, 1.0, 4.0, 4));
    assert_eq!(Spread::of([5.0, 1.0, 9.0]).unwrap().median, 5.0);
    assert_eq!(Spread::of([]), None);
}

#[test]
fn ratios_pair_the_runs_of_a_round() {
    let run = |contestant, round, speed: Option<f64>, wall_s| Run {
        contestant,
        round,
        tokens_per_second: speed,
        wall_s,
        ..Run::default()
    };
    // The machine is twice as slow in round 1, and the peer fails in round 2.
    let runs = [
        run(0, 0, Some(8.0), 1.0),
        run(1, 0, Some(2.0), 4.0),
        run(1, 1, Some(1.0), 8.0),
        run(0, 1, Some(4.0), 2.0),
        run(0, 2, Some(4.0), 2.0),
        run(1, 2, None, 0.0),
    ];
    let ratios = Ratios::of(&runs, 1, "peer");
    let figure = |name: &str| ratios.figures.iter().find(|(n, _)| n.starts_with(name)).unwrap().1;
    assert_eq!(figure("tok/s"), Some(Spread { median: 4.0, min: 4.0, max: 4.0, count: 2 }));
    assert_eq!(figure("wall").unwrap().median, 0.25);
    assert_eq!(figure("read per token"), None);
}

#[test]
fn limits_are_shares_bytes_or_none() {
    let bytes = |text: &str| text.parse::<Limit>().unwrap().bytes(1000);
    assert_eq!((bytes("50%"), bytes("4KiB"), bytes("none")), (Some(500), Some(4096), None));
    assert!("auto".parse::<Limit>().is_err() && "-1".parse::<Limit>().is_err());
}

#[test]
fn a_comparison_runs_to_its_files() {
    if !can_run() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let peer = "echo speed {tokens}.0 threads {threads}; sleep 0.05";
    let (text, told) = run(&[
        "--flint-command",
        FLINT,
        "--peer",
        peer,
        "--peer-name",
        "other",
        "--peer-toks",
        "speed ([0-9.]+)",
        "-n",
        "3",
        "--rounds",
        "2",
        "--limit",
        "200MiB",
        "--peer-limit",
        "200MiB,none",
        "--json",
        "--out",
        out,
        "--name",
        "fake",
    ])
    .unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let ran: Vec<u64> = report["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["contestant"].as_u64().unwrap())
        .collect();
    assert_eq!(ran, [0, 1, 2, 2, 1, 0]);
    assert_eq!(report["contestants"][0]["limit_bytes"], 200 << 20);
    assert_eq!(report["contestants"][2]["limit_bytes"], Value::Null);
    assert_eq!(report["contestants"][1]["command"], peer, "as given");
    let ratio = &report["ratios"][1]["figures"][0];
    assert_eq!((ratio[0].as_str(), ratio[1]["median"].as_f64()), (Some("tok/s"), Some(2.0)));
    assert_eq!(report["runs"][0]["read_per_token"], 2e9);
    assert!(report["runs"][1]["wall_s"].as_f64().unwrap() >= 0.05);
    assert!(told.iter().any(|line| line == "round 2 of 2: other, all memory"), "{told:?}");
    let page = fs::read_to_string(directory.path().join("compare-fake.md")).unwrap();
    for part in [
        "| Flint, 0.21 GB | 6.00 (6.00 to 6.00) | 2.00 (2.00 to 2.00) |",
        "| tok/s | 2.00 (2.00 to 2.00) | 2.00 (2.00 to 2.00) |",
        "![Tokens per second](compare-fake.svg)",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let chart = fs::read_to_string(directory.path().join("compare-fake.svg")).unwrap();
    assert!(chart.contains("other, all memory") && chart.contains("6.000"), "{chart}");
    let written = fs::read_to_string(directory.path().join("compare-fake.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), report);
}

#[test]
fn a_peer_that_needs_too_much_is_reported_as_killed() {
    if !can_run() {
        return;
    }
    let peer = "head -c 100000000 /dev/zero | tail -n 1 | wc -c; echo speed 1";
    let (page, _) = run(&[
        "--flint-command",
        FLINT,
        "--peer",
        peer,
        "--peer-toks",
        "speed ([0-9.]+)",
        "--limit",
        "24MiB",
        "--rounds",
        "1",
    ])
    .unwrap();
    assert!(page.contains("peer, 0.03 GB: round 1: killed: out of memory"), "{page}");
    assert!(page.contains("| tok/s | - |"), "{page}");
}

#[test]
fn what_fails_in_the_first_round_ends_it() {
    if !can_run() {
        return;
    }
    let error = |peer: &str| {
        let common = ["--flint-command", FLINT, "--limit", "none", "--peer-preset", "llama.cpp"];
        run(&[&common[..], &["--peer", peer]].concat()).unwrap_err().to_string()
    };
    assert_eq!(
        error("echo no such model >&2; exit 3"),
        "peer, all memory: exit status: 3: no such model"
    );
    assert!(error("echo silent").ends_with("it printed no tokens per second that were understood"));
}

#[test]
fn a_gguf_file_is_compared_with_itself_as_the_peer_reads_it() {
    if !can_run() {
        return;
    }
    let model = flint_fixtures::gguf("llama-q4_0").join("model.gguf");
    let peer = "test -s {gguf} && echo 3 tokens/s";
    let preset = ["--peer-toks", r"([0-9.]+) tokens/s", "--limit", "none", "--rounds", "1"];
    let more = ["--flint-command", FLINT, "--peer", peer, "-n", "2"];
    let (text, _) = run_model(&model, &[&preset[..], &more].concat()).unwrap();
    assert!(text.contains("2.00"), "{text}");
}

#[test]
fn wrong_requests_are_refused_before_anything_runs() {
    let preset = ["--peer-preset", "llama.cpp", "--peer"];
    let refused = run(&[&preset[..], &["x {gguf}"]].concat()).unwrap_err();
    assert!(refused.is::<Refused>() && refused.to_string().contains("--gguf"), "{refused}");
    let refused =
        run(&[&preset[..], &["x {gguf}", "--gguf", "no-such-file"]].concat()).unwrap_err();
    assert!(refused.is::<Refused>() && refused.to_string().contains("no-such-file"), "{refused}");
    let unread = run(&["--peer", "true"]).unwrap_err().to_string();
    assert!(unread.contains("--peer-preset"), "{unread}");
}
