//! Answers that are held to a form, calls that must be made, and what exact texts show: characters that are cut, stops
//! within them, deltas of calls.

use crate::chats::{ask, content, finish, streamed, wrong};
use crate::client::post;
use crate::served::Served;
use serde_json::{Value, json};

const PATH: &str = "/v1/chat/completions";

/// A template of the Hermes format that shows everything.
const HERMES: &str = "{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% for message in messages %}\
    {{ message.role }}: {{ message.content }}{% for call in message.tool_calls %}<tool_call>{{ call.function | tojson }}</tool_call>\
    {% endfor %}{% endfor %}";

/// Short ones, of the formats of Hermes, Llama 3 and gpt-oss.
const SHORT_HERMES: &str = "{{ messages[-1].content }}{# <tool_call> #}";
const SHORT_LLAMA: &str = "{{ messages[-1].content }}{# <|start_header_id|> \"parameters\" #}";
const SHORT_HARMONY: &str = "{{ messages[-1].content }}{# <|channel|><|message|> #}";

/// The only answer that the form allows is the text, in quotes.
fn exactly(text: &str) -> Value {
    json!({ "max_tokens": 60, "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": { "const": text } } } })
}

fn with(mut ask: Value, name: &str, value: Value) -> Value {
    ask[name] = value;
    ask
}

fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

fn tool(name: &str, parameters: Value) -> Value {
    json!({ "type": "function", "function": { "name": name, "description": "<it> 'does' & \"more\"", "parameters": parameters } })
}

fn person() -> Value {
    json!({
        "type": "object",
        "properties": {
            "age": { "type": "integer", "minimum": 7, "maximum": 9 },
            "name": { "enum": ["Ada", "Bo"] },
            "tags": { "type": "array", "items": { "type": "boolean" }, "minItems": 1, "maxItems": 3 },
        },
        "required": ["age", "name", "tags"],
        "additionalProperties": false,
    })
}

fn is_person(value: &Value) -> bool {
    let tags = value["tags"].as_array().unwrap();
    (7..=9).contains(&value["age"].as_i64().unwrap())
        && ["Ada", "Bo"].contains(&value["name"].as_str().unwrap())
        && (1..=3).contains(&tags.len())
        && tags.iter().all(Value::is_boolean)
        && value.as_object().unwrap().len() == 3
}

#[test]
fn an_answer_has_the_schema_that_was_asked_for_streamed_or_not() {
    let served = Served::new();
    for seed in 0..6 {
        let more = json!({
            "max_tokens": 80, "temperature": 1.5, "seed": seed,
            "response_format": { "type": "json_schema", "json_schema": { "name": "person", "strict": true, "schema": person() } },
        });
        let whole = post(served.address, PATH, &ask(more.clone())).json();
        let value: Value = serde_json::from_str(text(&whole)).unwrap();
        assert!(is_person(&value), "{value}");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
        let events = post(served.address, PATH, &streamed(more)).events();
        assert_eq!(content(&events), text(&whole));
        assert_eq!(finish(&events), ["stop"]);
    }
    // Ollama and llama-server have words of their own for it.
    let body = json!({ "messages": [{ "role": "user", "content": "a" }], "stream": false, "format": person(), "options": { "temperature": 1.0, "seed": 3, "num_predict": 80 } });
    let reply = post(served.address, "/api/chat", &body).json();
    assert!(is_person(
        &serde_json::from_str(reply["message"]["content"].as_str().unwrap()).unwrap()
    ));
    let body = json!({ "prompt": "A person:", "max_tokens": 80, "json_schema": person() });
    let reply = post(served.address, "/v1/completions", &body).json();
    assert!(is_person(
        &serde_json::from_str(reply["choices"][0]["text"].as_str().unwrap()).unwrap()
    ));
    let raw = json!({ "prompt": "A person:", "raw": true, "stream": false, "format": person(), "options": { "num_predict": 80 } });
    let reply = post(served.address, "/api/generate", &raw).json();
    assert!(is_person(&serde_json::from_str(reply["response"].as_str().unwrap()).unwrap()));
}

#[test]
fn any_object_will_do_and_one_that_is_cut_is_told_so() {
    let served = Served::new();
    let cut = json!({ "max_tokens": 5, "response_format": { "type": "json_object" } });
    let whole = post(served.address, PATH, &ask(cut)).json();
    assert!(text(&whole).starts_with('{'), "{whole}");
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    let small = json!({ "type": "object", "maxProperties": 0 });
    let more = json!({ "response_format": { "type": "json_object", "schema": small } });
    let whole = post(served.address, PATH, &ask(more)).json();
    assert_eq!((text(&whole), &whole["choices"][0]["finish_reason"]), ("{}", &json!("stop")));
}

#[test]
fn forms_that_cannot_be_kept_to_are_refused() {
    let served = Served::new();
    let schema = |schema: Value| json!({ "response_format": { "type": "json_schema", "json_schema": { "schema": schema } } });
    for more in [
        schema(json!({ "type": "nonsense" })),
        schema(json!([])),
        schema(json!({ "not": { "type": "string" } })),
        schema(json!({ "type": "string", "pattern": "(" })),
        schema(json!({ "$ref": "file:///etc/passwd" })),
        json!({ "response_format": { "type": "json_schema" } }),
        json!({ "response_format": { "type": "xml" } }),
        json!({ "response_format": "json" }),
        with(schema(json!({})), "tools", json!([tool("f", json!({}))])),
    ] {
        let reply = post(served.address, PATH, &streamed(more));
        assert!(wrong(&reply).starts_with("response_format: "), "{}", reply.body);
    }
    let two = with(schema(json!({})), "guided_json", json!({}));
    assert!(wrong(&post(served.address, PATH, &ask(two))).starts_with("guided_json: "));
    // What nested without end asks for is refused as any other body is, or in bounded time.
    let deep = (0..100)
        .fold(json!({ "type": "null" }), |inner, _| json!({ "type": "array", "items": inner }));
    assert_eq!(post(served.address, PATH, &ask(schema(deep))).status, 200);
}

#[test]
fn characters_of_several_tokens_come_whole_and_cut_ones_alike_in_both_ways() {
    let served = Served::new();
    let all = "é😀日本👩‍🚀";
    let quoted = format!("\"{all}\"");
    let whole = post(served.address, PATH, &ask(exactly(all))).json();
    assert_eq!(text(&whole), quoted);
    let used = whole["usage"]["completion_tokens"].as_u64().unwrap();
    assert!(used > quoted.chars().count() as u64, "some characters have several tokens");
    let mut cut_within = 0;
    for most in 1..=used {
        let more = with(exactly(all), "max_tokens", json!(most));
        let reply = post(served.address, PATH, &ask(more.clone())).json();
        let events = post(served.address, PATH, &streamed(more)).events();
        assert_eq!(content(&events), text(&reply), "{most} tokens");
        for event in &events[..events.len() - 2] {
            let piece = event["choices"][0]["delta"]["content"].as_str().unwrap();
            assert!(!piece.contains('\u{fffd}'), "{event}");
        }
        let shown = text(&reply).trim_end_matches('\u{fffd}');
        assert!(quoted.starts_with(shown), "{reply}");
        cut_within += u32::from(shown != text(&reply));
    }
    assert!(cut_within > 0, "no cut fell into a character");
}

#[test]
fn stops_within_and_across_characters_and_overlapping_ones() {
    let served = Served::new();
    let all = "ab😀😃cd";
    for (stops, expected) in [
        (json!(["😃"]), "\"ab😀"),
        (json!(["😀"]), "\"ab"),
        // The emoji share their first bytes.
        (json!(["😃c", "😁"]), "\"ab😀"),
        // The one that is whole first ends the answer; of two that end together the longer one.
        (json!(["b😀😃cd", "😀😃"]), "\"ab"),
        (json!(["😃cd", "b😀😃cd", "cd"]), "\"a"),
        (json!(["😀😃x", "😃cd"]), "\"ab😀"),
        (json!(["\""]), ""),
        (json!(["d\"x"]), "\"ab😀😃cd\""),
    ] {
        let more = with(exactly(all), "stop", stops.clone());
        let whole = post(served.address, PATH, &ask(more.clone())).json();
        assert_eq!(text(&whole), expected, "{stops}");
        let events = post(served.address, PATH, &streamed(more)).events();
        assert_eq!(
            (content(&events).as_str(), finish(&events)),
            (expected, vec!["stop"]),
            "{stops}"
        );
    }
}

#[test]
fn a_call_that_must_be_made_is_made_in_the_format_of_the_model() {
    let tools = json!([
        tool("look_up", person()),
        tool("clock", json!({ "type": "object", "maxProperties": 0 }))
    ]);
    for (template, choice) in [
        (SHORT_HERMES, json!({ "type": "function", "function": { "name": "look_up" } })),
        (SHORT_LLAMA, json!({ "type": "function", "function": { "name": "look_up" } })),
        (SHORT_HARMONY, json!({ "type": "function", "function": { "name": "look_up" } })),
        (SHORT_HERMES, json!("required")),
        (SHORT_LLAMA, json!("required")),
    ] {
        let served = Served::with(template, |_| {});
        let more = json!({ "max_tokens": 120, "tools": tools, "tool_choice": choice });
        let whole = post(served.address, PATH, &ask(more.clone())).json();
        let choice = &whole["choices"][0];
        assert_eq!(
            (&choice["finish_reason"], &choice["message"]["content"]),
            (&json!("tool_calls"), &Value::Null),
            "{whole}"
        );
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!((calls.len(), &calls[0]["type"]), (1, &json!("function")));
        let function = &calls[0]["function"];
        let arguments: Value =
            serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
        match function["name"].as_str().unwrap() {
            "look_up" => assert!(is_person(&arguments), "{arguments}"),
            name => assert_eq!((name, &arguments), ("clock", &json!({}))),
        }
        check_deltas(&post(served.address, PATH, &streamed(more)).events(), function);
    }
}

/// Index, id and name come once, arguments in pieces under the same index.
fn check_deltas(events: &[Value], function: &Value) {
    assert_eq!(finish(events), ["tool_calls"]);
    assert_eq!(content(events), "");
    let deltas =
        events.iter().flat_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array());
    let mut arguments = String::new();
    for (at, delta) in deltas.flatten().enumerate() {
        assert_eq!(delta["index"], 0);
        assert_eq!(
            (delta.get("id").is_some(), delta["function"].get("name").is_some()),
            (at == 0, at == 0)
        );
        arguments += delta["function"]["arguments"].as_str().unwrap();
    }
    assert_eq!(arguments, function["arguments"].as_str().unwrap());
}

#[test]
fn a_call_and_its_result_go_back_to_the_model_in_the_order_of_their_keys() {
    let served = Served::with(HERMES, |_| {});
    let parameters = json!({ "type": "object", "properties": { "z": {}, "a": {} } });
    let call = json!({ "id": "call00001", "type": "function", "function": { "name": "f", "arguments": "{\"z\": 1, \"a\": \"<&'>\"}" } });
    let body = json!({
        "messages": [
            { "role": "user", "content": "go" },
            { "role": "assistant", "content": null, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "call00001", "content": "done" },
        ],
        "tools": [tool("f", parameters)],
    });
    let prompt = post(served.address, "/apply-template", &body).json();
    let prompt = prompt["prompt"].as_str().unwrap();
    assert!(prompt.contains("\"properties\": {\"z\": {}, \"a\": {}}"), "{prompt}");
    assert!(prompt.contains("<it> 'does' & \\\"more\\\""), "{prompt}");
    assert!(prompt.contains("{\"z\": 1, \"a\": \"<&'>\"}"), "{prompt}");
    assert!(prompt.contains("tool: done"), "{prompt}");
    assert_eq!(post(served.address, PATH, &body).status, 200);
}

#[test]
fn a_call_that_cannot_be_forced_is_refused() {
    let tools = json!([tool("f", json!({})), tool("g", json!({}))]);
    let refused = |template: &str, more: Value| {
        let served = Served::with(template, |_| {});
        wrong(&post(served.address, PATH, &streamed(more)))
    };
    let required = json!({ "tools": tools, "tool_choice": "required" });
    assert!(refused("chatml", required.clone()).starts_with("tool_choice: "));
    assert!(refused(SHORT_HARMONY, required).starts_with("tool_choice: "));
    let other = json!({ "tools": tools, "tool_choice": { "type": "function", "function": { "name": "h" } } });
    assert!(refused(SHORT_HERMES, other).starts_with("tool_choice: "));
    let odd = json!({ "tools": [tool("<|end|>", json!({}))], "tool_choice": "required" });
    assert!(refused(SHORT_HERMES, odd).starts_with("tool_choice: "));
    let bad =
        json!({ "tools": [tool("f", json!({ "type": "nonsense" }))], "tool_choice": "required" });
    assert!(refused(SHORT_HERMES, bad).starts_with("tools: "));
}

#[test]
fn many_forms_at_once_are_kept_apart() {
    let served = Served::new();
    let texts = ["one", "zwei", "trois", "四", "😀😀", "six"];
    let open: Vec<_> = texts
        .iter()
        .map(|text| crate::client::begin(served.address, PATH, &streamed(exactly(text))))
        .collect();
    for (open, text) in open.into_iter().zip(texts) {
        assert_eq!(content(&open.reply().events()), format!("\"{text}\""));
    }
}
