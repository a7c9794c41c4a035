//! Ollama's interface.

use crate::client::{get, post, send};
use crate::served::Served;
use serde_json::{Value, json};

fn ask(more: Value) -> Value {
    let mut ask = json!({
        "model": "tiny-opt",
        "messages": [{ "role": "user", "content": "Once upon a time" }],
        "options": { "num_predict": 8, "temperature": 0 },
    });
    more.as_object().unwrap().iter().for_each(|(name, value)| ask[name] = value.clone());
    ask
}

#[test]
fn chats_stream_lines_unless_told_otherwise() {
    let served = Served::new();
    let reply = post(served.address, "/api/chat", &ask(json!({})));
    assert!(reply.head.to_lowercase().contains("content-type: application/x-ndjson"));
    let lines = reply.lines();
    let (last, before) = lines.split_last().unwrap();
    let text: String = before.iter().map(|it| it["message"]["content"].as_str().unwrap()).collect();
    assert!(before.iter().all(|it| it["done"] == false && it["message"]["role"] == "assistant"));
    assert_eq!(
        (&last["done"], &last["done_reason"], &last["eval_count"]),
        (&json!(true), &json!("length"), &json!(8))
    );
    for name in [
        "total_duration",
        "prompt_eval_count",
        "prompt_eval_duration",
        "eval_duration",
        "load_duration",
    ] {
        assert!(last[name].is_u64(), "{name}");
    }
    let at = last["created_at"].as_str().unwrap();
    assert!(at.len() == 27 && at.ends_with('Z') && &at[10..11] == "T", "{at}");
    let whole = post(served.address, "/api/chat", &ask(json!({"stream": false}))).json();
    assert_eq!((&whole["message"]["content"], &whole["done"]), (&json!(text), &json!(true)));
    let loaded = post(served.address, "/api/chat", &ask(json!({"messages": []}))).json();
    assert_eq!((&loaded["done_reason"], &loaded["done"]), (&json!("load"), &json!(true)));
    let gone =
        post(served.address, "/api/chat", &ask(json!({"messages": [], "keep_alive": 0}))).json();
    assert_eq!(gone["done_reason"], "unload");
}

#[test]
fn a_question_is_answered_through_the_template_or_raw() {
    let served = Served::new();
    let body = json!({"model": "m", "prompt": "Once upon a time", "stream": false, "options": {"num_predict": 8, "temperature": 0}});
    let asked = post(served.address, "/api/generate", &body).json();
    let chat = post(served.address, "/api/chat", &ask(json!({"stream": false}))).json();
    assert_eq!(asked["response"], chat["message"]["content"]);
    let mut raw = body.clone();
    raw["raw"] = true.into();
    let raw = post(served.address, "/api/generate", &raw).json();
    let complete = json!({"prompt": "Once upon a time", "max_tokens": 8, "temperature": 0});
    let text =
        post(served.address, "/v1/completions", &complete).json()["choices"][0]["text"].clone();
    assert_eq!(raw["response"], text);
    assert_eq!(
        post(served.address, "/api/generate", &json!({"model": "m"})).json()["done_reason"],
        "load"
    );
}

#[test]
fn the_model_is_described() {
    let served = Served::new();
    let tags = get(served.address, "/api/tags").json();
    let model = &tags["models"][0];
    assert_eq!(model["name"], "tiny-opt:latest");
    assert_eq!(model["digest"].as_str().unwrap().len(), 64);
    let show = post(served.address, "/api/show", &json!({"model": "tiny-opt"})).json();
    assert_eq!(show["model_info"]["general.architecture"], "opt");
    assert_eq!(show["model_info"]["opt.context_length"], 256);
    assert_eq!(show["capabilities"], json!(["completion"]));
    assert!(get(served.address, "/api/version").json()["version"].is_string());
    assert_eq!(get(served.address, "/api/ps").json()["models"][0]["name"], "tiny-opt:latest");
}

#[test]
fn what_cannot_be_is_one_line() {
    let served = Served::new();
    for more in [
        json!({"format": "xml"}),
        json!({"format": {"type": "nonsense"}}),
        json!({"format": []}),
        json!({"options": {"num_predict": 1e30}}),
        json!({"messages": [{"role": "user", "content": "a", "images": ["x"]}]}),
        json!({"messages": [{"role": "king", "content": "a"}]}),
        json!({"think": 3}),
    ] {
        let reply = post(served.address, "/api/chat", &ask(more));
        assert_eq!(reply.status, 400);
        assert!(reply.json()["error"].is_string());
    }
}

#[test]
fn whatever_is_refused_is_told_as_this_interface_tells_it() {
    let served = Served::with("chatml", |options| options.key = Some("secret".to_owned()));
    let ask = |method: &str, path: &str, headers: &[&str]| {
        send(served.address, method, path, headers, b"{}")
    };
    let key = "Authorization: Bearer secret";
    for (reply, status) in [
        (ask("GET", "/api/nothing", &[key]), 404),
        (ask("POST", "/api/embed", &[key]), 404),
        (ask("GET", "/api/", &[key]), 404),
        (ask("GET", "/api/chat", &[key]), 405),
        (ask("POST", "/api/chat", &[]), 401),
        (ask("POST", "/api/chat", &[key, "Host: evil.com"]), 403),
    ] {
        assert_eq!(reply.status, status);
        assert!(reply.json()["error"].is_string(), "{}", reply.body);
    }
    // A path that only begins alike is none of it.
    let other = ask("GET", "/apix", &[key]);
    assert_eq!((other.status, &other.json()["error"]["code"]), (404, &serde_json::json!(404)));
}
