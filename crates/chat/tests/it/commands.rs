//! Lines typed at a chat become what was asked for.

use flint_chat::{Command, CommandError, HELP, Lines};
use proptest::prelude::*;

fn typed(line: &str) -> Result<Option<Command>, CommandError> {
    Lines::new().push(line)
}

fn say(text: &str) -> Result<Option<Command>, CommandError> {
    Ok(Some(Command::Say(text.into())))
}

#[test]
fn every_command_is_understood() {
    let cases = [
        ("/help", Command::Help),
        ("/?", Command::Help),
        (" /clear \r\n", Command::Clear),
        ("/undo", Command::Undo),
        ("/system  You are  brief. ", Command::System(Some("You are  brief.".into()))),
        ("/system", Command::System(None)),
        ("/save my talk.json", Command::Save("my talk.json".into())),
        ("/load\ta", Command::Load("a".into())),
        ("/stats", Command::Stats),
        ("/quit", Command::Quit),
        ("/exit", Command::Quit),
    ];
    for (line, command) in cases {
        assert_eq!(typed(line), Ok(Some(command)), "{line}");
    }
}

#[test]
fn what_is_no_command_is_said() {
    assert_eq!(typed("Hello /help\n"), say("Hello /help"));
    assert_eq!(typed("  spaces stay "), say("  spaces stay "));
    assert_eq!(typed("//etc/passwd"), say("/etc/passwd"));
    assert_eq!(typed("  \n"), Ok(None));
    assert_eq!(typed("say \"\"\" this"), say("say \"\"\" this"));
}

#[test]
fn wrong_commands_are_explained() {
    let unknown = |line, nearest: Option<&str>| {
        let Err(CommandError::Unknown { nearest: found, .. }) = typed(line) else {
            panic!("{line}")
        };
        assert_eq!(found.as_deref(), nearest, "{line}");
    };
    unknown("/etc/passwd", None);
    unknown("/", None);
    unknown("/q", Some("quit"));
    unknown("/HELP", Some("help"));
    unknown("/cleer", Some("clear"));
    unknown("/udno", Some("undo"));
    unknown("/lod x", Some("load"));
    unknown("/statss", Some("stats"));
    let message = |line| typed(line).unwrap_err().to_string();
    assert_eq!(message("/q"), "there is no command /q (did you mean /quit?); /help lists them");
    assert_eq!(message("/save "), "/save needs the name of a file");
    assert_eq!(message("/undo 2"), "/undo takes nothing behind it, but there is \"2\"");
}

#[test]
fn a_text_of_several_lines_is_said_at_once() {
    let mut lines = Lines::new();
    for line in ["\"\"\"\n", "a\r\n", "\n", "  /quit\n"] {
        assert_eq!(lines.push(line), Ok(None));
        assert!(lines.inside_text());
    }
    assert_eq!(lines.push(" \"\"\""), say("a\n\n  /quit"));
    assert_eq!(lines, Lines::new());
    assert_eq!((lines.push("\"\"\""), lines.push("\"\"\"")), (Ok(None), Ok(None)));
}

#[test]
fn the_end_of_input_leaves() {
    let mut lines = Lines::new();
    assert_eq!(lines.end(), Ok(Command::Quit));
    let _ = lines.push("\"\"\"");
    assert_eq!(lines.end(), Err(CommandError::Unclosed));
    assert_eq!(lines.end(), Ok(Command::Quit));
    let _ = lines.push("\"\"\"");
    lines.abandon();
    assert_eq!(lines.push("/quit"), Ok(Some(Command::Quit)));
}

#[test]
fn help_names_every_command() {
    for line in HELP.lines().filter(|line| line.starts_with('/') && !line.starts_with("//")) {
        let name = line.split_whitespace().next().unwrap();
        assert!(typed(&format!("{name} x")).is_ok() || typed(name).is_ok(), "{name}");
    }
    assert_eq!(HELP.lines().count(), 10);
}

proptest! {
    #[test]
    fn no_line_is_lost_or_panics(line in "[^\n\r]{0,20}") {
        match typed(&line) {
            Ok(Some(Command::Say(text))) => prop_assert!(line.ends_with(&text) || line.trim_end().ends_with(&text)),
            Ok(None) => prop_assert!(line.trim().is_empty() || line.trim() == "\"\"\""),
            Ok(Some(_)) | Err(_) => prop_assert!(line.trim().starts_with('/')),
        }
    }
}
