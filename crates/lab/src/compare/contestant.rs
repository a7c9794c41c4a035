//! Who runs: a name, a command, a limit, and how to read what it prints.

use super::rate::Reading;
use std::path::Path;
use std::process::Command;

/// One side of the comparison.
#[derive(Debug)]
pub(super) struct Contestant {
    pub(super) name: String,
    /// For the report: as given, without what is filled in.
    pub(super) shown: String,
    arguments: Vec<String>,
    /// Bytes, where there is a limit.
    pub(super) limit: Option<u64>,
    pub(super) reading: Reading,
}

/// What braces in a command stand for.
#[derive(Debug)]
pub(super) struct Fill<'a> {
    pub(super) model: &'a Path,
    pub(super) gguf: Option<&'a Path>,
    pub(super) tokens: u32,
    pub(super) threads: usize,
}

impl Contestant {
    /// `flint generate`. Random tokens rather than greedy ones: greedy output of random weights soon loops,
    /// and a loop asks for the same neurons again and again.
    pub(super) fn flint(
        program: &Path,
        more: &str,
        fill: &Fill<'_>,
        limit: Option<u64>,
    ) -> Contestant {
        let more: Vec<String> = more.split_whitespace().map(str::to_owned).collect();
        let given = |names: &[&str]| {
            more.iter().any(|word| names.contains(&word.split('=').next().unwrap_or(word)))
        };
        let (tokens, threads) = (fill.tokens.to_string(), fill.threads.to_string());
        let defaults: [(&[&str], &str); 8] = [
            (&["--memory"], "auto"),
            (&["--threads", "-t"], &threads),
            (&["--number", "-n"], &tokens),
            // Of random weights no draft is right, and others do not draft either.
            (&["--draft"], "off"),
            (&["--temp"], "1"),
            (&["--top-k"], "0"),
            (&["--top-p"], "1"),
            (&["--seed", "-s"], "1"),
        ];
        let mut arguments = vec!["generate".to_owned()];
        for (names, value) in defaults.iter().filter(|(names, _)| !given(names)) {
            arguments.extend([names[0].to_owned(), (*value).to_owned()]);
        }
        if !given(&["--tokens", "--prompt", "-p", "--file", "-f"]) {
            arguments.extend(["--tokens".to_owned(), "1,2,3,4".to_owned()]);
        }
        if !given(&["--ignore-eos"]) {
            arguments.push("--ignore-eos".to_owned());
        }
        arguments.extend(more);
        let shown = format!("flint {} --json -m BUNDLE", arguments.join(" "));
        arguments.extend(["--json".to_owned(), "-m".to_owned(), fill.model.display().to_string()]);
        arguments.insert(0, program.display().to_string());
        Contestant { name: String::new(), shown, arguments, limit, reading: Reading::Flint }
    }

    /// Flint on the text of a synthetic bundle, every token given: the tokens that its weights were made for.
    pub(super) fn taught(
        lab: &Path,
        more: &str,
        fill: &Fill<'_>,
        limit: Option<u64>,
    ) -> Contestant {
        let (tokens, threads) = (fill.tokens.to_string(), fill.threads.to_string());
        let mut arguments = ["synth-run", "--json", "--threads", &threads, "--number", &tokens]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(more.split_whitespace().map(str::to_owned));
        let shown = format!("cargo xtask {} BUNDLE", arguments.join(" "));
        arguments.push(fill.model.display().to_string());
        arguments.insert(0, lab.display().to_string());
        Contestant { name: String::new(), shown, arguments, limit, reading: Reading::Flint }
    }

    /// Flint by a command of the user's.
    pub(super) fn shell_flint(command: &str, fill: &Fill<'_>, limit: Option<u64>) -> Contestant {
        Contestant::peer(String::new(), command, fill, limit, Reading::Flint)
    }

    /// A command that a shell runs.
    pub(super) fn peer(
        name: String,
        command: &str,
        fill: &Fill<'_>,
        limit: Option<u64>,
        reading: Reading,
    ) -> Contestant {
        let shown = command.to_owned();
        let arguments = vec!["sh".to_owned(), "-c".to_owned(), fill.fill(command)];
        Contestant { name, shown, arguments, limit, reading }
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.arguments[0]);
        command.args(&self.arguments[1..]);
        command
    }
}

impl Fill<'_> {
    fn fill(&self, command: &str) -> String {
        let path = |path: &Path| quoted(&path.display().to_string());
        command
            .replace("{model}", &path(self.model))
            .replace("{bundle}", &path(self.model))
            .replace("{gguf}", &self.gguf.map_or_else(String::new, path))
            .replace("{tokens}", &self.tokens.to_string())
            .replace("{threads}", &self.threads.to_string())
    }
}

/// One word for the shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill<'a>() -> Fill<'a> {
        Fill {
            model: Path::new("a b.flint"),
            gguf: Some(Path::new("it's.gguf")),
            tokens: 8,
            threads: 2,
        }
    }

    #[test]
    fn braces_are_filled_for_the_shell_and_not_shown() {
        let command = "run {gguf} {bundle} {tokens} {threads}";
        let peer = Contestant::peer("p".into(), command, &fill(), None, Reading::Flint);
        assert_eq!(peer.arguments[2], r"run 'it'\''s.gguf' 'a b.flint' 8 2");
        assert_eq!(peer.shown, command);
    }

    #[test]
    fn flags_given_replace_those_that_would_be_used() {
        let flint = |more: &str| {
            let flint = Contestant::flint(Path::new("f"), more, &fill(), None);
            assert_eq!(flint.arguments[0], "f");
            flint.arguments[1..].join(" ")
        };
        let plain = flint("");
        for part in
            ["--memory auto", "--number 8", "--threads 2", "--tokens 1,2,3,4", "--ignore-eos"]
        {
            assert!(plain.contains(part), "{part} is not in {plain}");
        }
        let other = flint("-t 1 --memory=50% -f x.txt --temp 0");
        for part in ["--memory auto", "--threads", "--tokens", "--temp 1 "] {
            assert!(!other.contains(part), "{part} is in {other}");
        }
        assert!(
            other.ends_with("-t 1 --memory=50% -f x.txt --temp 0 --json -m a b.flint"),
            "{other}"
        );
    }
}
