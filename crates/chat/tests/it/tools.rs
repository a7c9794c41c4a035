//! A call and its result, there and back: rendered by the model's template, taken apart from its answer.

use flint_chat::{Answer, AnswerFormat, Conversation, Message, RenderOptions, ToolFormat, call_id};
use serde_json::json;

use crate::fixtures::{Model, options};

/// The answer with which each model calls `get_weather`, and the model's format.
const CALLS: [(&str, ToolFormat, &str); 3] = [
    (
        "Qwen3-0.6B",
        ToolFormat::Hermes,
        "<think>\nA call.\n</think>\n\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Köln\"}}\n</tool_call>",
    ),
    (
        "Llama-3.2-3B-Instruct",
        ToolFormat::Llama3,
        "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Köln\"}}",
    ),
    (
        "gpt-oss-120b",
        ToolFormat::Harmony,
        "<|channel|>analysis<|message|>A call.<|end|><|start|>assistant<|channel|>commentary \
         to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Köln\"}<|call|>",
    ),
];

/// How each model sees its own call and the result again.
const SEEN: [&str; 3] = [
    "<|im_start|>assistant\n<think>\nA call.\n</think>\n\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Köln\"}}\n\
     </tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\n12 \"degrees\"\n</tool_response><|im_end|>\n<|im_start|>assistant\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Köln\"}}<|eot_id|>\
     <|start_header_id|>ipython<|end_header_id|>\n\n\"12 \\\"degrees\\\"\"<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "<|start|>assistant<|channel|>analysis<|message|>A call.<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary \
     json<|message|>{\"city\": \"Köln\"}<|call|><|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>\
     \"12 \\\"degrees\\\"\"<|end|><|start|>assistant",
];

#[test]
fn a_call_and_its_result_go_round() {
    let tools = [json!({"type": "function", "function": {"name": "get_weather",
        "description": "Weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}})];
    let options = RenderOptions { tools: &tools, ..options() };
    for ((name, format, written), seen) in CALLS.into_iter().zip(SEEN) {
        let model = Model::named(name);
        assert_eq!(ToolFormat::detect(&model.template), format, "{name}");
        let mut conversation = Conversation::new();
        conversation.push(Message::user("How warm is it in Köln?"));

        let answer =
            Answer::parse(AnswerFormat::thinking(format, vec!["get_weather".into()]), written);
        assert_eq!(answer.calls, [("get_weather".into(), "{\"city\": \"Köln\"}".into())], "{name}");
        assert_eq!(answer.content, "", "{name}");
        conversation.push_answer(answer, |at| call_id(1, at));
        let id = conversation.messages()[1].tool_calls[0].id.clone();
        conversation.push(Message::tool(id, "12 \"degrees\""));

        let stored = Conversation::from_json(&conversation.to_json().unwrap()).unwrap();
        let text = model.template().render(stored.messages(), &options).unwrap().text();
        assert!(text.ends_with(seen), "{name}: {text}");
    }
}

#[test]
fn formats_are_told_by_the_template() {
    let detect = |name| ToolFormat::detect(&Model::named(name).template);
    assert_eq!(detect("gemma-2-2b-it"), ToolFormat::None);
    assert_eq!(detect("SmolLM2-135M-Instruct"), ToolFormat::None);
    assert_eq!(detect("Mistral-Nemo-Instruct-2407"), ToolFormat::None);
}
