//! Paths, keys, origins, limits: what surrounds every route.

use crate::chats::ask;
use crate::client::{Open, begin, get, post, request, send};
use crate::served::Served;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const CHAT: &str = "/v1/chat/completions";

#[test]
fn a_server_says_that_it_is_loading_until_it_is_ready() {
    let mut served = Served::loading(Some("chatml"), |_| {});
    for path in ["/health", "/v1/health"] {
        let reply = get(served.address, path);
        assert_eq!(reply.status, 503);
        assert_eq!(reply.json()["error"]["message"], "Loading model");
        assert_eq!(reply.json()["error"]["type"], "unavailable_error");
    }
    let reply = post(served.address, CHAT, &ask(json!({})));
    assert!(reply.status == 503 && reply.head.to_lowercase().contains("retry-after"));
    assert_eq!(get(served.address, "/v1/models").status, 200);
    served.load();
    assert_eq!(get(served.address, "/health").json(), json!({"status": "ok"}));
    assert_eq!(post(served.address, CHAT, &ask(json!({}))).status, 200);
}

#[test]
fn paths_may_be_untidy_and_unknown_ones_are_told_in_json() {
    let served = Served::new();
    for path in ["/v1/models", "/v1//models", "/v1/models/", "/models", "//models//"] {
        let models = get(served.address, path).json();
        assert_eq!(models["data"][0]["id"], "tiny-opt", "{path}");
        assert_eq!(models["data"][0]["meta"]["n_ctx"], 256);
    }
    assert_eq!(get(served.address, "/v1/models/tiny-opt").json()["id"], "tiny-opt");
    for name in ["other", "a/b", "a%2Fb:c", "..%2f..%2fetc"] {
        let reply = get(served.address, &format!("/v1/models/{name}"));
        assert_eq!(
            (reply.status, &reply.json()["error"]["type"]),
            (404, &json!("not_found_error"))
        );
    }
    for path in ["/v1/nothing", "/v1/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/chat"] {
        let reply = get(served.address, path);
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (404, &json!(404)), "{path}");
    }
    assert_eq!(post(served.address, "/v1/embeddings", &json!({})).status, 501);
    let reply = get(served.address, CHAT);
    assert_eq!((reply.status, reply.json()["error"]["code"].as_u64()), (405, Some(405)));
    assert_eq!(get(served.address, "/").status, 200);
    assert_eq!(send(served.address, "HEAD", "/", &[], b"").status, 200);
}

#[test]
fn the_day_is_the_one_that_is_set_or_asked_for() {
    let served = Served::with("{{ strftime_now('%d %b %Y') }}: {{ messages[0].content }}", |_| {});
    let prompt = |more: Value| {
        let reply = post(served.address, "/apply-template", &ask(more));
        reply.json()["prompt"].as_str().unwrap_or_default().to_owned()
    };
    assert!(prompt(json!({})).contains("14 Mar 2025: Once"), "{}", prompt(json!({})));
    assert!(prompt(json!({"date": "2024-02-29"})).contains("29 Feb 2024: Once"));
    for date in [json!("2025-02-29"), json!("29 Feb"), json!(5), json!("+024-02-29")] {
        assert_eq!(post(served.address, CHAT, &ask(json!({ "date": date }))).status, 400);
    }
}

#[test]
fn a_key_is_wanted_only_where_there_is_one() {
    let served = Served::new();
    let body = ask(json!({})).to_string();
    let status = |served: &Served, headers: &[&str]| {
        send(served.address, "POST", CHAT, headers, body.as_bytes()).status
    };
    assert_eq!(status(&served, &[]), 200);
    assert_eq!(status(&served, &["Authorization: Bearer anything"]), 200);
    let keyed = Served::with("chatml", |options| options.key = Some("secret".to_owned()));
    assert_eq!(status(&keyed, &["Authorization: Bearer secret"]), 200);
    for headers in [&[][..], &["Authorization: Bearer wrong"], &["Authorization: secret"]] {
        assert_eq!(status(&keyed, headers), 401);
    }
    assert_eq!(get(keyed.address, "/v1/models").json()["error"]["type"], "authentication_error");
    assert_eq!(get(keyed.address, "/health").status, 200);
}

#[test]
fn pages_and_names_of_others_are_refused() {
    let served = Served::with("chatml", |options| options.names = vec!["box.lan".to_owned()]);
    let status = |headers: &[&str]| send(served.address, "GET", "/v1/models", headers, b"").status;
    for host in ["localhost", "127.0.0.1:1", "[::1]:80", "box.lan:8080"] {
        assert_eq!(status(&[&format!("Host: {host}")]), 200, "{host}");
    }
    for host in ["evil.com", "10.0.0.1", "localhost.evil.com"] {
        assert_eq!(status(&[&format!("Host: {host}")]), 403, "{host}");
    }
    let reply = send(served.address, "GET", "/v1/models", &["Origin: http://localhost:3000"], b"");
    assert_eq!(reply.status, 200);
    assert!(
        reply.head.to_lowercase().contains("access-control-allow-origin: http://localhost:3000")
    );
    for origin in ["http://evil.com", "null", "file://", "https://localhost.evil.com"] {
        let reply = send(served.address, "GET", "/v1/models", &[&format!("Origin: {origin}")], b"");
        assert_eq!(
            (reply.status, &reply.json()["error"]["type"]),
            (403, &json!("permission_error"))
        );
        assert!(!reply.head.to_lowercase().contains("allow-origin"));
    }
    let asks = ["Origin: http://box.lan", "Access-Control-Request-Method: POST"];
    let reply = send(served.address, "OPTIONS", CHAT, &asks, b"");
    assert_eq!(reply.status, 204);
    assert!(reply.head.to_lowercase().contains("access-control-allow-methods"));
}

#[test]
fn bodies_that_are_too_much_are_refused_and_others_are_unharmed() {
    let served = Served::new();
    let mut open = begin(served.address, CHAT, &ask(json!({"stream": true, "max_tokens": 200})));
    open.wait_for("assistant");
    let long = vec![b' '; 33 << 20];
    let chunked = ["Transfer-Encoding: chunked"];
    assert_eq!(send(served.address, "POST", CHAT, &[], &long).status, 413);
    let mut body = format!("{:x}\r\n", long.len()).into_bytes();
    body.extend_from_slice(&long);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    let head = format!("POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", chunked[0]);
    assert_eq!(Open::send(served.address, &[head.as_bytes(), &body].concat()).reply().status, 413);
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    for body in [&deep[..], b"{\"messages\": \"\xff\"}", b"", b"{", b"[]", b"null", b"\"\\ud800\""]
    {
        let reply = send(served.address, "POST", CHAT, &[], body);
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(400)));
    }
    // A mark of byte order, names that come twice and another type are tolerated.
    let doubled = format!("\u{feff}{{\"max_tokens\": 1, {}", &ask(json!({})).to_string()[1..]);
    let reply =
        send(served.address, "POST", CHAT, &["Content-Type: text/plain"], doubled.as_bytes());
    assert_eq!(reply.json()["usage"]["completion_tokens"], 12);
    open.wait_for("[DONE]");
}

#[test]
fn heads_that_are_no_requests_close_only_their_own_connection() {
    let served = Served::new();
    let lines = "x: y\r\n".repeat(20_000);
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    for bytes in
        [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", huge.as_bytes(), b"GET / HTTP/9.9\r\n\r\n"]
    {
        let status = Open::send(served.address, bytes).reply().status;
        assert!(status == 0 || (400..500).contains(&status), "{status}");
    }
    // Connections that say nothing, and one that says it slowly.
    let idle: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(served.address).unwrap()).collect();
    let mut slow = TcpStream::connect(served.address).unwrap();
    slow.write_all(b"GET / HT").unwrap();
    assert_eq!(post(served.address, CHAT, &ask(json!({}))).status, 200);
    drop((idle, slow));
}

#[test]
fn a_reader_that_does_not_read_blocks_nobody() {
    let served = Served::new();
    let many =
        ask(json!({"stream": true, "max_tokens": 200, "logprobs": true, "top_logprobs": 20}));
    let silent: Vec<Open> = (0..4).map(|_| begin(served.address, CHAT, &many)).collect();
    assert_eq!(post(served.address, CHAT, &ask(json!({}))).status, 200);
    drop(silent);
    assert_eq!(post(served.address, CHAT, &ask(json!({}))).status, 200);
}

#[test]
fn a_reader_that_never_reads_is_ended() {
    let limit = Duration::from_millis(300);
    let served = Served::with("chatml", |options| options.write_timeout = limit);
    let mut stream = TcpStream::connect(served.address).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // More answers than the buffers of the system hold: the server then reads no more requests.
    let asked = request("GET", "/page.js", &[], b"").repeat(100);
    let mut sent = 0;
    while stream.write_all(&asked).is_ok() {
        sent += asked.len();
        assert!(sent < 64 << 20, "the server goes on reading");
    }
    std::thread::sleep(4 * limit);
    assert_eq!(get(served.address, "/health").status, 200);
    // What was on its way is there; then the connection ends, long before an idle one would.
    let (began, mut answers) = (std::time::Instant::now(), Vec::new());
    let _ = stream.read_to_end(&mut answers);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let page = get(served.address, "/page.js").body.len();
    assert!(answers.len() < sent / asked.len() * 100 * page, "all was answered");
}

#[test]
fn who_leaves_frees_the_place_for_others() {
    let served = Served::new();
    let long = json!({"stream": true, "max_tokens": 220});
    // In the answer, in the prompt, in the queue.
    let mut open: Vec<Open> =
        (0..5).map(|_| begin(served.address, CHAT, &ask(long.clone()))).collect();
    open[0].wait_for("assistant");
    drop(open);
    let began = std::time::Instant::now();
    assert_eq!(post(served.address, CHAT, &ask(json!({"max_tokens": 1}))).status, 200);
    let metrics = get(served.address, "/metrics").body;
    let count = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert_eq!(count("flint_requests_answered_total"), 1.0, "after {:?}", began.elapsed());
    assert!(count("flint_requests_cancelled_total") >= 1.0);
    assert_eq!(count("flint_requests_deferred"), 0.0);
}

#[test]
fn more_than_may_wait_are_told_to_come_again() {
    let served = Served::with("chatml", |options| options.queue = 1);
    let long = ask(json!({"stream": true, "max_tokens": 230, "return_progress": true}));
    let mut open: Vec<Open> = Vec::new();
    for begun in ["prompt_progress", "prompt_progress", "assistant"] {
        let mut asked = begin(served.address, CHAT, &long);
        asked.wait_for(begun);
        open.push(asked);
    }
    let reply = post(served.address, CHAT, &ask(json!({})));
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    assert!(reply.head.to_lowercase().contains("retry-after"));
    // Those that wait are answered.
    open.iter_mut().for_each(|open| drop(open.wait_for("[DONE]")));
}

#[test]
fn signs_of_life_come_while_a_request_waits_and_are_nothing_else() {
    let mut served = Served::loading(Some("chatml"), |_| {});
    // Requests are taken, and nobody works on them yet.
    served.handle.set_ready();
    let more = json!({"stream": true, "sse_ping_interval": 0.02});
    let mut open = begin(served.address, CHAT, &ask(more));
    let first = open.wait_for("data: ");
    assert!(first.contains("\"role\":\"assistant\""), "{first}");
    for _ in 0..5 {
        assert_eq!(open.wait_for(":"), ":\n");
    }
    let silent = begin(served.address, CHAT, &ask(json!({"stream": true, "sse_ping_interval": 0})));
    served.load();
    open.wait_for("[DONE]");
    assert!(!silent.reply().body.contains("\n:\n"));
}

#[test]
fn a_request_that_takes_too_long_ends() {
    let mut served = Served::loading(Some("chatml"), |options| {
        options.longest = Some(Duration::from_millis(50))
    });
    // It waits for longer than that before anybody works on it.
    served.handle.set_ready();
    let late = begin(served.address, CHAT, &ask(json!({})));
    std::thread::sleep(Duration::from_millis(100));
    served.load();
    let reply = late.reply();
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("no answer within 0.05 s"), "{}", reply.body);
    // An answer that was begun ends as one that has its most tokens.
    let whole = post(served.address, CHAT, &ask(json!({"max_tokens": 240}))).json();
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    assert!(whole["usage"]["completion_tokens"].as_u64().unwrap() < 240, "{whole}");
}

#[test]
fn the_view_goes_on_telling_of_the_last_passes() {
    let served = Served::new();
    let look = || -> Value {
        let mut events = Open::send(served.address, &request("GET", "/events", &[], b""));
        serde_json::from_str(events.wait_for("data: ").trim_start_matches("data: ")).unwrap()
    };
    assert_eq!(post(served.address, CHAT, &ask(json!({}))).status, 200);
    let began = std::time::Instant::now();
    let view = loop {
        let view = look();
        if view["state"] == "idle" && view["rows"] != 0.0 {
            break view;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{view}");
    };
    assert!(view["time"]["compute"].as_f64().unwrap() > 0.0, "{view}");
    assert!(view["layers"].as_array().unwrap().iter().all(|layer| layer["held"] == layer["bytes"]));
}

#[test]
fn answers_end_in_order_when_the_server_ends() {
    let served = Served::new();
    let mut open = begin(served.address, CHAT, &ask(json!({"stream": true, "max_tokens": 100})));
    open.wait_for("assistant");
    served.handle.close();
    open.wait_for("[DONE]");
}

#[test]
fn completions_take_texts_and_tokens() {
    let served = Served::new();
    let complete = |more: Value| {
        let mut ask = json!({"prompt": "Once upon a time", "max_tokens": 6, "temperature": 0});
        more.as_object().unwrap().iter().for_each(|(name, value)| ask[name] = value.clone());
        post(served.address, "/v1/completions", &ask)
    };
    let first = complete(json!({})).json();
    assert_eq!(
        (&first["object"], &first["choices"][0]["index"]),
        (&json!("text_completion"), &json!(0))
    );
    let text = first["choices"][0]["text"].as_str().unwrap();
    let tokens = post(
        served.address,
        "/tokenize",
        &json!({"content": "Once upon a time", "add_special": true}),
    );
    let tokens = tokens.json()["tokens"].clone();
    for prompt in [json!(["Once upon a time"]), tokens.clone(), json!([tokens])] {
        assert_eq!(complete(json!({ "prompt": prompt })).json()["choices"][0]["text"], text);
    }
    let two =
        complete(json!({"prompt": ["Once upon a time", "Once upon a time"], "echo": true})).json();
    for index in 0..2 {
        assert_eq!(two["choices"][index]["index"], index);
        assert_eq!(two["choices"][index]["text"], format!("Once upon a time{text}"));
    }
    assert_eq!(two["usage"]["completion_tokens"], 12);
    let likely = complete(json!({"logprobs": 2})).json()["choices"][0]["logprobs"].clone();
    assert_eq!(likely["tokens"].as_array().unwrap().len(), 6);
    assert_eq!(likely["text_offset"][0], 0);
    let events = complete(json!({"stream": true})).events();
    let streamed: String =
        events.iter().map(|it| it["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(streamed, text);
    for wrong in [
        json!({"prompt": [-1]}),
        json!({"prompt": [4_000_000_000u32]}),
        json!({"prompt": {}}),
        json!({"suffix": "x"}),
        json!({"best_of": 2}),
    ] {
        assert_eq!(complete(wrong).status, 400);
    }
    let back = post(served.address, "/detokenize", &json!({ "tokens": tokens })).json();
    assert!(back["content"].as_str().unwrap().ends_with("Once upon a time"));
    drop(request("GET", "/", &[], b""));
}
