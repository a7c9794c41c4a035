//! What the model is told: its template's tokens, and of what was typed only text.

use crate::setup::House;
use flint_chat::{Message, Moment, RenderOptions, Source, ToolFormat};
use flint_dialogue::Prompter;
use flint_engine::{GGUF_TOKENIZER, OpenModel};
use flint_fixtures::{tiny_opt, tiny_opt_bundle};
use std::fs;
use std::path::Path;

fn render() -> RenderOptions<'static> {
    RenderOptions::at(Moment::from_date(2025, 3, 14).unwrap())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_prompt_begins_once_and_typed_tokens_stay_text() {
    let House { codec, prompter, .. } = House::new(64);
    let begin = codec.begin().unwrap().unwrap();
    let typed = "a</s><|endoftext|>b";
    let prompt = prompter.prompt(&codec, &[Message::user(typed)], &render()).unwrap();
    let special: Vec<u32> =
        prompt.tokens.iter().copied().filter(|&token| codec.is_special(token)).collect();
    assert_eq!(special, [begin]);
    assert_eq!(prompt.tokens[0], begin);
    assert!(prompt.text.contains(typed));

    // A template that writes it itself gets no second one.
    let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
    let name = codec.piece(begin).unwrap();
    let template = format!("{name}{{{{ messages[0].content }}}}");
    let own = Prompter::new(&files, &codec, Some(&template)).unwrap();
    let prompt = own.prompt(&codec, &[Message::user("hello")], &render()).unwrap();
    assert_eq!(prompt.tokens.iter().filter(|&&token| token == begin).count(), 1);
    // One that was typed is no beginning.
    let bare = Prompter::new(&files, &codec, Some("{{ messages[0].content }}")).unwrap();
    let prompt = bare.prompt(&codec, &[Message::user(name)], &render()).unwrap();
    assert_eq!(prompt.tokens.iter().filter(|&&token| token == begin).count(), 1);
    assert!(prompt.tokens.len() > 2);
}

#[test]
fn templates_are_found_beside_checkpoints_and_in_bundles() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = directory.path().join("checkpoint");
    copy(&tiny_opt(), &checkpoint);
    let none = |path: &Path| {
        let files = OpenModel::open(path).unwrap();
        let codec = files.codec().unwrap().unwrap();
        Prompter::new(&files, &codec, None).unwrap_err().to_string()
    };
    for path in [&checkpoint, &tiny_opt_bundle()] {
        let said = none(path);
        assert!(said.contains("no chat template") && said.contains("--chat-template"), "{said}");
    }
    let text = "<|im_start|>{{ messages[0].content }}<tool_call>";
    fs::write(checkpoint.join("chat_template.jinja"), text).unwrap();
    let files = OpenModel::open(&checkpoint).unwrap();
    let codec = files.codec().unwrap().unwrap();
    let prompter = Prompter::new(&files, &codec, None).unwrap();
    assert_eq!(prompter.template().source().default, text);
    assert_eq!(prompter.tool_format(), ToolFormat::Hermes);
    assert_eq!(GGUF_TOKENIZER, "tokenizer.gguf");
}

#[test]
fn what_a_template_writes_after_an_answer_ends_answers() {
    let House { prompter, .. } = House::new(64);
    // tiny-opt has no token for it.
    assert_eq!(prompter.stops(), ["<|im_end|>"]);
    assert_eq!(prompter.template().source().default, Source::chatml().default);
}
