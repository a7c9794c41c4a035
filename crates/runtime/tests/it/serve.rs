//! `flint serve` as a program: what it says, how it ends, and what it keeps.

use crate::command_line::refused;
use crate::program::{ended, flint, signal};
use flint_fixtures::tiny_opt_bundle;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr};
use std::time::Duration;

struct Serving {
    child: Child,
    lines: BufReader<ChildStderr>,
    /// What it said until it was ready.
    said: String,
    address: String,
}

fn serve(more: &[&str]) -> Serving {
    let bundle = tiny_opt_bundle();
    let always = ["serve", "-m", bundle.to_str().unwrap(), "--port", "0", "--no-forecast"];
    let arguments = [&always[..], &["--chat-template", "chatml"], more].concat();
    let mut child = flint(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.ends_with("ready\n") {
        assert!(lines.read_line(&mut said).unwrap() > 0, "it ended: {said}");
    }
    let (_, rest) = said.split_once("http://").unwrap();
    let address = rest.split(',').next().unwrap().to_owned();
    Serving { child, lines, said, address }
}

impl Serving {
    fn post(&self, body: &Value) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let body = body.to_string();
        let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Ends it as a shell does; what it said meanwhile.
    fn end(mut self) -> String {
        signal(&self.child, Signal::TERM);
        let (status, ..) = ended(self.child, Duration::from_secs(60));
        assert_eq!(status.code(), Some(0));
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        rest
    }
}

fn question() -> Value {
    json!({
        "messages": [{ "role": "user", "content": "Once upon a time there was a little girl who had a red ball" }],
        "max_tokens": 6,
        "temperature": 0,
    })
}

#[test]
fn it_says_what_it_serves_and_keeps_conversations_over_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let kept = place.path().join("kept");
    let options = ["--memory", "1000%", "--session-dir", kept.to_str().unwrap()];
    let first = serve(&options);
    assert!(first.said.contains("requests of up to 256 tokens (-c)"), "{}", first.said);
    let answer = first.post(&question());
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    assert_eq!(first.end(), "");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1);
    let second = serve(&options);
    let again = second.post(&question());
    assert!(again["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap() > 0);
    assert_eq!(again["choices"], answer["choices"]);
    second.end();
}

#[test]
fn little_memory_makes_requests_shorter_rather_than_refusing_to_serve() {
    let served = serve(&["--memory", "60%"]);
    assert!(served.said.contains("pages for 1 such (--sessions)"), "{}", served.said);
    assert_eq!(served.post(&question())["usage"]["completion_tokens"], 6);
    served.end();
    let bundle = tiny_opt_bundle();
    let serve = ["serve", "-m", bundle.to_str().unwrap(), "--memory"];
    // What was asked for by name is refused where it does not fit.
    let asked = [&serve[..], &["60%", "-c", "256", "--sessions", "4000"]].concat();
    refused(&asked, &["below the floor", "KV cache for 4000 contexts of 256 tokens", "--memory"]);
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let bundle = tiny_opt_bundle();
    let serve = ["serve", "-m", bundle.to_str().unwrap()];
    for (more, named) in [
        (&["--host", "nowhere"][..], "127.0.0.1"),
        (&["--session-dir", "/proc/nothing"], "cannot keep sessions"),
        (&["--session-bytes", "1GiB"], "--session-dir"),
        (&["--session-dir", "/tmp", "--session-bytes", "many"], "2GiB"),
        (&["--api-key", "a b"], "visible"),
        (&["--chat-template", "/nowhere"], "cannot read"),
        (&["--queue", "0"], "--queue"),
        (&["--time-limit", "0"], "--time-limit"),
        (&["--write-timeout", "0"], "--write-timeout"),
    ] {
        refused(&[&serve[..], more].concat(), &[named]);
    }
}
