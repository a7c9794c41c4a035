//! What a program printed about its speed, found by regular expressions.

use regex::Regex;
use serde_json::Value;
use std::str::FromStr;

/// Programs whose output is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// crates/lab/peers/llama_cpp_decode.py, llama-bench, or llama-cli
    #[value(name = "llama.cpp")]
    LlamaCpp,
}

/// A regular expression with a group that holds a number.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        let regex = Regex::new(text).map_err(|error| {
            let said = error.to_string();
            format!("no regular expression: {}", said.lines().last().unwrap_or_default())
        })?;
        if regex.captures_len() < 2 {
            return Err(format!("'{text}' has no group ( ) around the number"));
        }
        Ok(Pattern(regex))
    }
}

impl Pattern {
    /// The number of the last match.
    pub fn find(&self, text: &str) -> Option<f64> {
        let found = self.0.captures_iter(text).last()?;
        found.get(1)?.as_str().replace(',', "").parse().ok().filter(|x: &f64| x.is_finite())
    }
}

/// How to read the output of a program.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    /// The JSON of `flint generate --json`.
    Flint,
    /// The first pattern that matches counts.
    Patterns { rate: Vec<Pattern>, read: Vec<Pattern> },
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Said {
    pub(super) tokens_per_second: Option<f64>,
    pub(super) read_per_token: Option<f64>,
}

impl Preset {
    pub(super) fn reading(self) -> Reading {
        let rate = [
            r"decode: ([0-9.eE+-]+) tok/s",
            // A row of llama-bench's table: test tgN, then mean ± deviation.
            r"\|\s*tg[0-9]+[^|]*\|\s*([0-9.]+)\s*±",
            // llama-cli's summary, not its line of the prompt.
            r"(?m)^(?:[^\n]*:)?\s+eval time =[^\n]*?([0-9.]+) tokens per second",
        ];
        let read = [r"decode: read ([0-9.eE+-]+) bytes per token"];
        let known = |text: &&str| text.parse::<Pattern>().ok();
        Reading::new(rate.iter().filter_map(known), read.iter().filter_map(known))
    }
}

impl Reading {
    pub(super) fn new(
        rate: impl Iterator<Item = Pattern>,
        read: impl Iterator<Item = Pattern>,
    ) -> Reading {
        Reading::Patterns { rate: rate.collect(), read: read.collect() }
    }

    pub(super) fn read(&self, stdout: &str, stderr: &str) -> Said {
        match self {
            Reading::Flint => flint(stdout),
            Reading::Patterns { rate, read } => {
                let find = |patterns: &[Pattern]| {
                    let mut texts = [stdout, stderr].into_iter();
                    texts.find_map(|text| patterns.iter().find_map(|pattern| pattern.find(text)))
                };
                Said { tokens_per_second: find(rate), read_per_token: find(read) }
            }
        }
    }
}

/// The kernel's count of bytes where there is one: it is what a peer is measured by, too.
fn flint(stdout: &str) -> Said {
    let Ok(report) = serde_json::from_str::<Value>(stdout) else { return Said::default() };
    let stats = &report["stats"];
    let tokens = stats["decode_tokens"].as_f64().filter(|&tokens| tokens > 0.0);
    let bytes = stats["decode_storage_bytes"].as_f64().or(stats["decode_bytes_read"].as_f64());
    Said {
        tokens_per_second: stats["tokens_per_second"].as_f64(),
        read_per_token: bytes.zip(tokens).map(|(bytes, tokens)| bytes / tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn llama(text: &str) -> Said {
        Preset::LlamaCpp.reading().read(text, "")
    }

    #[test]
    fn the_script_of_this_project_is_understood() {
        let said =
            llama("load: 3.1 s\ndecode: 0.0913 tok/s\ndecode: read 1.29e10 bytes per token\n");
        assert_eq!((said.tokens_per_second, said.read_per_token), (Some(0.0913), Some(1.29e10)));
    }

    #[test]
    fn llama_bench_is_understood() {
        let table = "| model | size | params | backend | threads | test | t/s |\n\
            | llama 7B F16 | 12.55 GiB | 6.74 B | CPU | 2 | pp512 | 9.31 ± 0.02 |\n\
            | llama 7B F16 | 12.55 GiB | 6.74 B | CPU | 2 | tg32 | 1.07 ± 0.01 |\n";
        assert_eq!(llama(table).tokens_per_second, Some(1.07));
        assert_eq!(llama(&table.replace("tg32", "tg32 @ d8")).tokens_per_second, Some(1.07));
    }

    #[test]
    fn llama_cli_is_understood_on_stderr() {
        let text = "llama_perf_context_print: prompt eval time =    1200.00 ms /     8 tokens (  150.00 ms per token,     6.67 tokens per second)\n\
            llama_perf_context_print:        eval time =   29000.00 ms /    31 runs   (  935.48 ms per token,     1.04 tokens per second)\n";
        assert_eq!(Preset::LlamaCpp.reading().read("", text).tokens_per_second, Some(1.04));
        let prompt = text.lines().next().unwrap();
        assert_eq!(llama(prompt).tokens_per_second, None);
    }

    #[test]
    fn the_last_match_counts_and_a_pattern_needs_a_group() {
        let pattern: Pattern = "speed ([0-9.,]+)".parse().unwrap();
        assert_eq!(pattern.find("speed 1\nspeed 1,234.5 now"), Some(1234.5));
        assert_eq!(pattern.find("speed , "), None);
        assert!("speed [0-9]+".parse::<Pattern>().unwrap_err().contains("group"));
        assert!("(".parse::<Pattern>().is_err());
    }

    #[test]
    fn flint_says_it_in_json() {
        let text = r#"{"stats": {"tokens_per_second": 2.5, "decode_tokens": 4, "decode_bytes_read": 8, "decode_storage_bytes": 400}}"#;
        let said = Reading::Flint.read(text, "");
        assert_eq!((said.tokens_per_second, said.read_per_token), (Some(2.5), Some(100.0)));
        let own = text.replace("400", "null");
        assert_eq!(Reading::Flint.read(&own, "").read_per_token, Some(2.0));
        assert_eq!(Reading::Flint.read("not JSON", ""), Said::default());
    }
}
