//! What downloads leave in the place of files: notes of git-lfs, pages, zeros, links whose file is gone. The message
//! names the common cause, and no other file is taken instead.

use super::{Victim, flint, replace_by};
use std::fs;

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 267\n";
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n";

/// The files of a checkpoint that are read, whatever else is there.
const FILES: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "vocab.json",
    "tokenizer.model",
    "model.safetensors",
];

/// A checkpoint in which `name` is one of the files that are read.
fn with(name: &str) -> Victim {
    let victim = Victim::of("llama-2");
    if name.ends_with(".index.json") || name.ends_with(".bin") {
        victim.remove("model.safetensors");
    }
    victim
}

#[test]
fn what_a_failed_download_left_is_named() {
    let weights = ["model.safetensors.index.json", "pytorch_model.bin"];
    for name in FILES.into_iter().chain(weights) {
        for (left, said) in [
            (POINTER.as_bytes(), "git lfs pull"),
            (PAGE.as_bytes(), "is a web page"),
            (&[0; 5000], "download has not finished"),
        ] {
            with(name).write(name, left).refused(name, &[name, said]);
        }
    }
    // A bundle is downloaded, too.
    let victim = Victim::small();
    assert_eq!(victim.convert().status, Some(0));
    fs::write(victim.out().join("manifest.bin"), POINTER).unwrap();
    let ended = flint(&["inspect", victim.out().to_str().unwrap()]);
    ended.refused("a manifest", &["manifest.bin", "git lfs pull"]);
}

#[test]
fn a_link_to_nothing_is_not_the_same_as_no_file() {
    for name in FILES.into_iter().chain(["model.safetensors.index.json", "pytorch_model.bin"]) {
        let victim = with(name);
        replace_by(&victim.file(name), "../../blobs/gone");
        // Other weights are there, and must not be taken in the place of those that are gone.
        if name == "model.safetensors" {
            fs::write(victim.file("pytorch_model.bin"), b"PK\x03\x04").unwrap();
        }
        let said = [name, "is a link to a file that is not there", "../../blobs/gone"];
        victim.refused(name, &said);
        flint(&["inspect", victim.dir().to_str().unwrap()]).refused(name, &said);
    }
    let victim = Victim::small();
    let gone = victim.home.path().join("model.gguf");
    replace_by(&gone, "blobs/gone");
    for arguments in [
        &["inspect", gone.to_str().unwrap()][..],
        &["generate", "-p", "a", "-m", gone.to_str().unwrap()],
        &["convert", gone.to_str().unwrap(), "--out", victim.out().to_str().unwrap()],
    ] {
        flint(arguments).refused("gguf", &["model.gguf is a link to a file that is not there"]);
    }
    let nowhere = victim.home.path().join("nowhere");
    let out = victim.out();
    let ended = flint(&["convert", nowhere.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    ended.refused("no checkpoint at all", &["nowhere", "No such file"]);
}
