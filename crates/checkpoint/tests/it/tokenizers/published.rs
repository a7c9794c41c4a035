//! Published vocabularies: the ids of the models' own tokenizers, for texts that are hard to cut.
//!
//! `fixtures/gguf/vocabularies` holds them cut down to the tokens that those texts are made of. Whole ones are looked
//! for in the directory that `FLINT_VOCABULARIES` names, or in `../shared/vocab` beside the checkout; a test that finds
//! none says so and passes.

use flint_checkpoint::gguf::{GgufError, GgufFile, GgufTokenizer, Specials, TokenizerFault};
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A text and its tokens, without what is added to whole texts, special tokens taken as text.
#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

/// What is wrong with the ids of every text; how many texts there were.
fn check(tokenizer: &GgufTokenizer, cases: &[Case]) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    for Case { text, ids } in cases {
        for specials in [Specials::Plain, Specials::Recognised] {
            let got = tokenizer.encode(text, false, specials).unwrap();
            if got != *ids {
                wrong.push(format!("{text:?}: {got:?}, not {ids:?}"));
            }
        }
        let bytes = ids.iter().filter_map(|&id| tokenizer.bytes(id)).flatten();
        let mut bytes: Vec<u8> = bytes.collect();
        if tokenizer.adds_space() && !bytes.is_empty() {
            assert_eq!(bytes.remove(0), b' ');
        }
        if bytes != text.as_bytes() {
            wrong.push(format!("{text:?} comes back as {:?}", String::from_utf8_lossy(&bytes)));
        }
    }
    (cases.len(), wrong)
}

fn read(path: &Path) -> Vec<Case> {
    serde_json::from_reader(BufReader::new(File::open(path).unwrap())).unwrap()
}

/// Checks the vocabulary of this name against the cases in `home`; whether it is of a model that is built.
fn run(home: &Path, name: &str, file: GgufFile) -> bool {
    let tokenizer = match GgufTokenizer::new(file.metadata()) {
        Err(GgufError::Tokenizer { fault: TokenizerFault::Model(model), .. }) => {
            assert_eq!((name, model.as_str()), ("gemma-4", "gemma4"));
            return false;
        }
        built => built.unwrap(),
    };
    let (count, wrong) = check(&tokenizer, &read(&home.join(format!("{name}.json"))));
    assert!(count >= 40 && wrong.is_empty(), "{name}: {wrong:#?}");
    true
}

#[test]
fn cut_vocabularies_give_the_ids_of_the_whole_ones() {
    let home = flint_fixtures::gguf("vocabularies");
    let mut names = Vec::new();
    for entry in fs::read_dir(&home).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "gguf") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(run(&home, &name, GgufFile::open(&path).unwrap()));
            names.push(name);
        }
    }
    names.sort();
    let all = ["deepseek-llm", "falcon", "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2"];
    assert_eq!(names, all);
}

/// Names a directory with whole vocabularies, as llama.cpp keeps them for its tests: too large to ship.
const VOCABULARIES: &str = "FLINT_VOCABULARIES";

/// Names a directory with more models like those in fixtures/gguf.
const MODELS: &str = "FLINT_GGUF_MODELS";

/// The directory that a variable names; `None`, said aloud, where it is not set.
fn named(variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    if named.is_none() {
        flint_fixtures::skip(format_args!("{variable} names no directory"));
    }
    named
}

#[test]
fn whole_vocabularies_give_their_published_ids() {
    let Some(home) = named(VOCABULARIES) else { return };
    let mut count = 0;
    for entry in fs::read_dir(&home).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".gguf.xz")
        else {
            continue;
        };
        let mut bytes = Vec::new();
        lzma_rust2::XzReader::new(File::open(&path).unwrap(), false)
            .read_to_end(&mut bytes)
            .unwrap();
        let file = GgufFile::from_reader(&path, &bytes[..], bytes.len() as u64).unwrap();
        if !run(&home, name, file) {
            eprintln!("{name}: vocabularies of this model are not built");
        }
        count += 1;
    }
    assert!(count > 0, "no vocabulary in {}", home.display());
}

/// A model with the tokens that llama.cpp makes of four texts, what it adds to whole texts included.
#[derive(Deserialize)]
struct Reference {
    tokenizer: Vec<Case>,
}

/// Checks every model in `home` with a reference beside it; how many there were.
fn references(home: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(home).unwrap() {
        let home = entry.unwrap().path();
        let Ok(reference) = File::open(home.join("reference.json")) else { continue };
        let first = ["model.gguf", "model-00001-of-00003.gguf"];
        let first = first.map(|name| home.join(name)).into_iter().find(|path| path.exists());
        let file = GgufFile::open(&first.unwrap()).unwrap();
        let tokenizer = GgufTokenizer::new(file.metadata()).unwrap();
        let reference: Reference = serde_json::from_reader(BufReader::new(reference)).unwrap();
        for Case { text, ids } in reference.tokenizer {
            let got = tokenizer.encode(&text, true, Specials::Recognised).unwrap();
            assert_eq!(got, ids, "{} {text:?}", home.display());
        }
        count += 1;
    }
    count
}

#[test]
fn models_that_llama_cpp_wrote_get_its_tokens() {
    assert!(references(&flint_fixtures::gguf("")) > 0);
}

#[test]
fn more_models_that_llama_cpp_wrote_get_its_tokens() {
    let Some(home) = named(MODELS) else { return };
    assert!(references(&home) > 0, "no model in {}", home.display());
}
