//! What a tokenizer does with special tokens, spaces and the ends of texts.

use super::Tokens;
use crate::writer::{array, flag, i32s, string, u32};
use flint_checkpoint::gguf::Specials::{Plain, Recognised};
use flint_checkpoint::gguf::{GgufTokenizer, PlainText, TokenKind};
use flint_checkpoint::read_tokenizer;

fn pieces() -> Tokens {
    Tokens::pieces(&["\u{2581}ab", "ab", "\u{2581}a", "\u{2581}", "a", "b", "s", "<", ">", "/"])
}

#[test]
fn special_tokens_are_recognised_or_plain_text_as_asked() {
    let tokens = pieces();
    assert_eq!(
        tokens.encode("ab</s>b", false, Recognised),
        ["\u{2581}ab", "</s>", "\u{2581}", "b"]
    );
    let plain = tokens.encode("ab</s>b", false, Plain);
    assert_eq!(plain, ["\u{2581}ab", "<", "/", "s", ">", "b"]);
    let tokens = Tokens::merges("gpt-2", &["a b"]).with("<|c|>", 3).with("<c>", 4);
    assert_eq!(tokens.encode("ab<|c|>ab", false, Recognised), ["ab", "<|c|>", "ab"]);
    assert_eq!(tokens.encode("ab<|c|>ab", false, Plain), ["ab", "<", "|", "c", "|", ">", "ab"]);
}

#[test]
fn user_defined_tokens_are_found_in_both_ways() {
    let tokens = Tokens::merges("gpt-2", &["a b"]).with("<c>", 4);
    for specials in [Recognised, Plain] {
        assert_eq!(tokens.encode("ab<c>ab", false, specials), ["ab", "<c>", "ab"]);
    }
    let tokens = pieces().with("<c>", 4);
    assert_eq!(tokens.encode("ab<c>a", false, Plain), ["\u{2581}ab", "<c>", "\u{2581}a"]);
}

#[test]
fn typed_text_never_becomes_a_control_token_through_merges() {
    // Here merges would make "<b>" of "<", "b" and ">".
    let tokens = Tokens::merges("bloom", &["< b", "<b >"]);
    let mut tokens = tokens.with("end", 1);
    let place = tokens.id("<b>") as usize;
    tokens.list[place].1 = 3;
    assert_eq!(tokens.encode("a<b>a", false, Plain), ["a", "<", "b", ">", "a"]);
    assert_eq!(tokens.encode("a<b>a", false, Recognised), ["a", "<b>", "a"]);
    // And here a whole piece is taken at once.
    let mut tokens = Tokens::merges("llama-bpe", &["a b"]);
    let place = tokens.id("ab") as usize;
    tokens.list[place].1 = 3;
    assert_eq!(tokens.encode("ab", false, Plain), ["a", "b"]);
    let tokens = pieces().with("<s", 1).with("s>", 1);
    assert_eq!(tokens.encode("<s>", false, Plain), ["\u{2581}", "<s", ">"]);
}

#[test]
fn a_space_goes_in_front_of_a_text_and_after_special_tokens() {
    let tokens = pieces();
    assert_eq!(tokens.encode(" ab", false, Plain), ["\u{2581}", "\u{2581}ab"]);
    assert_eq!(tokens.encode("", false, Plain), [""; 0]);
    assert_eq!(
        tokens.encode("<s>ab<s>ab", false, Recognised),
        ["<s>", "\u{2581}ab", "<s>", "\u{2581}ab"]
    );
    assert!(tokens.build().unwrap().adds_space());
    let tokens = tokens.key("add_space_prefix", flag(0));
    assert_eq!(tokens.encode("ab ab", false, Plain), ["ab", "\u{2581}ab"]);
    assert!(!tokens.build().unwrap().adds_space());
}

#[test]
fn extra_spaces_are_removed_where_a_file_says_so() {
    let tokens = pieces();
    assert_eq!(
        tokens.encode(" a  b ", false, Plain).concat(),
        "\u{2581}\u{2581}a\u{2581}\u{2581}b\u{2581}"
    );
    let tokens = tokens.key("remove_extra_whitespaces", flag(1));
    assert_eq!(tokens.encode("  a   b  ", false, Plain).concat(), "\u{2581}a\u{2581}b");
}

#[test]
fn what_no_token_expresses_becomes_bytes_or_the_unknown_token() {
    let tokens = pieces();
    assert_eq!(tokens.encode("a\u{e9}", false, Plain), ["\u{2581}a", "<0xC3>", "<0xA9>"]);
    let built = tokens.build().unwrap();
    let ids = built.encode("a\u{e9}\n", false, Plain).unwrap();
    let bytes: Vec<u8> = ids.iter().flat_map(|&id| built.bytes(id).unwrap()).collect();
    assert_eq!(bytes, " a\u{e9}\n".as_bytes());
    let mut tokens = pieces();
    tokens.list.retain(|(_, kind, _)| *kind != 6);
    assert_eq!(tokens.encode("a\u{e9}\u{e8}b", false, Plain), ["\u{2581}a", "<unk>", "<unk>", "b"]);
}

#[test]
fn whole_texts_begin_and_end_as_the_file_says() {
    let tokens = pieces();
    // SentencePiece begins texts with token 1 where nothing is said.
    assert_eq!(tokens.encode("ab", true, Plain), ["<s>", "\u{2581}ab"]);
    assert_eq!(tokens.encode("", true, Recognised), ["<s>"]);
    let tokens = tokens.key("add_eos_token", flag(1));
    assert_eq!(tokens.encode("ab", true, Recognised), ["<s>", "\u{2581}ab", "</s>"]);
    let tokens = tokens.key("add_bos_token", flag(0));
    assert_eq!(tokens.encode("ab", true, Plain), ["\u{2581}ab", "</s>"]);
    let built = tokens.build().unwrap();
    assert_eq!((built.begin(), built.end()), (Some(1), Some(2)));
    assert_eq!((built.adds_begin(), built.adds_end()), (false, true));
    // Byte-level vocabularies begin texts where their way of cutting is known to.
    for (splitting, adds) in
        [("llama-bpe", true), ("tekken", true), ("qwen2", false), ("gpt-2", false)]
    {
        let tokens = Tokens::merges(splitting, &["a b"]).with("<s>", 3).named("<s>");
        assert_eq!(tokens.build().unwrap().adds_begin(), adds, "{splitting}");
        let expected = if adds { vec!["<s>", "ab"] } else { vec!["ab"] };
        assert_eq!(tokens.encode("ab", true, Recognised), expected);
        let tokens = tokens.key("add_bos_token", flag(u8::from(!adds)));
        assert_eq!(tokens.build().unwrap().adds_begin(), !adds);
    }
    // Without a token to begin with, nothing is added.
    assert_eq!(Tokens::merges("llama-bpe", &["a b"]).encode("ab", true, Plain), ["ab"]);
}

#[test]
fn phi_3_is_known_by_name_to_eat_spaces_after_special_tokens() {
    let tokens = pieces().with("<|user|>", 3);
    let text = "<|user|>\n  ab<s> ab";
    let after = |tokens: &Tokens| tokens.encode(text, false, Recognised);
    let kept = [
        "<|user|>",
        "\u{2581}",
        "<0x0A>",
        "\u{2581}",
        "\u{2581}ab",
        "<s>",
        "\u{2581}",
        "\u{2581}ab",
    ];
    assert_eq!(after(&tokens), kept);
    let tokens = tokens.key("general.name", string("Phi 3 or rather Phi-3-mini"));
    assert_eq!(after(&tokens), ["<|user|>", "\u{2581}ab", "<s>", "\u{2581}", "\u{2581}ab"]);
}

#[test]
fn ends_are_named_by_keys_and_known_by_text() {
    let tokens = Tokens::merges("qwen2", &["a b"])
        .with("<|endoftext|>", 3)
        .with("<|im_end|>", 4)
        .with("<|eom_id|>", 1)
        .with("<|stop|>", 3)
        .with("<turn>", 3);
    let tokens = tokens.clone().key("eos_token_id", u32(tokens.id("<|endoftext|>")));
    let tokens = tokens.clone().key("eot_token_id", u32(tokens.id("<|stop|>")));
    let built = tokens.build().unwrap();
    let ends = tokens.ids(&["<|endoftext|>", "<|im_end|>", "<|eom_id|>", "<|stop|>"]);
    assert_eq!(built.ends(), ends);
    // Whatever the file says of them, they are control tokens.
    assert!(ends.iter().all(|&end| built.kind(end) == Some(TokenKind::Control)));
    assert_eq!(tokens.encode("a<|im_end|>", false, Recognised), ["a", "<|im_end|>"]);
    assert!(!tokens.encode("a<|im_end|>", false, Plain).contains(&"<|im_end|>".to_owned()));
}

#[test]
fn the_end_of_a_part_is_no_end_where_answers_have_parts() {
    let parts = Tokens::merges("gpt-4o", &["a b"]).with("<|end|>", 3).with("<|return|>", 3);
    assert_eq!(parts.build().unwrap().ends(), parts.ids(&["<|end|>", "<|return|>"]));
    let parts = parts.with("<|call|>", 3).with("<|channel|>", 3);
    let built = parts.build().unwrap();
    assert_eq!(built.ends(), parts.ids(&["<|return|>", "<|call|>"]));
    for shown in ["<|end|>", "<|channel|>"] {
        assert_eq!(built.kind(parts.id(shown)), Some(TokenKind::UserDefined));
        assert_eq!(built.tokenizer().decode(&[parts.id(shown)], true).unwrap(), shown);
    }
    assert_eq!(built.tokenizer().decode(&[parts.id("<|call|>")], true).unwrap(), "");
}

#[test]
fn fillers_and_named_tokens_are_never_sampled() {
    let tokens = Tokens::merges("qwen2", &["a b"]).with("[PAD12]", 4).with("<|unused_1|>", 5);
    let tokens = tokens.with("[PADx]", 4).with("<|last|>", 3);
    let suppressed = i32s(&[0, -1, 1000, tokens.id("[PAD12]") as i32]);
    let built = tokens.clone().key("suppress_tokens", suppressed).build().unwrap();
    let mut expected = tokens.ids(&["a", "[PAD12]", "<|unused_1|>"]);
    expected.sort_unstable();
    assert_eq!(built.never_sampled(), expected);
    assert_eq!(built.len(), tokens.list.len());
    assert_eq!((built.kind(tokens.list.len() as u32), built.bytes(u32::MAX)), (None, None));
}

#[test]
fn a_token_without_text_has_its_id_and_matches_nowhere() {
    let tokens = Tokens::merges("qwen2", &["a b"]).with("", 1).with("<|last|>", 3);
    assert_eq!(tokens.encode("a<|last|>", false, Recognised), ["a", "<|last|>"]);
}

#[test]
fn a_file_without_kinds_has_normal_tokens_alone() {
    let mut tokens = Tokens::merges("qwen2", &["a b"]).with("<|x|>", 3);
    tokens = tokens.key("token_type_is_absent", flag(1));
    let mut file = tokens.file();
    file.keys.retain(|(key, _)| !key.ends_with(b"token_type"));
    let built = GgufTokenizer::new(file.read().unwrap().metadata()).unwrap();
    assert_eq!(built.kind(tokens.id("<|x|>")), Some(TokenKind::Normal));
}

#[test]
fn the_text_of_a_tokenizer_is_all_of_it() {
    let text = "  ab<|x|> b\u{e9}</s> ab";
    let spaces = pieces().with("<|x|>", 3).key("add_eos_token", flag(1));
    let spaces = spaces.key("precompiled_charsmap", array(0, 0, []));
    let bytes = Tokens::merges("llama-bpe", &["a b"]).with("<|x|>", 4).with("<s>", 3).named("<s>");
    for tokens in [spaces, bytes] {
        let built = tokens.build().unwrap();
        let json = built.tokenizer().to_string(false).unwrap();
        let read = read_tokenizer(json.as_bytes()).unwrap();
        let plain = PlainText::of(&read);
        for whole in [false, true] {
            let ids = built.encode(text, whole, Recognised).unwrap();
            assert_eq!(read.encode_fast(text, whole).unwrap().get_ids(), ids);
            assert_eq!(
                read.decode(&ids, true).unwrap(),
                built.tokenizer().decode(&ids, true).unwrap()
            );
            let ids = built.encode(text, whole, Plain).unwrap();
            assert_eq!(plain.encode(&read, text, whole).unwrap(), ids);
        }
    }
}

#[test]
fn long_texts_take_a_moment() {
    let started = std::time::Instant::now();
    for tokens in [pieces(), Tokens::merges("qwen2", &["a b"])] {
        let built = tokens.build().unwrap();
        for text in ["ab ".repeat(30_000), " ".repeat(100_000), "a".repeat(100_000)] {
            let ids = built.encode(&text, false, Plain).unwrap();
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| built.bytes(id).unwrap()).collect();
            let skip = usize::from(built.adds_space());
            assert_eq!(&bytes[skip..], text.as_bytes());
        }
    }
    assert!(started.elapsed().as_secs() < 60);
}
