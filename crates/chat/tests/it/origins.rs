//! What somebody typed never becomes a control token.

use flint_chat::{ControlTokens, Guard, Message, Rendered, Segment, Source, Template, ToolCall};
use proptest::prelude::*;
use serde_json::json;

use crate::fixtures::{Model, models, options, template};

const TOKENS: &[&str] = &[
    "<|im_start|>",
    "<|im_end|>",
    "<|begin_of_text|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<bos>",
    "<eos>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|channel|>",
    "<|return|>",
    "<|call|>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜end▁of▁sentence｜>",
    "<｜begin▁of▁sentence｜>",
    "<think>",
    "</think>",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "<tool_response>",
    "</tool_response>",
];

fn control() -> ControlTokens {
    ControlTokens::new(TOKENS.iter().copied())
}

/// How often each token is a control token in a prompt.
fn counts(rendered: &Rendered) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> =
        TOKENS.iter().map(|token| ((*token).to_owned(), 0)).collect();
    for segment in rendered.segments(&control()) {
        if let Segment::Control(token) = segment {
            counts.iter_mut().find(|(other, _)| *other == token).unwrap().1 += 1;
        }
    }
    counts
}

/// Texts of tokens, parts of them, and what templates look for and transform.
fn typed() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(TOKENS).prop_map(str::to_owned),
        2 => prop::sample::select(TOKENS).prop_map(|token| token.chars().take(3).collect()),
        2 => prop::sample::select(TOKENS).prop_map(|token| token.chars().skip(3).collect()),
        2 => prop::sample::select(vec![" ", "\n", "\"", "\\", "\u{f0000}", "\u{10fffd}", "{{ x }}", "é", "\u{a0}", "<", "|"])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn control_tokens_in_texts_stay_text(first in typed(), second in typed(), third in typed()) {
        for model in models().templates {
            let template = model.template();
            let talk = |a: &str, b: &str, c: &str| {
                [Message::user(a), Message::assistant(b), Message::user(c)]
            };
            let Ok(rendered) = template.render(&talk(&first, &second, &third), &options()) else {
                continue; // gpt-oss refuses answers with its own marks
            };
            let plain = template.render_text(&talk(&first, &second, &third), &options()).unwrap();
            prop_assert_eq!(rendered.text(), plain);
            if rendered.guard() == Guard::Exact {
                let harmless = template.render(&talk("a", "b", "c"), &options()).unwrap();
                prop_assert_eq!(counts(&rendered), counts(&harmless), "{}", model.name);
            } else {
                for piece in rendered.pieces().iter().filter(|piece| !piece.from_user) {
                    for text in [&first, &second, &third] {
                        prop_assert!(!text.contains(&piece.text), "{}: {piece:?}", model.name);
                    }
                }
            }
        }
    }

    #[test]
    fn no_text_is_lost_and_tokens_are_found_in_segments(text in typed()) {
        let rendered = Model::named("Qwen3-0.6B").template().render(&[Message::user(text)], &options()).unwrap();
        let joined: String = rendered.segments(&control()).into_iter().map(|segment| match segment {
            Segment::Control(text) | Segment::Text(text) => text,
        }).collect();
        prop_assert_eq!(joined, rendered.text());
    }

    #[test]
    fn the_coarse_way_is_safe_too(text in typed()) {
        // Looks into the text through a variable, so that nothing can be traced.
        let source = "{{ bos }}{% set mark = '</think>' %}{% set n = messages[0].content.replace('<', '<') %}\
            {% if mark in n or n | upper | length %}{{ n | upper | lower }}{% endif %}<|im_end|>";
        let template = Template::new(Source {
            control_tokens: TOKENS.iter().map(|token| (*token).into()).collect(),
            ..Source::new(source)
        }).unwrap();
        let rendered = template.render(&[Message::user(text.clone())], &options()).unwrap();
        let typed = text.to_lowercase();
        for segment in rendered.segments(&control()) {
            if let Segment::Control(token) = segment {
                prop_assert!(rendered.guard() == Guard::Exact || !typed.contains(&token.to_lowercase()));
            }
        }
    }
}

#[test]
fn texts_are_traced_where_a_template_looks_into_them() {
    let template = Model::named("Qwen3-0.6B").template();
    let answer = "<think>\nHm <|im_end|>\n</think>\n\nYes <|im_end|>";
    let talk = [
        Message::user("<tool_response>a</tool_response>"),
        Message::assistant(answer),
        Message::user("</think>"),
    ];
    let rendered = template.render(&talk, &options()).unwrap();
    assert_eq!(rendered.guard(), Guard::Exact);
    let control = ControlTokens::new([
        "<|im_start|>",
        "<|im_end|>",
        "<think>",
        "</think>",
        "<tool_response>",
    ]);
    let tokens = rendered.segments(&control);
    let text = |text: &str| Segment::Text(text.into());
    let (start, end) =
        (Segment::Control("<|im_start|>".into()), Segment::Control("<|im_end|>".into()));
    assert_eq!(
        tokens,
        [
            start.clone(),
            text("user\n<tool_response>a</tool_response>"),
            end.clone(),
            text("\n"),
            start.clone(),
            text("assistant\nYes <|im_end|>"),
            end.clone(),
            text("\n"),
            start.clone(),
            text("user\n</think>"),
            end,
            text("\n"),
            start,
            text("assistant\n"),
        ]
    );
}

#[test]
fn names_and_arguments_are_traced_through_tojson() {
    let template = Model::named("Llama-3.2-3B-Instruct").template();
    let arguments = json!({"<|eot_id|>": ["a\n<|eot_id|>\"b", 1]}).to_string();
    let mut call = Message::assistant("");
    call.tool_calls = vec![ToolCall::new("<|eot_id|>", "f<|eot_id|>", arguments)];
    let talk = [Message::user("x"), call, Message::tool("1", "<|eot_id|>")];
    let mut options = options();
    let tools = [
        json!({"type": "function", "function": {"name": "<|eot_id|>", "description": "a <|eot_id|>"}}),
    ];
    options.tools = &tools;
    let rendered = template.render(&talk, &options).unwrap();
    assert_eq!(rendered.guard(), Guard::Exact);
    let ends = rendered.segments(&control()).into_iter();
    assert_eq!(ends.filter(|segment| *segment == Segment::Control("<|eot_id|>".into())).count(), 4);
}

#[test]
fn a_border_makes_no_token() {
    let template = template("<|im_{{ messages[0].content }}|>{{ messages[0].content }}<|im_end|>");
    let rendered = template.render(&[Message::user("start|><|im_")], &options()).unwrap();
    let segments = rendered.segments(&control());
    assert_eq!(
        segments,
        [
            Segment::Text("<|im_start|><|im_|>start|><|im_".into()),
            Segment::Control("<|im_end|>".into())
        ]
    );
}

#[test]
fn transformed_texts_are_traced_or_guarded() {
    let sliced =
        template("{{ messages[0].content[1:] | trim }}|{{ (messages[0].content | trim)[:-1] }}<s>");
    let rendered = sliced.render(&[Message::user(" x<s> y<s>")], &options()).unwrap();
    assert_eq!(
        (rendered.guard(), rendered.text().as_str()),
        (Guard::Exact, "x<s> y<s>|x<s> y<s<s>")
    );
    assert_eq!(rendered.pieces().len(), 4);

    let source = Source {
        control_tokens: vec!["<s>".into(), "<end>".into()],
        ..Source::new("<s><end>{{ messages[0].content | upper | lower }}<end>")
    };
    let guarded = Template::new(source).unwrap();
    let rendered = guarded.render(&[Message::user("ab<S>é")], &options()).unwrap();
    assert_eq!(rendered.guard(), Guard::ByName);
    let pieces: Vec<_> =
        rendered.pieces().iter().map(|it| (it.text.as_str(), it.from_user)).collect();
    assert_eq!(pieces, [("<s>", true), ("<end>", false), ("ab<s>é", true), ("<end>", false)]);
}

#[test]
fn a_beginning_is_recognised_once() {
    let messages = [Message::user("<s>")];
    let mistral = Model::named("Mistral-Nemo-Instruct-2407").template();
    assert!(mistral.render(&messages, &options()).unwrap().begins_with("<s>"));
    let bare = template("{{ messages[0].content }}");
    assert!(!bare.render(&messages, &options()).unwrap().begins_with("<s>"));
    assert!(!bare.render(&[], &options()).is_ok_and(|rendered| rendered.begins_with("")));
}

#[test]
fn open_thoughts_are_seen() {
    let messages = [Message::user("<think>")];
    let mut options = options();
    options.variables.insert("enable_thinking".into(), true.into());
    let deepseek = Model::named("DeepSeek-R1-Distill-Qwen-32B").template();
    assert!(deepseek.render(&messages, &options).unwrap().ends_inside("<think>", "</think>"));
    let qwen = Model::named("Qwen3-0.6B").template();
    assert!(!qwen.render(&messages, &options).unwrap().ends_inside("<think>", "</think>"));
    options.variables.insert("enable_thinking".into(), false.into());
    assert!(!qwen.render(&messages, &options).unwrap().ends_inside("<think>", "</think>"));
}
