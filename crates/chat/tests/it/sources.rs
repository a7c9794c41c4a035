//! Where templates and their tokens are found.

use flint_chat::{Candidates, ChatError, Message, Source, Template};
use serde_json::json;

use crate::fixtures::options;

fn choose(candidates: Candidates<'_>) -> Source {
    Source::choose(candidates).unwrap()
}

#[test]
fn the_first_that_has_a_template_is_taken() {
    let config = json!({"chat_template": "config"}).to_string();
    let mut all = Candidates {
        asked: Some("asked"),
        jinja_file: Some("file"),
        tokenizer_config: Some(&config),
        gguf: Some("gguf"),
        gguf_tool_use: None,
    };
    assert_eq!(choose(all).default, "asked");
    all.asked = None;
    assert_eq!(choose(all).default, "file");
    all.jinja_file = None;
    assert_eq!(choose(all).default, "config");
    all.tokenizer_config = Some("{}");
    assert_eq!(choose(all).default, "gguf");
}

#[test]
fn a_model_without_a_template_is_refused() {
    let error = Source::choose(Candidates::default()).unwrap_err();
    assert!(matches!(error, ChatError::NoTemplate { .. }));
    assert!(error.to_string().contains("--chat-template"));
    let config =
        Candidates { tokenizer_config: Some("{\"chat_template\": null}"), ..Candidates::default() };
    assert!(matches!(Source::choose(config), Err(ChatError::NoTemplate { .. })));
}

#[test]
fn tokens_are_read_in_both_forms() {
    let config = json!({
        "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null,
        "add_bos_token": true, "additional_special_tokens": ["<a>", {"content": "<b>"}],
        "added_tokens_decoder": {"1": {"content": "<c>", "special": true}, "2": {"content": "d", "special": false}},
        "chat_template": "x",
    });
    let source =
        choose(Candidates { tokenizer_config: Some(&config.to_string()), ..Candidates::default() });
    let named: Vec<_> =
        source.named_tokens.iter().map(|(name, token)| (name.as_str(), token.as_str())).collect();
    assert_eq!(named, [("bos_token", "<s>"), ("eos_token", "</s>")]);
    assert_eq!(source.control_tokens, ["<a>", "<b>", "<c>"]);
    assert!(Template::new(source).unwrap().control_tokens().occur_in("</s>"));
}

#[test]
fn tools_have_a_template_of_their_own() {
    let list = json!({"chat_template": [
        {"name": "rag", "template": "r"}, {"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"},
    ]});
    let source =
        choose(Candidates { tokenizer_config: Some(&list.to_string()), ..Candidates::default() });
    let template = Template::new(source).unwrap();
    assert_eq!(template.render_text(&[], &options()).unwrap(), "d");
    let (mut options, tools) = (options(), [json!({})]);
    options.tools = &tools;
    assert_eq!(template.render_text(&[], &options).unwrap(), "t");
}

#[test]
fn wrong_configurations_are_refused() {
    for text in [
        "{",
        "{\"chat_template\": 1}",
        "{\"chat_template\": []}",
        "{\"chat_template\": [{\"name\": 1}]}",
    ] {
        let config = Candidates { tokenizer_config: Some(text), ..Candidates::default() };
        assert!(matches!(Source::choose(config), Err(ChatError::Source { .. })), "{text}");
    }
}

#[test]
fn chatml_is_built_in() {
    let source = choose(Candidates { asked: Some("chatml"), ..Candidates::default() });
    let talk = [Message::system("s"), Message::user("u")];
    let text = Template::new(source).unwrap().render_text(&talk, &options()).unwrap();
    assert_eq!(
        text,
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"
    );
}
