//! Attacks by the index of shards, and by what it names.

use super::{Victim, replace_by};
use serde_json::{Map, Value, json};
use std::fs;

const INDEX: &str = "model.safetensors.index.json";
const SHARD: &str = "model-00002-of-00004.safetensors";

fn victim() -> Victim {
    Victim::of("llama-gqa-sharded")
}

#[test]
fn names_that_leave_the_directory_are_refused() {
    let victim = victim();
    fs::copy(victim.file(SHARD), victim.home.path().join(SHARD)).unwrap();
    let absolute = victim.home.path().join(SHARD);
    let long = "x".repeat(300);
    for name in [
        &format!("../{SHARD}"),
        &format!("./../{SHARD}"),
        absolute.to_str().unwrap(),
        "..",
        ".",
        "",
        "a/../../b",
        "/dev/zero",
        "line\nend",
        "nul\0",
        "\u{1b}[2Jclear",
        &long,
    ] {
        let index = json!({ "weight_map": { "w": name } }).to_string();
        victim.write(INDEX, index).refused(name, &[INDEX, "a file outside the checkpoint"]);
    }
}

#[test]
fn an_index_that_is_none_is_refused() {
    let victim = victim();
    for (attack, index) in [
        ("no JSON", b"weights".to_vec()),
        ("not UTF-8", b"{\"weight_map\": {\"w\": \"\xff\"}}".to_vec()),
        ("no map", b"{}".to_vec()),
        ("a map that is a list", b"{\"weight_map\": []}".to_vec()),
        ("a file that is a number", b"{\"weight_map\": {\"w\": 1}}".to_vec()),
        ("nested", format!("{{\"metadata\": {}", "[".repeat(1 << 20)).into_bytes()),
        ("twice", b"{\"weight_map\": {\"w\": \"a\", \"w\": \"b\"}}".to_vec()),
        ("two maps", b"{\"weight_map\": {}, \"weight_map\": {}}".to_vec()),
    ] {
        victim.write(INDEX, index).refused(attack, &[INDEX, "is not an index"]);
    }
    victim
        .write(INDEX, vec![b' '; 17 << 20])
        .refused("long", &[INDEX, "at most 16777216 are read"]);
}

#[test]
fn counts_that_take_memory_are_refused() {
    let victim = victim();
    let map = |tensors: usize, files: usize| {
        let entries = (0..tensors).map(|n| (n.to_string(), (n % files).to_string().into()));
        json!({ "weight_map": Value::Object(entries.collect::<Map<_, _>>()) }).to_string()
    };
    victim.write(INDEX, map(70_000, 3)).refused("tensors", &[INDEX, "more than 65536 names"]);
    victim.write(INDEX, map(60_000, 5_000)).refused("files", &[INDEX, "names 5000 files"]);
    // Within the limits, but there are no such files.
    victim.write(INDEX, map(60_000, 4_000)).refused("no files", &["cannot read", "checkpoint/0"]);
    // Ever more files of ever the same tensors.
    let index = json!({ "weight_map": { "a": "a.safetensors", "b": "b.safetensors" } });
    for copy in ["a.safetensors", "b.safetensors"] {
        fs::copy(victim.file(SHARD), victim.file(copy)).unwrap();
    }
    victim.write(INDEX, index.to_string()).refused("twice", &["b.safetensors", "is there twice"]);
}

#[test]
fn shards_that_are_no_files_are_refused() {
    for (thing, said) in [
        ("directory", "not a regular file"),
        ("pipe", "not a regular file"),
        ("/dev/zero", "not a regular file"),
        ("loop", "cannot read"),
        ("/nowhere", "is a link to a file that is not there"),
    ] {
        let victim = victim();
        replace_by(&victim.file(SHARD), thing);
        victim.refused(thing, &[SHARD, said]);
    }
}
