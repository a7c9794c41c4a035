//! `flint chat` through a pipe and for one turn.

use crate::command_line::refused;
use crate::program::{flint, wait_until};
use flint_fixtures::tiny_opt_bundle;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Output, Stdio};

fn bundle() -> String {
    tiny_opt_bundle().to_str().unwrap().to_owned()
}

/// What a conversation of these lines prints.
fn talk(lines: &str, more: &[&str]) -> Output {
    let bundle = bundle();
    let always = ["chat", "-m", &bundle, "--chat-template", "chatml", "--temp", "0", "-n", "8"];
    let arguments = [&always[..], &["--memory", "1000%", "--no-forecast"], more].concat();
    let mut child = flint(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> &str {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn a_pipe_carries_a_conversation_and_answers_alone() {
    let output =
        talk("Once upon a time\n/undo\nOnce upon a time\n\"\"\"\nAnd\n\nthen?\n\"\"\"\n", &[]);
    let answers: Vec<&str> = said(&output).lines().collect();
    assert_eq!(answers[0], answers[1]);
    assert!(answers.len() > 2 && !answers[0].trim().is_empty(), "{answers:?}");
    assert!(!said(&output).contains('\u{1b}'));
    // One turn says the same.
    let one = talk("", &["-p", "Once upon a time"]);
    assert_eq!(said(&one), format!("{}\n", answers[0]));
}

#[test]
fn a_conversation_is_saved_and_goes_on_from_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("talk.json");
    let name = file.to_str().unwrap();
    let first =
        talk(&format!("Once upon a time\n/save {name}\nAnd then?\n"), &["--system", "Tell."]);
    let stored: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let roles: Vec<_> =
        stored["messages"].as_array().unwrap().iter().map(|it| &it["role"]).collect();
    assert_eq!(roles, ["system", "user", "assistant"]);
    let second = talk(&format!("/load {name}\nAnd then?\n/system\n"), &[]);
    let (first, second) = (said(&first).to_owned(), said(&second).to_owned());
    let answer = second.strip_suffix("Tell.\n").unwrap();
    assert!(answer.len() > 1 && first.ends_with(answer), "{first:?} {second:?}");
}

#[test]
fn the_context_is_kept_by_choice() {
    let line = "Once upon a time there was a little girl who lived in a house\n".repeat(12);
    let output = talk(&line, &["-c", "120"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("the context 120"), "{stderr}");
    let output = talk(&line, &["-c", "120", "--overflow", "drop"]);
    assert!(said(&output).lines().count() >= 12);
    assert!(String::from_utf8_lossy(&output.stderr).contains("forgot the oldest"));
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let bundle = bundle();
    refused(&["chat", "-m", &bundle], &["no chat template", "--chat-template"]);
    let oracle = flint_fixtures::oracle("llama-2");
    refused(&["chat", "-m", oracle.to_str().unwrap()], &["tokenizer"]);
    let chat = ["chat", "-m", &bundle, "--chat-template"];
    refused(&[&chat[..], &["/nowhere"]].concat(), &["cannot read /nowhere"]);
    refused(&[&chat[..], &["chatml", "--date", "2026-02-30"]].concat(), &["calendar"]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("broken");
    fs::write(&file, "{% for %}").unwrap();
    refused(&[&chat[..], &[file.to_str().unwrap()]].concat(), &["chat template, line 1"]);
    let output = talk("/nonsense\n", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no command /nonsense"));
}

#[test]
fn an_interrupt_stops_an_answer_and_not_the_program() {
    let bundle = bundle();
    let mut child =
        flint(&["chat", "-m", &bundle, "--chat-template", "chatml", "--memory", "1000%"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdin.write_all(b"Once upon a time\n").unwrap();
    let mut first = [0];
    stdout.read_exact(&mut first).unwrap();
    crate::program::signal(&child, Signal::INT);
    stdin.write_all(b"/system Be brief.\n/system\n").unwrap();
    let mut lines = stdout.lines();
    assert!(lines.any(|line| line.unwrap() == "Be brief."));
    drop(stdin);
    wait_until("the end", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
