//! A prompt begins once, whoever writes the beginning: the template, the tokenizer, both or neither.

use flint_chat::{Message, Moment, RenderOptions};
use flint_dialogue::Prompter;
use flint_engine::{ChatTexts, Tokenizer};
use serde_json::{Value, json};

/// How prompts of a family begin: its control tokens, the one that its tokenizer adds, and the start of its template.
struct Family {
    name: &'static str,
    control: &'static [&'static str],
    added: Option<&'static str>,
    template: &'static str,
    /// What a prompt begins with.
    begins: &'static [&'static str],
}

const FAMILIES: [Family; 6] = [
    Family {
        name: "Llama 3: both",
        control: &["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        added: Some("<|begin_of_text|>"),
        template: "{{ bos_token }}<|start_header_id|>user<|end_header_id|>\n\n{{ messages[0].content }}<|eot_id|>",
        begins: &["<|begin_of_text|>", "<|start_header_id|>"],
    },
    Family {
        name: "Mistral: both",
        control: &["<s>", "[INST]", "[/INST]"],
        added: Some("<s>"),
        template: "{{ bos_token }}[INST]{{ messages[0].content }}[/INST]",
        begins: &["<s>", "[INST]"],
    },
    Family {
        name: "Gemma: the template",
        control: &["<bos>", "<start_of_turn>", "<end_of_turn>"],
        added: Some("<bos>"),
        template: "{{ bos_token }}<start_of_turn>user\n{{ messages[0].content }}<end_of_turn>\n",
        begins: &["<bos>", "<start_of_turn>"],
    },
    Family {
        name: "Gemma: the tokenizer alone",
        control: &["<bos>", "<start_of_turn>", "<end_of_turn>"],
        added: Some("<bos>"),
        template: "<start_of_turn>user\n{{ messages[0].content }}<end_of_turn>\n",
        begins: &["<bos>", "<start_of_turn>"],
    },
    Family {
        name: "DeepSeek: both",
        control: &["<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"],
        added: Some("<｜begin▁of▁sentence｜>"),
        template: "{{ bos_token }}<｜User｜>{{ messages[0].content }}<｜Assistant｜>",
        begins: &["<｜begin▁of▁sentence｜>", "<｜User｜>"],
    },
    Family {
        name: "GLM: the template, of two tokens",
        control: &["[gMask]", "<sop>", "<|user|>", "<|assistant|>"],
        added: None,
        template: "[gMask]<sop><|user|>\n{{ messages[0].content }}<|assistant|>",
        begins: &["[gMask]", "<sop>", "<|user|>"],
    },
];

/// A tokenizer of words with these control tokens, the first of which is 1.
fn tokenizer(family: &Family) -> Tokenizer {
    let added: Vec<Value> = (1..)
        .zip(family.control)
        .map(|(id, text)| json!({ "id": id, "content": text, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false }))
        .collect();
    let mut words = json!({ "[UNK]": 0, "user": 90, "hello": 91 });
    (1..).zip(family.control).for_each(|(id, text)| words[*text] = json!(id));
    let sequence = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let adds = family.added.map(|text| {
        json!({
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": text, "type_id": 0 } }, sequence],
            "pair": [sequence, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { text: { "id": text, "ids": [1], "tokens": [text] } },
        })
    });
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": adds, "decoder": null,
        "model": { "type": "WordLevel", "vocab": words, "unk_token": "[UNK]" },
    });
    Tokenizer::parse(json.to_string().as_bytes()).unwrap()
}

#[test]
fn a_prompt_of_every_family_begins_once() {
    for family in &FAMILIES {
        let codec = tokenizer(family);
        let first = family.added.map(|text| ("bos_token".to_owned(), codec.token(text).unwrap()));
        let texts = ChatTexts {
            gguf: Some(family.template.to_owned()),
            named: first.into_iter().collect(),
            ..ChatTexts::default()
        };
        let prompter = Prompter::of_texts(&texts, &[], &codec, None).unwrap();
        let options = RenderOptions::at(Moment::from_date(2025, 3, 14).unwrap());
        // What somebody typed is no beginning.
        for typed in ["hello", family.control[0]] {
            let prompt = prompter.prompt(&codec, &[Message::user(typed)], &options).unwrap();
            let begins: Vec<u32> =
                family.begins.iter().map(|text| codec.special_token(text).unwrap()).collect();
            assert!(prompt.tokens.starts_with(&begins), "{}: {:?}", family.name, prompt.tokens);
            let again = prompt.tokens.iter().filter(|&&token| token == begins[0]).count();
            assert_eq!(again, 1, "{}: {:?}", family.name, prompt.tokens);
        }
    }
}
