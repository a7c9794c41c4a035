//! What lies in the place of a GGUF file, and what is said about it.

use crate::writer::{Gguf, read};
use flint_checkpoint::gguf::{GgufError, GgufFile, Lookalike};
use std::fs;

fn found(bytes: &[u8]) -> (Lookalike, String) {
    let error = read(bytes).unwrap_err();
    let said = error.to_string();
    let GgufError::NotGguf { found, .. } = error else { panic!("{error}") };
    (found, said)
}

#[test]
fn failed_downloads_are_told_apart() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 4920734272\n";
    let cases: [(&[u8], Lookalike, &str); 8] = [
        (b"", Lookalike::Empty, "empty"),
        (pointer.as_bytes(), Lookalike::LfsPointer, "git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", Lookalike::WebPage, "web page"),
        (b"\n  <html lang=\"en\">", Lookalike::WebPage, "web page"),
        (
            b"Entry not found",
            Lookalike::Text("Entry not found".to_owned()),
            "begins with 'Entry not found'",
        ),
        (
            b"{\"error\":\"Invalid credentials\"}",
            Lookalike::Text("{\"error\":\"Invalid credentials\"}".to_owned()),
            "Invalid credentials",
        ),
        (&[0; 4096], Lookalike::Zeros, "not finished"),
        (b"No", Lookalike::Text("No".to_owned()), "begins with 'No'"),
    ];
    for (bytes, expected, said) in cases {
        let (found, message) = found(bytes);
        assert_eq!(found, expected);
        assert!(
            message.contains(said) && message.starts_with("test.gguf is not a GGUF file"),
            "{message}"
        );
    }
}

#[test]
fn other_formats_are_named() {
    assert_eq!(found(b"tjgg\x03\0\0\0more").0, Lookalike::Older("GGJT"));
    assert_eq!(found(b"lmgg\x03\0\0\0more").0, Lookalike::Older("GGML"));
    assert_eq!(found(b"PK\x03\x04\0\0more").0, Lookalike::Archive);
    assert_eq!(found(b"\x80\x10\0\0\0\0\0\0{\"a\": {}}").0, Lookalike::Safetensors);
    assert_eq!(found(b"\x7fELF\x02\x01\x01\0").0, Lookalike::Other(*b"\x7fELF"));
}

#[test]
fn a_text_is_quoted_without_its_control_characters() {
    let (_, said) =
        found(b"first\nsecond\t\"third\" and so on, for longer than anyone reads a line of text");
    assert!(!said.contains('\n') && said.contains("first\\nsecond") && said.len() < 200, "{said}");
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let home = tempfile::tempdir().unwrap();
    let path = |name| home.path().join(name);
    assert!(matches!(GgufFile::open(home.path()), Err(GgufError::NotRegular { .. })));
    assert!(matches!(GgufFile::open(&path("none.gguf")), Err(GgufError::Read { .. })));
    assert!(matches!(GgufFile::open("/dev/zero".as_ref()), Err(GgufError::NotRegular { .. })));
    std::os::unix::fs::symlink(path("none.gguf"), path("dead.gguf")).unwrap();
    let said = GgufFile::open(&path("dead.gguf")).unwrap_err().to_string();
    assert!(
        said.ends_with("dead.gguf is a link to a file that is not there: download it again"),
        "{said}"
    );
    fs::write(path("blob"), Gguf::small().bytes()).unwrap();
    std::os::unix::fs::symlink(path("blob"), path("good.gguf")).unwrap();
    assert_eq!(GgufFile::open(&path("good.gguf")).unwrap().tensors().len(), 3);
}
