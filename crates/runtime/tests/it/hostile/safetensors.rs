//! Attacks by the header of a safetensors file.

use super::{Victim, hole, replace_by};
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

const FILE: &str = "model.safetensors";

/// A file of this header and `data` bytes of data.
fn file(header: impl AsRef<[u8]>, data: usize) -> Vec<u8> {
    let header = header.as_ref();
    [&(header.len() as u64).to_le_bytes()[..], header, &vec![0; data]].concat()
}

/// A tensor of `dims` halves at `place`.
fn tensor(dims: &Value, place: [u64; 2]) -> Value {
    json!({ "dtype": "F16", "shape": dims, "data_offsets": place })
}

#[test]
fn lengths_that_lie_are_refused() {
    let victim = Victim::small();
    for (length, said) in [
        (u64::MAX, "a header of 18446744073709551615 bytes"),
        (u64::MAX - 7, "a header of 18446744073709551608 bytes"),
        (1 << 40, "a header of 1099511627776 bytes"),
        (100, "a header of 100 bytes in 18"),
        (0, "bad header"),
    ] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(b"{}        ");
        victim.write(FILE, bytes).refused("a length", &[FILE, said]);
    }
    victim.write(FILE, b"short").refused("no length", &[FILE, "5 bytes are too few"]);
    // As long as it says: a hole costs whoever made the file nothing.
    hole(&victim.file(FILE), (1 << 34) + 8);
    let header = OpenOptions::new().write(true).open(victim.file(FILE)).unwrap();
    header.write_all_at(&(1u64 << 34).to_le_bytes(), 0).unwrap();
    victim.refused("a header of gigabytes", &[FILE, "a header of 17179869184 bytes"]);
    header.write_all_at(&(16u64 << 20).to_le_bytes(), 0).unwrap();
    victim.refused("a header of zeros", &[FILE, "bad header"]);
}

#[test]
fn headers_that_are_none_are_refused() {
    let victim = Victim::small();
    let deep = |open: &str| format!("{{\"w\": {}", open.repeat(1 << 20));
    for (attack, header) in [
        ("no JSON", b"PK\x03\x04".to_vec()),
        ("an array", b"[]".to_vec()),
        ("a number", b"1e999".to_vec()),
        ("not UTF-8", b"{\"\xff\xfe\": {}}".to_vec()),
        ("half a surrogate", b"{\"\\ud800\": {}}".to_vec()),
        ("two values", b"{} {}".to_vec()),
        ("nested arrays", deep("[").into_bytes()),
        ("nested objects", deep("{\"w\":").into_bytes()),
        ("nested metadata", format!("{{\"__metadata__\": {}", "[".repeat(1 << 20)).into_bytes()),
    ] {
        victim.write(FILE, file(header, 16)).refused(attack, &[FILE, "bad header"]);
    }
}

#[test]
fn tensors_of_other_types_are_refused() {
    let victim = Victim::small();
    for (attack, wrong) in [
        ("no object", json!(7)),
        ("a type that is a number", json!({ "dtype": 16, "shape": [1], "data_offsets": [0, 2] })),
        ("no such type", json!({ "dtype": "F17", "shape": [1], "data_offsets": [0, 2] })),
        ("a shape that is a text", json!({ "dtype": "F16", "shape": "1", "data_offsets": [0, 2] })),
        ("a negative size", tensor(&json!([-1]), [0, 2])),
        ("a broken size", tensor(&json!([0.5]), [0, 2])),
        ("a size above 2^64", tensor(&json!([1e20]), [0, 2])),
        ("one offset", json!({ "dtype": "F16", "shape": [1], "data_offsets": [2] })),
        ("a negative offset", json!({ "dtype": "F16", "shape": [1], "data_offsets": [-2, 0] })),
        ("no shape", json!({ "dtype": "F16", "data_offsets": [0, 2] })),
    ] {
        let header = json!({ "w": wrong }).to_string();
        victim.write(FILE, file(header, 2)).refused(attack, &[FILE, "bad header"]);
    }
}

#[test]
fn places_that_contradict_are_refused() {
    let victim = Victim::small();
    let two = |a: Value, b: Value| json!({ "a": a, "b": b });
    let four = json!([4]);
    for (attack, header, said) in [
        ("overlap", two(tensor(&four, [0, 8]), tensor(&four, [4, 12])), "bad header"),
        ("the same bytes", two(tensor(&four, [0, 8]), tensor(&four, [0, 8])), "bad header"),
        ("a hole", two(tensor(&four, [0, 8]), tensor(&four, [10, 18])), "bad header"),
        ("backwards", json!({ "a": tensor(&four, [8, 0]) }), "bad header"),
        ("another length", json!({ "a": tensor(&json!([5]), [0, 8]) }), "bad header"),
        (
            "a product past 2^64",
            json!({ "a": tensor(&json!([1u64 << 33, 1u64 << 33]), [0, 8]) }),
            "bad header",
        ),
        ("bytes past 2^64", json!({ "a": tensor(&json!([1u64 << 63]), [0, 8]) }), "bad header"),
        (
            "an end near 2^64",
            json!({ "a": tensor(&json!([(1u64 << 63) - 1]), [0, u64::MAX - 1]) }),
            "bad header",
        ),
        (
            "an end of 2^60",
            json!({ "a": { "dtype": "U8", "shape": [1u64 << 60], "data_offsets": [0, 1u64 << 60] } }),
            "its header says",
        ),
        (
            "a start near 2^64",
            json!({ "a": tensor(&json!([0]), [u64::MAX, u64::MAX]) }),
            "bad header",
        ),
        ("past the end", json!({ "a": tensor(&json!([8]), [0, 16]) }), "its header says"),
    ] {
        victim.write(FILE, file(header.to_string(), 8)).refused(attack, &[FILE, said]);
    }
    let good = std::fs::read(flint_fixtures::oracle("opt-post-ln-free").join(FILE)).unwrap();
    let longer = [&good[..], &[0]].concat();
    victim.write(FILE, longer).refused("a byte more", &[FILE, "its header says"]);
    victim
        .write(FILE, &good[..good.len() - 1])
        .refused("a byte less", &[FILE, "download it again"]);
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    let one = tensor(&json!([1]), [0, 2]).to_string();
    let other = tensor(&json!([1]), [2, 4]).to_string();
    let victim = Victim::small();
    for (second, said) in [(&one, "'w' is there twice"), (&other, "'w' is there twice")] {
        let header = format!("{{\"w\": {one}, \"\\u0077\": {second}}}");
        victim.write(FILE, file(header, 4)).refused("twice", &[FILE, said]);
    }
    let name = "n".repeat(600);
    let header = format!("{{\"{name}\": {one}}}");
    victim.write(FILE, file(header, 2)).refused("a long name", &[FILE, "a name of 600 bytes"]);
}

#[test]
fn what_takes_more_memory_than_bytes_is_bounded() {
    let victim = Victim::small();
    let empty = tensor(&json!([0]), [0, 0]);
    let many: Map<String, Value> = (0..70_000).map(|n| (n.to_string(), empty.clone())).collect();
    let header = Value::Object(many).to_string();
    victim.write(FILE, file(header, 0)).refused("tensors", &[FILE, "more than 65536 tensors"]);

    let sizes = "0,".repeat(8 << 20);
    let header =
        format!("{{\"w\":{{\"dtype\":\"F16\",\"data_offsets\":[0,0],\"shape\":[{sizes}0]}}}}");
    let header = &header[..header.len().min(16 << 20)];
    victim.write(FILE, file(header, 0)).refused("sizes", &[FILE, "more than 8 dimensions"]);

    // Metadata says nothing about tensors: it is passed over, however much it is.
    let notes: Vec<String> = (0..1 << 20).map(|n| format!("\"{n}\":\"\"")).collect();
    let header = format!("{{\"__metadata__\":{{{}}}}}", notes.join(","));
    victim.write(FILE, file(header, 0)).refused("metadata", &["has no tensor"]);
}

#[test]
fn a_file_that_is_no_file_is_refused() {
    for (thing, said) in [
        ("directory", "not a regular file"),
        ("pipe", "not a regular file"),
        ("loop", "cannot read"),
        ("/dev/zero", "not a regular file"),
        ("/nowhere", "is a link to a file that is not there"),
    ] {
        let victim = Victim::small();
        replace_by(&victim.file(FILE), thing);
        victim.refused(thing, &[FILE, said]);
    }
}
