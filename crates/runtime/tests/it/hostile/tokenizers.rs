//! Attacks by tokenizers, in every form in which they are published.

use super::{Victim, hole};
use serde_json::{Map, Value, json};
use std::fs;

/// A checkpoint with the files of a tokenizer.
fn victim(model: &str, name: &str) -> Victim {
    let victim = Victim::of(model);
    for entry in fs::read_dir(flint_fixtures::tokenizer(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), victim.dir().join(entry.file_name())).unwrap();
    }
    victim
}

fn opt() -> Victim {
    victim("opt-post-ln-free", "opt")
}

fn llama() -> Victim {
    victim("llama-2", "llama")
}

/// A field of a message: its number, kind 2, its bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        field.push(len as u8 | 0x80);
        len >>= 7;
    }
    field.push(len as u8);
    field.extend(bytes);
    field
}

#[test]
fn vocabularies_that_are_none_are_refused() {
    let victim = opt();
    for (attack, text, said) in [
        ("no JSON", b"a b c".to_vec(), "is not a vocabulary"),
        ("a list", b"[\"a\"]".to_vec(), "is not a vocabulary"),
        ("not UTF-8", b"{\"\xff\": 1}".to_vec(), "is not a vocabulary"),
        ("nested", format!("{{\"a\": {}", "[".repeat(1 << 20)).into_bytes(), "is not a vocabulary"),
        ("an id that is a text", b"{\"a\": \"1\"}".to_vec(), "is not a vocabulary"),
        ("an id past 2^32", b"{\"a\": 4294967296}".to_vec(), "is not a vocabulary"),
        ("a negative id", b"{\"a\": -1}".to_vec(), "is not a vocabulary"),
        ("twice", b"{\"a\": 1, \"\\u0061\": 2}".to_vec(), "'a' is there twice"),
    ] {
        victim.write("vocab.json", text).refused(attack, &["vocab.json", said]);
    }
    let many: Map<String, Value> = (0..600_000).map(|n| (format!("{n:x}"), 1.into())).collect();
    victim.write("vocab.json", Value::Object(many).to_string());
    victim.refused("many", &["vocab.json", "more than 393216 names"]);
    hole(&victim.file("vocab.json"), 1 << 40);
    victim.refused("a terabyte", &["vocab.json", "1099511627776 bytes"]);
}

#[test]
fn merges_that_are_none_are_refused() {
    let victim = opt();
    for (attack, text, said) in [
        ("not UTF-8", b"\xff \xfe\n".to_vec(), "not in UTF-8"),
        ("three", b"a b c\n".to_vec(), "line 1 is not a pair"),
        ("one", b"#version\n\nabc\n".to_vec(), "line 3 is not a pair"),
        ("many", b"a b\n".repeat(4 << 20), "has more merges than the vocabulary has pieces"),
    ] {
        victim.write("merges.txt", text).refused(attack, &["merges.txt", said]);
    }
    victim.write("merges.txt", "not there\n").refused("unknown", &["vocab.json"]);
    hole(&victim.file("merges.txt"), 1 << 40);
    victim.refused("a terabyte", &["merges.txt", "1099511627776 bytes"]);
}

#[test]
fn sentencepiece_models_that_take_memory_are_refused() {
    let victim = llama();
    const FILE: &str = "tokenizer.model";
    // The good model says at its end what kind it is: last things count.
    let good = fs::read(victim.file(FILE)).unwrap();
    let with = |more: Vec<u8>| [&good[..], &more].concat();
    victim.write(FILE, with(field(1, b"").repeat(7 << 20)));
    victim.refused("pieces", &[FILE, "more than 393216 pieces"]);
    let twice = field(1, &field(1, b"twice")).repeat(2);
    victim.write(FILE, with(twice)).refused("twice", &[FILE, "the piece 'twice' twice"]);
    // All parts of one long text: each merge of each is known.
    let text: String = (0..400u32).map(|n| char::from_u32(0x4e00 + n * 7).unwrap()).collect();
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut parts = Vec::new();
    for (from, &start) in places.iter().enumerate() {
        for &end in places.iter().skip(from + 1).take(80) {
            parts.extend(field(1, &field(1, &text.as_bytes()[start..end])));
        }
    }
    victim.write(FILE, with(parts)).refused("merges", &[FILE, "more than 4 merges for each piece"]);
    let wide = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    victim.write(FILE, with(wide.to_vec())).refused("2^64", &[FILE, "not a SentencePiece model"]);
    victim.write(FILE, with(field(1, &field(1, b"\xff")))).refused("not UTF-8", &[FILE]);
    victim
        .write(FILE, vec![0xff; 1 << 20])
        .refused("endless", &[FILE, "not a SentencePiece model"]);
    hole(&victim.file(FILE), 1 << 40);
    victim.refused("a terabyte", &[FILE, "1099511627776 bytes"]);
}

#[test]
fn a_score_that_is_no_number_is_harmless() {
    let victim = llama();
    let good = fs::read(victim.file("tokenizer.model")).unwrap();
    let piece = |text: &str, score: f32| {
        let message = [field(1, text.as_bytes()), vec![0x15], score.to_le_bytes().to_vec()];
        field(1, &message.concat())
    };
    let more = [piece("q\u{2581}", f32::NAN), piece("x\u{2581}", f32::INFINITY)].concat();
    victim.write("tokenizer.model", [good, more].concat());
    let ended = victim.convert();
    assert_eq!(ended.status, Some(0), "{:?}", ended.lines);
}

/// The published tokenizer of the small model, changed.
fn published(change: impl FnOnce(&mut Value)) -> String {
    let text = fs::read(flint_fixtures::tiny_opt().join("tokenizer.json")).unwrap();
    let mut tokenizer = serde_json::from_slice(&text).unwrap();
    change(&mut tokenizer);
    tokenizer.to_string()
}

#[test]
fn a_published_tokenizer_that_does_not_parse_is_refused_before_anything_is_written() {
    let victim = Victim::small();
    const FILE: &str = "tokenizer.json";
    for (attack, text) in [
        ("no JSON", b"{".to_vec()),
        ("not UTF-8", b"{\"version\": \"\xff\"}".to_vec()),
        ("nested", format!("{{\"a\": {}", "[".repeat(1 << 20)).into_bytes()),
        ("a model of another type", published(|all| all["model"]["type"] = json!(3)).into_bytes()),
        (
            "a vocabulary that is a list",
            published(|all| all["model"]["vocab"] = json!([1])).into_bytes(),
        ),
        (
            "ids past 2^32",
            published(|all| all["model"]["vocab"]["x"] = json!(1u64 << 32)).into_bytes(),
        ),
        (
            "merges of nothing",
            published(|all| all["model"]["merges"] = json!(["zq qz"])).into_bytes(),
        ),
        (
            "no such pattern",
            published(|all| {
                let split = json!({ "type": "Split", "pattern": { "Regex": "(((" },
                "behavior": "Isolated", "invert": false });
                all["pre_tokenizer"] = split;
            })
            .into_bytes(),
        ),
    ] {
        victim.write(FILE, text).refused(attack, &[FILE]);
    }
    hole(&victim.file(FILE), 1 << 40);
    victim.refused("a terabyte", &[FILE, "1099511627776 bytes"]);
}

#[test]
fn what_a_tokenizer_says_of_lengths_is_not_obeyed() {
    // Padded to this length, a text of one word would take a terabyte; cut to it, a prompt would be lost.
    let padding = json!({ "strategy": { "Fixed": 1u64 << 40 }, "direction": "Right",
        "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>" });
    let truncation = json!({ "direction": "Right", "max_length": 1, "strategy": "LongestFirst",
        "stride": 0 });
    let text = published(|all| {
        all["padding"] = padding;
        all["truncation"] = truncation;
    });
    let codec = flint_engine::Tokenizer::parse(text.as_bytes()).unwrap();
    let plain = flint_engine::Tokenizer::parse(published(|_| {}).as_bytes()).unwrap();
    let words = "Once upon a time";
    assert_eq!(codec.encode(words, true).unwrap(), plain.encode(words, true).unwrap());
    assert!(codec.encode(words, true).unwrap().len() > 2);
}

#[test]
fn parts_that_their_library_cannot_stand_are_refused() {
    // A table that claims a million units, and offsets far outside.
    let text = published(|all| {
        all["normalizer"] =
            json!({ "type": "Precompiled", "precompiled_charsmap": "AAAQAP///38A" });
    });
    let victim = Victim::small();
    victim.write("tokenizer.json", text);
    victim.refused("a table", &["tokenizer.json", "Precompiled is not supported"]);
    let many = published(|all| all["post_processor"] = json!([]));
    let many = many.replace("[]", &format!("[{}[]]", "[],".repeat(5 << 20)));
    victim.write("tokenizer.json", many);
    victim.refused("values", &["tokenizer.json", "more than 4194304 values"]);
}
