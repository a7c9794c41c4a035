//! Answers are taken apart into thoughts, text and calls, however they arrive in pieces.

use flint_chat::{Answer, AnswerFormat, AnswerParser, Event, ToolFormat, call_id};
use proptest::prelude::*;

const WEATHER: &str = r#"{"city": "São \"}\" Paulo", "days": [1, {"a": "]"}]}"#;

fn format(tools: ToolFormat) -> AnswerFormat {
    AnswerFormat::thinking(tools, vec!["get_weather".into(), "clock".into()])
}

fn hermes(text: &str) -> Answer {
    Answer::parse(format(ToolFormat::Hermes), text)
}

fn llama(text: &str) -> Answer {
    Answer::parse(format(ToolFormat::Llama3), text)
}

fn harmony(text: &str) -> Answer {
    Answer::parse(format(ToolFormat::Harmony), text)
}

fn call(name: &str, arguments: &str) -> (String, String) {
    (name.into(), arguments.into())
}

fn answer(reasoning: &str, content: &str, calls: &[(&str, &str)]) -> Answer {
    let calls = calls.iter().map(|(name, arguments)| call(name, arguments)).collect();
    Answer { content: content.into(), reasoning: reasoning.into(), calls }
}

#[test]
fn thoughts_are_set_apart() {
    let plain = |inside_thoughts, text| {
        Answer::parse(AnswerFormat { inside_thoughts, ..format(ToolFormat::None) }, text)
    };
    assert_eq!(
        plain(false, "\n<think>\n a\n\nb \n</think>\n\n c \n"),
        answer("a\n\nb", "c \n", &[])
    );
    assert_eq!(plain(true, "\na</think>b"), answer("a", "b", &[]));
    assert_eq!(plain(false, " a <think>b</think>"), answer("", " a <think>b</think>", &[]));
    assert_eq!(plain(false, "<think></think>"), answer("", "", &[]));
    assert_eq!(plain(false, "<think>a\n"), answer("a", "", &[]));
    assert_eq!(plain(false, "<thin"), answer("", "<thin", &[]));
    assert_eq!(plain(true, "a</thin"), answer("a</thin", "", &[]));
}

#[test]
fn hermes_calls() {
    let text = format!(
        "<think>x</think>Sure.\n<tool_call>\n{{\"name\": \"get_weather\", \"arguments\": {WEATHER}}}\n</tool_call>\n\
         <tool_call>{{\"arguments\": null, \"name\": \"clock\"}}</tool_call>\n"
    );
    assert_eq!(hermes(&text), answer("x", "Sure.", &[("get_weather", WEATHER), ("clock", "{}")]));
}

#[test]
fn hermes_calls_of_careless_models() {
    let clock = answer("", "", &[("clock", "{}")]);
    assert_eq!(hermes("<tool_call>{\"name\": \"clock\"}"), clock);
    assert_eq!(hermes("<tool_call>{\"name\": \"clock\", \"arguments\": {}}}</tool_call>"), clock);
    assert_eq!(
        hermes("<tool_call>{\"name\": \"clock\", \"arguments\": \"{}\"}</tool_call>"),
        clock
    );
    let text = "a <tool_call>no</tool_call> b";
    assert_eq!(hermes(text), answer("", "a<tool_call>no</tool_call> b", &[]));
    assert_eq!(
        hermes("<tool_call>{\"arguments\": {}}"),
        answer("", "<tool_call>{\"arguments\": {}}", &[])
    );
    let garbled = "<tool_call>{\"name\": \"{\"name\": \"clock\"}";
    assert_eq!(hermes(garbled), answer("", garbled, &[]));
    let cut = "<tool_call>{\"name\": \"clock\", \"arguments\": {\"a\": \"<tool_call>";
    assert_eq!(hermes(cut), answer("", "", &[("clock", "{\"a\": \"<tool_call>")]));
    assert_eq!(hermes("a <tool_"), answer("", "a <tool_", &[]));
    assert_eq!(hermes("{\"name\": \"clock\"} "), answer("", "{\"name\": \"clock\"} ", &[]));
}

#[test]
fn llama_calls() {
    let text = format!(
        "\n{{\"type\": \"function\", \"name\": \"get_weather\", \"parameters\": {WEATHER}}}"
    );
    let expected = answer("", "", &[("get_weather", WEATHER)]);
    assert_eq!(llama(&text), expected);
    assert_eq!(llama(&format!("<|python_tag|>{text}")), expected);
    assert_eq!(llama(&format!("So: <|python_tag|>{text}")).content, "So:");
    let two = format!("{text}; {{\"name\": \"clock\", \"parameters\": {{}}}}");
    assert_eq!(llama(&two), answer("", "", &[("get_weather", WEATHER), ("clock", "{}")]));
}

#[test]
fn a_llama_object_that_calls_no_offered_tool_is_text() {
    let texts = [
        "{\"name\": \"Bob\", \"parameters\": {}}",
        "{\"age\": 3}",
        "{",
        "[1]",
        "{}",
        "{\"name\": 3}",
        "a {\"name\": \"clock\"}",
        "{\"name\": \"clo",
        "{\"parameters\": {\"a\": 1}, \"x\": 2}",
    ];
    for text in texts {
        assert_eq!(llama(text), answer("", text, &[]));
    }
}

#[test]
fn harmony_channels() {
    let text = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes <b>.<|return|>";
    assert_eq!(harmony(text), answer("Hm.", "Yes <b>.", &[]));
    let two = "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b<|end|>\
        <|start|>assistant<|channel|>commentary<|message|>c<|end|><|start|>assistant<|channel|>final<|message|>d";
    assert_eq!(harmony(two), answer("a\nb", "c\nd", &[]));
    assert_eq!(harmony(" plain <|x|>"), answer("", " plain <|x|>", &[]));
    assert_eq!(harmony("<|channel|>final"), answer("", "", &[]));
}

#[test]
fn harmony_calls_in_both_orders_of_the_header() {
    let expected = answer("Hm.", "", &[("get_weather", WEATHER)]);
    let before = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant";
    for header in [
        "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>",
        " to=functions.get_weather<|channel|>commentary json<|message|>",
    ] {
        assert_eq!(harmony(&format!("{before}{header}{WEATHER}<|call|>")), expected);
        assert_eq!(harmony(&format!("{before}{header}{WEATHER}")), expected);
    }
    let builtin = "<|channel|>analysis to=browser.search code<|message|><|call|>";
    assert_eq!(harmony(builtin), answer("", "", &[("browser.search", "{}")]));
}

#[test]
fn nothing_is_held_back_that_cannot_be_a_marker() {
    let mut parser = AnswerParser::new(format(ToolFormat::Hermes));
    let mut feed = |text: &str| {
        let mut events = Vec::new();
        parser.feed(text, &mut events);
        events
    };
    let content = |text: &str| vec![Event::Content(text.into())];
    assert_eq!(feed("Hello <"), content("Hello"));
    assert_eq!(feed("b> x"), content(" <b> x"));
    assert_eq!(
        feed("<tool_call>{\"name\": \"clock\","),
        [Event::CallStart { index: 0, name: "clock".into() }]
    );
    let arguments = |delta: &str| vec![Event::CallArguments { index: 0, delta: delta.into() }];
    assert_eq!(feed(" \"arguments\": {\"a"), arguments("{\"a"));
    assert_eq!(feed("\": 1}"), arguments("\": 1}"));
    assert_eq!(feed("}</tool"), []);
    assert_eq!(feed("_call>"), []);
}

#[test]
fn names_of_calls_are_nine_letters_and_digits_and_differ() {
    let mut names: Vec<_> =
        (0..50).flat_map(|request| (0..20).map(move |at| call_id(request, at))).collect();
    assert!(
        names
            .iter()
            .all(|name| name.len() == 9 && name.bytes().all(|it| it.is_ascii_alphanumeric()))
    );
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 1000);
}

/// Events with neighbours of one kind joined.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    for event in events {
        match (out.last_mut(), event) {
            (Some(Event::Content(last)), Event::Content(next))
            | (Some(Event::Reasoning(last)), Event::Reasoning(next)) => *last += &next,
            (
                Some(Event::CallArguments { index, delta }),
                Event::CallArguments { index: next, delta: more },
            ) if *index == next => *delta += &more,
            (_, event) => out.push(event),
        }
    }
    out
}

fn written() -> impl Strategy<Value = String> {
    let parts = vec![
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        "<|python_tag|>",
        "<|channel|>",
        "<|message|>",
        "<|end|>",
        "<|start|>assistant",
        "<|call|>",
        " to=functions.clock",
        "analysis",
        "final",
        "commentary",
        "{\"name\": \"clock\", \"arguments\": {\"a\": [\"}\\\"\"]}}",
        "{\"parameters\": 3, \"name\": \"clock\"}",
        "{\"name\": \"",
        "clock\", ",
        "\"x\": null",
        "}",
        "{",
        " ",
        "\n",
        "é",
        "text",
        "<",
        "|",
        ";",
        "\\\"",
    ];
    let part = prop_oneof![
        6 => prop::sample::select(parts).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_way_to_cut_a_text_gives_the_same(
        text in written(), inside_thoughts: bool, cuts in prop::collection::vec(1_usize..9, 1..40)
    ) {
        for tools in [ToolFormat::None, ToolFormat::Hermes, ToolFormat::Llama3, ToolFormat::Harmony] {
            let format = AnswerFormat { inside_thoughts, ..format(tools) };
            let feed = |pieces: &[String]| {
                let mut parser = AnswerParser::new(format.clone());
                let mut events = Vec::new();
                pieces.iter().for_each(|piece| parser.feed(piece, &mut events));
                parser.finish(&mut events);
                joined(events)
            };
            let whole = feed(std::slice::from_ref(&text));
            let mut chars = text.chars();
            let mut pieces: Vec<String> =
                cuts.iter().map(|&length| chars.by_ref().take(length).collect()).collect();
            pieces.push(chars.collect());
            prop_assert_eq!(&feed(&pieces), &whole, "{:?}", tools);
            let single: Vec<String> = text.chars().map(String::from).collect();
            prop_assert_eq!(&feed(&single), &whole, "{:?}", tools);
            let starts: Vec<usize> = whole.iter().filter_map(|event| match event {
                Event::CallStart { index, .. } => Some(*index),
                _ => None,
            }).collect();
            let counted: Vec<usize> = (0..starts.len()).collect();
            prop_assert_eq!(starts, counted);
        }
    }
}
