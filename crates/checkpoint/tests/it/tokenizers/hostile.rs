//! Vocabularies made to harm: each is refused with the fault that it has, and none makes the library panic.

use super::Tokens;
use crate::writer::{Value, array, f32s, flag, i32s, string, strings, u32};
use flint_checkpoint::gguf::Specials::Plain;
use flint_checkpoint::gguf::{GgufError, GgufTokenizer, KeyFault, TokenizerFault};

fn pieces() -> Tokens {
    Tokens::pieces(&["\u{2581}a", "\u{2581}", "a"])
}

fn merges() -> Tokens {
    Tokens::merges("qwen2", &["a b"])
}

/// The key that is refused, and why.
fn key(tokens: &Tokens) -> (String, KeyFault) {
    match tokens.build() {
        Err(GgufError::Key { key, fault, .. }) => (key, fault),
        other => panic!("{other:?}"),
    }
}

/// The same after one key of the file is removed.
fn without(tokens: &Tokens, name: &str) -> Result<GgufTokenizer, GgufError> {
    let mut file = tokens.file();
    file.keys.retain(|(key, _)| !key.ends_with(name.as_bytes()));
    GgufTokenizer::new(file.read().unwrap().metadata())
}

#[test]
fn models_that_are_not_built_are_refused_by_name() {
    for model in ["bert", "t5", "rwkv", "gemma4", "plamo2", "LLAMA", ""] {
        let fault = pieces().key("model", string(model)).fault();
        assert_eq!(fault, TokenizerFault::Model(model.to_owned()));
    }
    assert_eq!(pieces().key("model", string("none")).fault(), TokenizerFault::None);
    let said = without(&pieces(), "model").unwrap_err().to_string();
    assert_eq!(said, "test.gguf: the tokenizer is not in the file: it has no vocabulary");
}

#[test]
fn ways_to_cut_that_are_not_known_are_refused_by_name() {
    for name in ["qwen3", "kimi-k2", "QWEN2", "bailingmoe", "x\ny"] {
        let fault = merges().key("pre", string(name)).fault();
        assert_eq!(fault, TokenizerFault::Splitting(name.to_owned()));
        assert!(!fault.to_string().contains('\n'));
    }
    for name in ["", "default"] {
        assert_eq!(merges().key("pre", string(name)).fault(), TokenizerFault::NoSplitting);
    }
    let absent = without(&merges(), ".pre").unwrap_err();
    assert!(matches!(absent, GgufError::Tokenizer { fault: TokenizerFault::NoSplitting, .. }));
}

#[test]
fn lists_that_are_missing_or_of_other_types_are_refused_by_key() {
    for (tokens, name) in [(pieces(), "tokens"), (pieces(), "scores"), (merges(), "merges")] {
        let error = without(&tokens, &format!(".{name}")).unwrap_err();
        let GgufError::Key { key, fault, .. } = error else { panic!("{error}") };
        assert_eq!((key, fault), (format!("tokenizer.ggml.{name}"), KeyFault::Missing));
        for value in [u32(1), i32s(&[1]), string("a")] {
            let fault = key_of(&tokens, name, value);
            assert!(matches!(
                fault,
                KeyFault::WrongType { .. } | KeyFault::Length { .. } | KeyFault::NotUtf8
            ));
        }
    }
    let count = pieces().list.len();
    let fault = key_of(&pieces(), "scores", i32s(&vec![0; count]));
    assert!(matches!(fault, KeyFault::WrongType { .. }));
    let fault = key_of(&pieces(), "token_type", f32s(&vec![1.0; count]));
    assert!(matches!(fault, KeyFault::WrongType { .. }));
}

fn key_of(tokens: &Tokens, name: &str, value: Value) -> KeyFault {
    let (found, fault) = key(&tokens.clone().key(name, value));
    assert_eq!(found, format!("tokenizer.ggml.{name}"));
    fault
}

#[test]
fn lists_have_an_element_for_each_token() {
    let count = pieces().list.len();
    for got in [0, count - 1, count + 1] {
        let expected = KeyFault::Length { expected: count as u64, got: got as u64 };
        assert_eq!(key_of(&pieces(), "scores", f32s(&vec![0.0; got])), expected);
        assert_eq!(key_of(&pieces(), "token_type", i32s(&vec![1; got])), expected);
    }
}

#[test]
fn vocabularies_of_no_size_that_exists_are_refused() {
    let most = 393_216;
    let none: [&str; 0] = [];
    let fault = merges().key("tokens", strings(&none)).fault();
    assert_eq!(fault, TokenizerFault::Size { count: 0, most });
    let many: Vec<String> = (0..=most).map(|n| format!("{n:x}")).collect();
    let fault = merges().key("tokens", strings(&many)).fault();
    assert_eq!(fault, TokenizerFault::Size { count: most + 1, most });
}

#[test]
fn a_token_comes_once() {
    let tokens = merges().with("twice", 1).with("x", 1).with("twice", 3);
    let (first, second) = (tokens.id("twice"), tokens.list.len() as u32 - 1);
    let text = "twice".to_owned();
    assert_eq!(tokens.fault(), TokenizerFault::Twice { text, first, second });
    // So it does where a name is made up for one without text.
    let tokens = merges().with("", 1);
    let name = format!("[EMPTY_{}]", tokens.list.len() - 1);
    assert!(matches!(tokens.with(&name, 1).fault(), TokenizerFault::Twice { .. }));
}

#[test]
fn tokens_that_are_not_utf8_are_refused() {
    let fault = key_of(&merges(), "tokens", strings(&[b"\xff"]));
    assert_eq!(fault, KeyFault::NotUtf8);
}

#[test]
fn kinds_that_do_not_exist_are_refused() {
    for kind in [-1, 7, 100, i32::MAX, i32::MIN] {
        let fault = merges().with("odd", kind).fault();
        assert_eq!(fault, TokenizerFault::Kind { text: "odd".to_owned(), kind: kind.into() });
    }
}

#[test]
fn byte_tokens_have_exactly_two_digits() {
    for text in ["<0x-1>", "<0x1>", "<0x100>", "<0xZZ>", "<0x +>", "<0x>", "0x41", "<0x\u{e9}>"] {
        let fault = pieces().with(text, 6).fault();
        assert_eq!(fault, TokenizerFault::Kind { text: text.to_owned(), kind: 6 });
    }
}

#[test]
fn merges_are_of_and_into_tokens() {
    for (merge, missing) in [
        ("a x", "x"),
        ("x a", "x"),
        ("b a", "ba"),
        ("ab", ""),
        ("", ""),
        ("a ", ""),
        ("a b c", "b c"),
    ] {
        let fault = merges().key("merges", strings(&["a b", merge])).fault();
        let (merge, missing) = (merge.to_owned(), missing.to_owned());
        assert_eq!(fault, TokenizerFault::Merge { index: 1, merge, missing });
    }
}

#[test]
fn merges_do_not_make_a_small_file_large() {
    let most = 4 * merges().list.len();
    let many = vec!["a b"; most + 1];
    let fault = merges().key("merges", strings(&many)).fault();
    assert_eq!(fault, TokenizerFault::TooManyMerges { most });
    assert!(merges().key("merges", strings(&many[1..])).build().is_ok());
    // All parts of one long text: each split of each is known.
    let mut tokens = Tokens::pieces(&[]);
    let letters: Vec<char> = (0..60).filter_map(|n| char::from_u32(0x4e00 + n * 7)).collect();
    for start in 0..letters.len() {
        for end in start + 1..=letters.len() {
            tokens = tokens.with(&letters[start..end].iter().collect::<String>(), 1);
        }
    }
    assert!(matches!(tokens.fault(), TokenizerFault::TooManyMerges { .. }));
}

#[test]
fn ids_lie_within_the_vocabulary() {
    for name in ["bos", "eos", "eot", "eom", "fim_pad"] {
        for id in [merges().list.len() as u32, 1 << 31, u32::MAX] {
            let key = format!("{name}_token_id");
            let (tokens, fault) = (merges().list.len(), merges().key(&key, u32(id)).fault());
            assert_eq!(
                fault,
                TokenizerFault::Id { key: format!("tokenizer.ggml.{key}"), id, tokens }
            );
        }
    }
    assert!(matches!(
        pieces().key("unknown_token_id", u32(9999)).fault(),
        TokenizerFault::Id { .. }
    ));
}

#[test]
fn a_token_to_add_is_named() {
    for name in ["add_bos_token", "add_eos_token"] {
        let fault = merges().key(name, flag(1)).fault();
        assert_eq!(fault, TokenizerFault::NoTokenToAdd(format!("tokenizer.ggml.{name}")));
    }
}

#[test]
fn settings_that_change_tokens_are_not_ignored() {
    let fault = pieces().key("precompiled_charsmap", array(0, 4, [0, 1, 2, 3])).fault();
    assert!(matches!(fault, TokenizerFault::Setting(_)));
    for name in ["add_bos_token", "add_space_prefix", "remove_extra_whitespaces"] {
        let fault = key_of(&pieces(), name, u32(1));
        assert!(matches!(fault, KeyFault::WrongType { .. }));
    }
}

#[test]
fn scores_that_are_no_numbers_are_harmless() {
    let count = pieces().list.len();
    for score in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let tokens = pieces().key("scores", f32s(&vec![score; count]));
        assert_eq!(tokens.encode("a", false, Plain), ["\u{2581}a"]);
    }
}

#[test]
fn tokens_of_a_megabyte_are_harmless() {
    for tokens in [pieces(), merges()] {
        let long = "b".repeat(1 << 20);
        let built = tokens.with(&long, 1).with(&long[1..], 4).build().unwrap();
        let ids = built.encode("ab", false, Plain).unwrap();
        assert!(ids.len() <= 3);
    }
}
