//! Where texts are cut, by the names of the ways.

use super::Tokens;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// The pieces of a text, as they stand in it.
fn pieces(name: &str, text: &str) -> Vec<String> {
    let built = Tokens::merges(name, &["a b"]).build().unwrap();
    let mut pieces = PreTokenizedString::from(text);
    built.tokenizer().get_pre_tokenizer().unwrap().pre_tokenize(&mut pieces).unwrap();
    let places = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
    places.into_iter().map(|(_, (start, end), _)| text[start..end].to_owned()).collect()
}

/// Every name that is known.
const NAMES: [&str; 36] = [
    "llama-bpe",
    "llama3",
    "llama-v3",
    "falcon3",
    "falcon-h1",
    "pixtral",
    "lfm2",
    "midm-2.0",
    "dbrx",
    "smaug-bpe",
    "glm4",
    "chatglm-bpe",
    "qwen2",
    "deepseek-r1-qwen",
    "stablelm2",
    "hunyuan",
    "megrez",
    "grok-2",
    "qwen35",
    "gpt-2",
    "phi-2",
    "mpt",
    "olmo",
    "jais",
    "exaone4",
    "smollm",
    "starcoder",
    "refact",
    "command-r",
    "codeshell",
    "exaone",
    "minerva-7b",
    "falcon",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
];

#[test]
fn every_way_keeps_every_character() {
    let text = "Hello, y'all! It's  3333 na\u{ef}ve \u{4e2d}\u{6587}\u{3042} \u{430}\u{e01}\n\n \t x=1/2;\r\n  _end_ ";
    let more =
        ["hunyuan-dense", "tekken", "gpt-4o", "llama4", "kanana2", "minimax-m2", "poro", "bloom"];
    for name in NAMES.into_iter().chain(more) {
        let pieces = pieces(name, text);
        assert_eq!(pieces.concat(), text, "{name}");
        assert!(pieces.len() > 10, "{name} {pieces:?}");
    }
}

#[test]
fn numbers_are_cut_as_each_model_learned_them() {
    for (name, expected) in [
        ("gpt-2", vec!["a", " 12345"]),
        ("llama-bpe", vec!["a", " ", "123", "45"]),
        ("gpt-4o", vec!["a", " ", "123", "45"]),
        ("deepseek-v3", vec!["a", " ", "123", "45"]),
        ("qwen2", vec!["a", " ", "1", "2", "3", "4", "5"]),
        ("tekken", vec!["a", " ", "1", "2", "3", "4", "5"]),
        ("smollm", vec!["a", " ", "1", "2", "3", "4", "5"]),
        ("deepseek-coder", vec!["a", " ", "1", "2", "3", "4", "5"]),
        ("deepseek-llm", vec!["a", " ", "12345"]),
        ("falcon", vec!["a", " ", "123", "45"]),
        ("bloom", vec!["a", " 12345"]),
    ] {
        // Falcon cuts every three digits wherever they are.
        assert_eq!(pieces(name, "a 12345"), expected, "{name}");
    }
}

#[test]
fn words_are_cut_as_each_model_learned_them() {
    let text = "getHTTPName it'S a\u{301}b /x/\n\ny";
    for (name, expected) in [
        (
            "gpt-2",
            vec![
                "getHTTPName",
                " it",
                "'",
                "S",
                " a",
                "\u{301}",
                "b",
                " /",
                "x",
                "/",
                "\n",
                "\n",
                "y",
            ],
        ),
        ("qwen2", vec!["getHTTPName", " it", "'S", " a", "\u{301}b", " /", "x", "/\n\n", "y"]),
        ("qwen35", vec!["getHTTPName", " it", "'S", " a\u{301}b", " /", "x", "/\n\n", "y"]),
        ("tekken", vec!["get", "HTTPName", " it", "'S", " a\u{301}b", " /", "x", "/\n\n", "y"]),
        ("gpt-4o", vec!["get", "HTTPName", " it'S", " a\u{301}b", " /", "x", "/\n\n", "y"]),
        ("deepseek-v3", vec!["getHTTPName", " it", "'S", " a\u{301}b", " /", "x", "/\n\n", "y"]),
        (
            "deepseek-coder",
            vec![
                "getHTTPName",
                " it",
                "'",
                "S",
                " a",
                "\u{301}",
                "b",
                " /",
                "x",
                "/",
                "\n",
                "\n",
                "y",
            ],
        ),
    ] {
        assert_eq!(pieces(name, text), expected, "{name}");
    }
}

#[test]
fn east_asian_text_is_cut_as_deepseek_learned_it() {
    let text = "\u{4e2d}\u{6587}\u{3042}a \u{ac00}";
    let apart = ["\u{4e2d}\u{6587}\u{3042}", "a", " ", "\u{ac00}"];
    assert_eq!(pieces("deepseek-llm", text), apart);
    assert_eq!(pieces("deepseek-v3", text), ["\u{4e2d}\u{6587}\u{3042}", "a", " \u{ac00}"]);
    // Letters that DeepSeek's list does not have: it ends before mathematical ones.
    assert_eq!(pieces("deepseek-llm", "ab \u{1d400}c"), ["ab", " \u{1d400}", "c"]);
}
