//! Messages as clients send them, and what can be done with a history.

use flint_chat::{Answer, ChatError, Content, Conversation, Message, Role};
use serde_json::{Value, json};

use crate::fixtures::{Model, options};

fn read(value: Value) -> Message {
    serde_json::from_value(value).unwrap()
}

fn said(conversation: &Conversation) -> Vec<String> {
    conversation.messages().iter().map(Message::joined).collect()
}

fn talk() -> Conversation {
    let mut call = Message::assistant("c");
    call.content = None;
    Conversation::from(vec![
        Message::system("s"),
        Message::user("a"),
        call,
        Message::tool("1", "r"),
        Message::assistant("b"),
        Message::user("d"),
        Message::assistant("e"),
    ])
}

#[test]
fn messages_are_read_in_every_form_that_clients_send() {
    assert_eq!(read(json!({"role": "user", "content": "a"})), Message::user("a"));
    let parts =
        json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {}}]);
    assert_eq!(read(json!({"role": "assistant", "content": parts})).joined(), "ab");
    let bare = read(
        json!({"role": "assistant", "content": null, "tool_calls": null, "name": null, "audio": null}),
    );
    assert_eq!((bare.content, bare.tool_calls.len()), (None, 0));
    assert_eq!(read(json!({"role": "developer"})).role, Role::Developer);
    assert_eq!(read(json!({"role": "function", "name": "f", "content": "x"})).role, Role::Tool);
    let both = json!({"role": "assistant", "content": "", "reasoning": "r", "thinking": "t"});
    assert_eq!(read(both).reasoning_content.as_deref(), Some("r"));
    let arguments = |value: Value| {
        let calls = json!([{"function": {"name": "f", "arguments": value}}]);
        read(json!({"role": "assistant", "tool_calls": calls})).tool_calls[0].clone()
    };
    assert_eq!(arguments(json!("{\"a\":1}")).function.arguments, "{\"a\":1}");
    assert_eq!(arguments(json!({"b": 1, "a": 2})).function.arguments, "{\"b\":1,\"a\":2}");
    assert_eq!(arguments(json!(null)).kind, "function");
}

#[test]
fn what_is_no_text_is_refused() {
    let image =
        json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]});
    assert!(serde_json::from_value::<Message>(image).is_err());
    assert!(serde_json::from_value::<Message>(json!({"role": "user", "content": 3})).is_err());
    assert!(serde_json::from_value::<Message>(json!({"role": "king", "content": "a"})).is_err());
}

#[test]
fn messages_are_written_as_clients_expect() {
    let answer = Answer {
        content: String::new(),
        reasoning: "r".into(),
        calls: vec![("f".into(), "{}".into())],
    };
    let written = serde_json::to_value(answer.into_message(|at| format!("id{at}"))).unwrap();
    let call =
        json!({"id": "id0", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    assert_eq!(
        written,
        json!({"role": "assistant", "content": null, "reasoning_content": "r", "tool_calls": [call]})
    );
}

#[test]
fn undo_takes_back_a_question_with_its_answer() {
    let mut talk = talk();
    assert_eq!(talk.undo().unwrap().len(), 2);
    assert_eq!(said(&talk), ["s", "a", "", "r", "b"]);
    assert_eq!(talk.undo().unwrap().len(), 4);
    assert_eq!(talk.undo(), Err(ChatError::NothingToUndo));
    assert_eq!(said(&talk), ["s"]);
}

#[test]
fn the_oldest_turn_goes_whole_and_the_last_never() {
    let mut talk = talk();
    assert!(talk.drop_oldest());
    assert_eq!(said(&talk), ["s", "d", "e"]);
    assert!(!talk.drop_oldest());
    assert!(!Conversation::new().drop_oldest());
}

#[test]
fn instructions_are_set_replaced_and_removed() {
    let mut talk = Conversation::new();
    assert_eq!(talk.system(), None);
    talk.push(Message::user("a"));
    talk.set_system("s");
    talk.set_system("t");
    assert_eq!((said(&talk), talk.system()), (vec!["t".into(), "a".into()], Some("t".into())));
    talk.clear();
    assert_eq!(said(&talk), ["t"]);
    talk.set_system("");
    assert_eq!(talk, Conversation::new());
}

#[test]
fn a_conversation_survives_storing() {
    let talk = talk();
    assert_eq!(Conversation::from_json(&talk.to_json().unwrap()).unwrap(), talk);
    let bare = Conversation::from_json(" [{\"role\": \"user\", \"content\": \"a\"}]").unwrap();
    assert_eq!(said(&bare), ["a"]);
    for wrong in ["", "{}", "{\"version\": 2, \"messages\": []}", "[{}]", &"[".repeat(100_000)] {
        assert!(matches!(Conversation::from_json(wrong), Err(ChatError::Conversation(_))));
    }
}

#[test]
fn an_answer_without_content_renders_where_a_template_wants_text() {
    let mut call = Message::assistant("");
    call.content = None;
    call.tool_calls = vec![flint_chat::ToolCall::new("a1B2c3D4e", "f", "{\"a\": 1}")];
    let messages = [Message::user("x"), call, Message::tool("a1B2c3D4e", "y")];
    for name in [
        "Qwen3-0.6B",
        "Llama-3.2-3B-Instruct",
        "Mistral-Nemo-Instruct-2407",
        "gpt-oss-120b",
        "DeepSeek-R1-Distill-Qwen-32B",
        "SmolLM2-135M-Instruct",
    ] {
        let text = Model::named(name).template().render(&messages, &options()).unwrap().text();
        assert!(!text.contains("None"), "{name}: {text}");
    }
    // A template that wants arguments as text.
    let text = "{{ messages[1].content }}{{ '' + messages[1].tool_calls[0].function.arguments }}";
    let rendered = crate::fixtures::template(text).render(&messages, &options()).unwrap();
    assert!(rendered.text().ends_with("{\"a\": 1}"));
}

#[test]
fn content_can_be_made_from_texts() {
    assert_eq!(Content::from("a"), Content::from("a".to_owned()));
}
