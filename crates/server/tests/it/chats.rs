//! `/v1/chat/completions`, in one piece and streamed.

use crate::client::{Reply, begin, post};
use crate::served::{CONTEXT, Served};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATH: &str = "/v1/chat/completions";

pub(crate) fn ask(more: Value) -> Value {
    let mut ask = json!({
        "model": "whatever",
        "messages": [{ "role": "user", "content": "Once upon a time" }],
        "max_tokens": 12,
        "temperature": 0,
    });
    for (name, value) in more.as_object().unwrap() {
        ask[name] = value.clone();
    }
    ask
}

pub(crate) fn streamed(more: Value) -> Value {
    let mut ask = ask(more);
    ask["stream"] = true.into();
    ask
}

pub(crate) fn content(events: &[Value]) -> String {
    let deltas = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    deltas.collect()
}

pub(crate) fn finish(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str()).collect()
}

pub(crate) fn wrong(reply: &Reply) -> String {
    assert_eq!(reply.status, 400, "{}", reply.body);
    let error = &reply.json()["error"];
    assert_eq!(error["code"], 400);
    assert!(reply.head.to_lowercase().contains("content-type: application/json"));
    error["message"].as_str().unwrap().to_owned()
}

#[test]
fn an_answer_has_the_fields_that_clients_expect_and_streams_to_the_same_text() {
    let served = Served::new();
    let whole = post(served.address, PATH, &ask(json!({}))).json();
    assert_eq!(whole["object"], "chat.completion");
    assert!(whole["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(whole["model"], "tiny-opt");
    let choice = &whole["choices"][0];
    assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("length")));
    assert_eq!(
        (&choice["logprobs"], &choice["message"]["role"]),
        (&Value::Null, &json!("assistant"))
    );
    let text = choice["message"]["content"].as_str().unwrap();
    assert!(!text.is_empty());
    let usage = &whole["usage"];
    assert_eq!(usage["completion_tokens"], 12);
    assert_eq!(usage["total_tokens"], 12 + usage["prompt_tokens"].as_u64().unwrap());

    let reply = post(served.address, PATH, &streamed(json!({})));
    let head = reply.head.to_lowercase();
    for line in
        ["content-type: text/event-stream", "cache-control: no-cache", "x-accel-buffering: no"]
    {
        assert!(head.contains(line), "{head}");
    }
    assert!(!reply.body.contains("id: ") && !reply.body.contains("data: \n"));
    let events = reply.events();
    assert_eq!(events[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(events[0]["choices"][0]["finish_reason"], Value::Null);
    assert_eq!(content(&events), text);
    assert_eq!(finish(&events), ["length"]);
    let last = events.last().unwrap();
    assert_eq!(
        (&last["choices"][0]["delta"], &last["choices"][0]["finish_reason"]),
        (&json!({}), &json!("length"))
    );
    for event in &events {
        assert_eq!((&event["id"], &event["created"]), (&events[0]["id"], &events[0]["created"]));
        assert_eq!(event["object"], "chat.completion.chunk");
        assert!(event.get("usage").is_none());
    }
    let events =
        post(served.address, PATH, &streamed(json!({"stream_options": {"include_usage": true}})))
            .events();
    let (last, before) = events.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    for name in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        assert_eq!(last["usage"][name], usage[name]);
    }
    assert!(before.iter().all(|event| event["usage"].is_null()));
}

#[test]
fn both_names_of_the_most_tokens_count_and_null_is_the_default() {
    let served = Served::new();
    let count = |more: Value| {
        let reply = post(served.address, PATH, &ask(more)).json();
        reply["usage"]["completion_tokens"].as_u64().unwrap()
    };
    assert_eq!(count(json!({"max_tokens": null, "max_completion_tokens": 3})), 3);
    assert_eq!(count(json!({"max_tokens": 4, "n_predict": 9})), 4);
    assert_eq!(count(json!({"max_tokens": 0})), 0);
    let nulls = [
        "max_completion_tokens",
        "top_p",
        "stop",
        "n",
        "logprobs",
        "tools",
        "tool_choice",
        "seed",
        "response_format",
        "stream",
        "stream_options",
        "logit_bias",
        "user",
        "frequency_penalty",
    ];
    let mut more =
        json!({ "unknown": { "field": [1] }, "store": false, "parallel_tool_calls": true });
    nulls.iter().for_each(|name| more[*name] = Value::Null);
    assert_eq!(count(more), 12);
    assert!(count(json!({"max_tokens": -1})) > 12);
}

#[test]
fn contents_may_be_null_parts_or_missing_and_pictures_are_refused() {
    let served = Served::new();
    let prompt =
        |messages: Value| post(served.address, "/apply-template", &json!({ "messages": messages }));
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    for (content, text) in [
        (json!("a b"), "user\na b<"),
        (json!([{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]), "user\na b<"),
        (Value::Null, "user\n<"),
    ] {
        let reply = prompt(json!([{ "role": "user", "content": content }])).json();
        assert!(reply["prompt"].as_str().unwrap().contains(text), "{reply}");
    }
    let silent =
        json!([{ "role": "user" }, { "role": "assistant", "content": null, "tool_calls": [call] }]);
    assert_eq!(prompt(silent).status, 200);
    let picture = json!([{"type": "image_url", "image_url": {"url": "data:"}}]);
    for messages in [
        json!([{ "role": "user", "content": picture }]),
        json!([{ "role": "assistant" }]),
        json!([{ "role": "king", "content": "a" }]),
        json!([]),
        json!("a"),
        Value::Null,
    ] {
        assert!(wrong(&prompt(messages)).contains("messages"));
    }
}

#[test]
fn what_would_silently_change_an_answer_is_refused() {
    let served = Served::new();
    for (more, param) in [
        (json!({"n": 2}), "n"),
        (json!({"grammar": "root ::= \"a\""}), "grammar"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"tools": [{"type": "function"}]}), "tools[0]"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs"),
        (json!({"continue_final_message": true}), "continue_final_message"),
    ] {
        let reply = post(served.address, PATH, &streamed(more));
        wrong(&reply);
        assert_eq!(reply.json()["error"]["param"], param);
    }
    let fine = json!({"n": 1, "response_format": {"type": "text"}, "top_logprobs": 0, "tool_choice": "none"});
    assert_eq!(post(served.address, PATH, &ask(fine)).status, 200);
}

#[test]
fn numbers_are_held_to_their_ranges() {
    let served = Served::new();
    let names = [
        "max_tokens",
        "max_completion_tokens",
        "n_predict",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "n",
        "top_logprobs",
        "frequency_penalty",
        "presence_penalty",
        "repeat_penalty",
        "repeat_last_n",
        "typical_p",
    ];
    for name in names {
        for value in
            [json!(-9), json!(1e300), json!(u64::MAX), json!("1"), json!([]), json!(i64::MIN)]
        {
            let message = wrong(&post(served.address, PATH, &ask(json!({ name: value }))));
            assert!(message.contains(name), "{name}: {message}");
        }
    }
    for seed in [json!(-5), json!(u64::MAX), json!(i64::MIN)] {
        assert_eq!(post(served.address, PATH, &ask(json!({ "seed": seed }))).status, 200);
    }
    for bias in [json!({"x": 1}), json!({"99999999": 1}), json!({"5": 1e9}), json!([1])] {
        wrong(&post(served.address, PATH, &ask(json!({ "logit_bias": bias }))));
    }
    assert_eq!(post(served.address, "/health", &json!({})).status, 405);
}

#[test]
fn a_prompt_beyond_the_context_is_refused_before_anything_is_streamed() {
    let served = Served::new();
    let long = "a long story ".repeat(CONTEXT);
    let more = json!({"messages": [{"role": "user", "content": long}]});
    let reply = post(served.address, PATH, &streamed(more));
    let error = reply.json()["error"].clone();
    assert_eq!((reply.status, &error["type"]), (400, &json!("exceed_context_size_error")));
    assert_eq!(error["n_ctx"], CONTEXT);
    assert!(error["n_prompt_tokens"].as_u64().unwrap() > CONTEXT as u64);
}

#[test]
fn what_is_far_too_long_is_refused_before_it_costs_anything() {
    let served = Served::new();
    let refused = |path: &str, body: Value| {
        let began = Instant::now();
        let reply = post(served.address, path, &body);
        assert_eq!(reply.status, 400, "{path}: {}", reply.body);
        // Taken apart it would take minutes and gigabytes.
        assert!(began.elapsed() < Duration::from_secs(20), "{path}: {:?}", began.elapsed());
    };
    let long = "word ".repeat(6_000_000);
    let messages = json!([{ "role": "user", "content": long }]);
    refused(PATH, json!({ "messages": messages, "stream": true }));
    refused("/api/chat", json!({ "messages": messages }));
    refused("/api/generate", json!({ "prompt": long }));
    refused("/api/generate", json!({ "prompt": long, "raw": true }));
    refused("/v1/completions", json!({ "prompt": [long] }));
    refused("/apply-template", json!({ "messages": messages }));
    refused("/tokenize", json!({ "content": long }));
    // Some more than fits is counted.
    let some = json!([{ "role": "user", "content": "word ".repeat(400) }]);
    let reply = post(served.address, PATH, &json!({ "messages": some }));
    assert_eq!(reply.json()["error"]["type"], "exceed_context_size_error");
}

#[test]
fn what_a_template_raises_is_the_mistake_of_the_request() {
    let template =
        "{% if messages|length > 1 %}{{ raise_exception('only one message') }}{% endif %}x";
    let served = Served::with(template, |_| {});
    let two = json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]);
    let message = wrong(&post(served.address, PATH, &streamed(json!({ "messages": two }))));
    assert!(message.contains("only one message"), "{message}");
}

#[test]
fn a_model_without_a_template_completes_and_does_not_chat() {
    let mut served = Served::loading(None, |_| {});
    served.load();
    let message = wrong(&post(served.address, PATH, &ask(json!({}))));
    assert!(message.contains("no chat template"), "{message}");
    let prompt = json!({"prompt": "Once upon a time", "max_tokens": 3});
    assert_eq!(post(served.address, "/v1/completions", &prompt).status, 200);
}

#[test]
fn probabilities_come_with_their_tokens() {
    let served = Served::new();
    let whole = post(served.address, PATH, &ask(json!({"logprobs": true}))).json();
    let tokens = whole["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    assert_eq!(tokens.len(), 12);
    let mut bytes = Vec::new();
    for token in &tokens {
        assert_eq!(token["top_logprobs"], json!([]));
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
        bytes
            .extend(token["bytes"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap() as u8));
    }
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
    let events =
        post(served.address, PATH, &streamed(json!({"logprobs": true, "top_logprobs": 2})))
            .events();
    let entries = |event: &Value| event["choices"][0]["logprobs"]["content"].as_array().cloned();
    let streamed: Vec<Value> = events.iter().filter_map(entries).flatten().collect();
    assert_eq!(streamed.len(), 12);
    for (one, other) in streamed.iter().zip(&tokens) {
        assert_eq!((&one["bytes"], &one["logprob"]), (&other["bytes"], &other["logprob"]));
        assert_eq!(one["top_logprobs"][0]["logprob"], one["logprob"]);
        assert_eq!(one["top_logprobs"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn stop_texts_end_an_answer_and_are_not_shown() {
    let served = Served::new();
    let whole = post(served.address, PATH, &ask(json!({"max_tokens": 30}))).json();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let stop: String = text.chars().skip(9).take(4).collect();
    let expected = &text[..text.find(&stop).unwrap()];
    for stops in [json!(stop), json!(["", "never", stop])] {
        let more = json!({"max_tokens": 30, "stop": stops});
        let whole = post(served.address, PATH, &ask(more.clone())).json();
        assert_eq!(whole["choices"][0]["message"]["content"], expected);
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
        let events = post(served.address, PATH, &streamed(more)).events();
        assert_eq!((content(&events).as_str(), finish(&events)), (expected, vec!["stop"]));
    }
    let many = json!({"stop": vec!["x"; 65]});
    assert!(wrong(&post(served.address, PATH, &ask(many))).contains("stop"));
}

#[test]
fn the_same_request_gets_the_same_text_again_and_beside_others() {
    let served = Served::new();
    let text = |more: &Value| {
        let reply = post(served.address, PATH, &ask(more.clone())).json();
        reply["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    let sampled = json!({"temperature": 1.2, "seed": 7, "top_k": 0, "top_p": 1.0});
    let first = text(&sampled);
    let again = post(served.address, PATH, &ask(sampled.clone())).json();
    assert_eq!(again["choices"][0]["message"]["content"], first);
    assert!(again["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap() > 0);
    let open: Vec<_> = (0..6)
        .map(|seed| begin(served.address, PATH, &streamed(json!({"temperature": 1, "seed": seed}))))
        .collect();
    assert_eq!(text(&sampled), first);
    open.into_iter().for_each(|open| drop(open.reply().events()));
}

#[test]
fn progress_is_told_where_it_is_asked_for() {
    let served = Served::new();
    let events = post(served.address, PATH, &streamed(json!({"return_progress": true}))).events();
    let progress: Vec<&Value> =
        events.iter().map(|it| &it["prompt_progress"]).filter(|it| !it.is_null()).collect();
    let (first, last) = (progress.first().unwrap(), progress.last().unwrap());
    assert_eq!((&first["processed"], &first["cache"]), (&json!(0), &json!(0)));
    assert_eq!(last["processed"], last["total"]);
}
