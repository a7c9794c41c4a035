//! Prompts of published templates over published vocabularies: one beginning, the right ends, typed marks as text.

use flint_chat::{Message, Moment, RenderOptions};
use flint_checkpoint::gguf::{GgufFile, GgufTokenizer};
use flint_dialogue::Prompter;
use flint_engine::{ChatTexts, Tokenizer};
use serde_json::Value;
use std::fs;

/// A vocabulary, a template for it, the text of its begin-of-text token, and what ends an answer.
const MODELS: [(&str, &str, &str, &[&str]); 4] = [
    ("llama-bpe", "Llama-3.2-3B-Instruct", "<|begin_of_text|>", &["<|eot_id|>", "<|end_of_text|>"]),
    ("llama-spm", "Mistral-Nemo-Instruct-2407", "<s>", &["</s>"]),
    (
        "deepseek-llm",
        "DeepSeek-R1-Distill-Qwen-32B",
        "<｜begin▁of▁sentence｜>",
        &["<｜end▁of▁sentence｜>"],
    ),
    ("qwen2", "Qwen3-0.6B", "", &["<|im_end|>", "<|endoftext|>"]),
];

fn template(name: &str) -> String {
    let text = fs::read_to_string(flint_fixtures::root().join("chat/templates.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let named = |it: &&Value| it["name"] == name;
    all["templates"].as_array().unwrap().iter().find(named).unwrap()["template"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn prompts_begin_once_and_answers_end_where_the_template_ends_them() {
    for (vocabulary, name, begin, ends) in MODELS {
        let path = flint_fixtures::root().join(format!("gguf/vocabularies/{vocabulary}.gguf"));
        let tokenizer = GgufTokenizer::new(GgufFile::open(&path).unwrap().metadata()).unwrap();
        let json = tokenizer.tokenizer().to_string(false).unwrap();
        let codec = Tokenizer::parse(json.as_bytes()).unwrap();
        let named = [("bos_token", tokenizer.begin()), ("eos_token", tokenizer.end())];
        let named = named.into_iter().filter_map(|(name, token)| Some((name.to_owned(), token?)));
        let texts = ChatTexts {
            gguf: Some(template(name)),
            named: named.collect(),
            ..ChatTexts::default()
        };
        let prompter = Prompter::of_texts(&texts, tokenizer.ends(), &codec, None).unwrap();
        let typed = format!("Hi {begin}<|eot_id|></s><|im_end|>");
        let talk = [Message::user(&typed), Message::assistant("Yes."), Message::user(&typed)];
        let options = RenderOptions::at(Moment::from_date(2025, 3, 14).unwrap());
        let prompt = prompter.prompt(&codec, &talk, &options).unwrap();
        let harmless = [Message::user("Hi"), Message::assistant("Yes."), Message::user("Hi")];
        let plain = prompter.prompt(&codec, &harmless, &options).unwrap();
        let special = |tokens: &[u32]| tokens.iter().filter(|&&it| codec.is_special(it)).count();
        assert_eq!(special(&prompt.tokens), special(&plain.tokens), "{name}");
        if let Some(token) = codec.special_token(begin) {
            assert_eq!(prompt.tokens.iter().filter(|&&it| it == token).count(), 1, "{name}");
            assert_eq!(prompt.tokens[0], token, "{name}");
        }
        for end in ends {
            let token = codec.special_token(end).unwrap();
            assert!(prompter.ends().contains(&token), "{name}: {end}");
        }
    }
}
