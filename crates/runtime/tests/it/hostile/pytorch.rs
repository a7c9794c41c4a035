//! Attacks by PyTorch files: the archive, and the program inside it.

use super::{Victim, hole, replace_by};
use crate::checkpoints::pytorch_file::{Manner, TorchTensor, pickle, write};
use std::fs;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const FILE: &str = "pytorch_model.bin";

fn victim() -> Victim {
    let victim = Victim::small();
    victim.remove("model.safetensors");
    victim
}

/// An archive of these entries, stored as they are.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The pickle of two tensors, in the storages 0 and 1.
fn program() -> Vec<u8> {
    let tensor = |name| TorchTensor::plain(name, "HalfStorage", &[2, 3], &[1; 12]);
    pickle(&[tensor("a"), tensor("b")], Manner::default())
}

fn good() -> Vec<u8> {
    let program = program();
    archive(&[("m/data.pkl", &program), ("m/data/0", &[1; 12]), ("m/data/1", &[1; 12])])
}

/// Where `what` comes for the `nth` time.
fn find(bytes: &[u8], what: &[u8], nth: usize) -> usize {
    let mut places = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(what));
    places.nth(nth).unwrap()
}

fn patched(at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = good();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

/// The good archive with a long end record before its end record, as large archives have it.
fn with_long_end(entries: u64, bytes: u64, start: u64) -> Vec<u8> {
    let mut file = good();
    let end = file.split_off(file.len() - 22);
    let place = file.len() as u64;
    file.extend(b"PK\x06\x06");
    file.extend(44u64.to_le_bytes());
    file.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [entries, entries, bytes, start] {
        file.extend(number.to_le_bytes());
    }
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend(place.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    let mut end = end;
    end[8..20].fill(0xff);
    file.extend(end);
    file
}

#[test]
fn the_archive_that_is_attacked_is_read() {
    // Its tensors are not those of the model.
    victim().write(FILE, good()).refused("none", &["has no tensor 'model.decoder"]);
    let place = find(&good(), b"PK\x01\x02", 0) as u64;
    let bytes = good().len() as u64 - 22 - place;
    let long = with_long_end(3, bytes, place);
    victim().write(FILE, long).refused("none", &["has no tensor 'model.decoder"]);
}

#[test]
fn directories_that_lie_are_refused() {
    let victim = victim();
    let end = good().len() - 22;
    let entry = find(&good(), b"PK\x01\x02", 1);
    let (most16, most32) = (u16::MAX - 1, u32::MAX - 1);
    for (attack, file, said) in [
        ("65534 entries", patched(end + 10, &most16.to_le_bytes()), "shorter than its entries"),
        ("no entries", patched(end + 10, &[0, 0]), "longer than its entries"),
        ("a long directory", patched(end + 12, &most32.to_le_bytes()), "not where it says"),
        ("a directory far away", patched(end + 16, &most32.to_le_bytes()), "not where it says"),
        ("a comment", [good(), b"PK\x05\x06 and more".to_vec()].concat(), "does not end with"),
        ("a comment that is said", patched(end + 20, &[9, 0]), "does not end with"),
        ("2^64 entries", with_long_end(u64::MAX, 46, 0), "18446744073709551615 entries"),
        ("a directory of 2^64", with_long_end(3, u64::MAX, 0), "not where it says"),
        ("a sum past 2^64", with_long_end(3, u64::MAX, u64::MAX), "not where it says"),
        ("at 2^64", with_long_end(3, 100, u64::MAX), "not where it says"),
        ("an entry of 2^32", patched(entry + 20, &[0xfe; 8]), "reaches past the end"),
        ("an entry of 2^64", patched(entry + 20, &[0xff; 8]), "long field"),
        ("an entry far away", patched(entry + 42, &[0xfe; 4]), "reaches past the end"),
        ("an entry in another", patched(entry + 42, &[7, 0, 0, 0]), "reaches past the end"),
        ("packed", patched(entry + 10, &[8, 0]), "compressed or encrypted"),
        ("encrypted", patched(entry + 8, &[1, 0]), "compressed or encrypted"),
        ("a length that unpacks", patched(entry + 24, &[0xfe; 4]), "compressed or encrypted"),
        ("a long name", patched(entry + 28, &[0xff, 0xff]), "shorter than its entries"),
        ("a name not in UTF-8", patched(entry + 46, b"\xff"), "not UTF-8"),
        ("no zip", patched(0, b"\x80\x02}."), "not a zip archive"),
        ("empty", Vec::new(), "is empty"),
    ] {
        victim.write(FILE, file).refused(attack, &[FILE, said]);
    }
}

#[test]
fn archives_with_two_meanings_are_refused() {
    let victim = victim();
    let program = program();
    let mut twice = good();
    for nth in 0..2 {
        let at = find(&twice, b"m/data/1", 0);
        twice[at..at + 8].copy_from_slice(b"m/data/0");
        let _ = nth;
    }
    victim.write(FILE, twice).refused("twice", &[FILE, "has its entry 'm/data/0' twice"]);
    let two = archive(&[("a/data.pkl", &program), ("b/data.pkl", &program)]);
    victim.write(FILE, two).refused("two pickles", &[FILE, "more than one data.pkl"]);
    let none = archive(&[("a/weights.pkl", &program)]);
    victim.write(FILE, none).refused("no pickle", &[FILE, "holds no data.pkl"]);
    // Nothing is unpacked, so a path is a name like any other.
    let path = archive(&[("../../x/data.pkl", &program), ("../../x/data/0", &[1; 12])]);
    victim.write(FILE, path).refused("paths", &[FILE, "does not lie within its storage '1'"]);
    assert!(!victim.home.path().parent().unwrap().join("x").exists());
}

#[test]
fn programs_that_take_memory_are_refused() {
    let victim = victim();
    let with = |program: &[u8]| archive(&[("m/data.pkl", program), ("m/data/0", &[1; 64])]);
    let long = vec![0; (16 << 20) + 1];
    victim.write(FILE, with(&long)).refused("long", &[FILE, "data.pkl has 16777217 bytes"]);
    for (attack, each) in [
        ("values", &b"N"[..]),
        ("dictionaries", b"}"),
        ("tuples", b")"),
        ("marks", b"("),
        ("one value in many tuples", b"N\x85"),
        ("memo", b"N\x94"),
    ] {
        let endless = [&b"\x80\x02"[..], &each.repeat((15 << 20) / each.len())].concat();
        victim.write(FILE, with(&endless)).refused(attack, &[FILE, "more than 262144 things"]);
    }
    // One storage of a long name, used as often as a pickle may.
    let mut again = b"\x80\x02((X\x07\0\0\0storagectorch\nHalfStorage\nX\x40\0\0\0".to_vec();
    again.extend([b'7'; 64]);
    again.extend(b"tq\0Q");
    again.extend(b"h\0Q".repeat(5 << 20));
    victim.write(FILE, with(&again)).refused("storages", &[FILE, "more than 262144 things"]);
    let text = [&b"\x80\x02X\xff\xff\xff\xff"[..], &[b'x'; 99]].concat();
    victim.write(FILE, with(&text)).refused("a long text", &[FILE, "ends in the middle"]);
    let calls = b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.";
    victim.write(FILE, with(calls)).refused("a call", &[FILE, "'os.system'"]);
    let deep = [&b"\x80\x02N"[..], &b"\x85".repeat(200_000), b"."].concat();
    victim.write(FILE, with(&deep)).refused("nesting", &[FILE, "its pickle is malformed"]);
}

#[test]
fn tensors_that_lie_are_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let victim = victim();
    for (attack, dims, first, said) in [
        ("a wrapping product", vec![1 << 30; 3], 0, "does not lie within"),
        ("past the end", vec![7], 0, "does not lie within"),
        ("far away", vec![1], i32::MAX as usize, "does not lie within"),
        ("many dimensions", vec![1; 9], 0, "at most 8 dimensions"),
    ] {
        let mut tensor = TorchTensor::plain("w", "HalfStorage", &[1], &[0; 12]);
        (tensor.strides, tensor.dims, tensor.first) = (vec![1; dims.len()], dims, first);
        write(file.path(), &[tensor], Manner::default());
        victim.write(FILE, fs::read(file.path()).unwrap()).refused(attack, &[FILE, said]);
    }
    let tensor = TorchTensor::plain("w", "HalfStorage", &[6], &[0; 12]);
    write(file.path(), &[tensor.clone(), tensor], Manner::default());
    victim.write(FILE, fs::read(file.path()).unwrap()).refused("twice", &[FILE, "'w' twice"]);
}

#[test]
fn files_that_are_none_are_refused() {
    let victim = victim();
    hole(&victim.file(FILE), 1 << 40);
    victim.refused("a terabyte of zeros", &[FILE, "begins with zeros"]);
    for (thing, said) in [
        ("directory", "not a regular file"),
        ("pipe", "not a regular file"),
        ("loop", "cannot read"),
        ("/dev/zero", "not a regular file"),
    ] {
        replace_by(&victim.file(FILE), thing);
        victim.refused(thing, &[FILE, said]);
        if thing == "directory" {
            fs::remove_dir(victim.file(FILE)).unwrap();
        }
    }
}
