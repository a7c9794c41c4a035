//! Runs with drafts: forced ones take the share that was asked for, others give the text of runs without.

use clap::Parser;
use flint_lab::drafts::{DraftRun, DraftRunArgs, draft_run};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    run: DraftRunArgs,
}

fn run(flags: &str) -> DraftRun {
    let model = flint_fixtures::tiny_opt_bundle().display().to_string();
    let own = ["drafts", "--model", &model, "--memory", "75%", "--number", "33"];
    let words = own.into_iter().chain(flags.split_whitespace());
    draft_run(&Arguments::try_parse_from(words).unwrap().run).unwrap()
}

#[test]
fn a_forced_share_of_drafts_is_taken() {
    let all = run("--draft substitute --draft-tokens 3 --accept 1");
    let none = run("--draft substitute --draft-tokens 3 --accept 0");
    assert_eq!((all.texts[0].acceptance, none.texts[0].acceptance), (1.0, 0.0));
    // The first token comes of the prompt, and four of each pass.
    assert_eq!((all.texts[0].passes, none.texts[0].passes), (8, 32));
    let without = run("--draft off --accept 0.5");
    assert!(without.same_texts(&all) && all.same_texts(&none));
    assert_eq!(without.texts[0].passes, 32);
}

#[test]
fn texts_are_those_of_runs_without_drafts() {
    let without = run("--draft off");
    let with = run("--draft substitute --draft-tokens 2");
    assert!(with.same_texts(&without) && with.texts[0].passes < without.texts[0].passes);
    for flags in ["--draft auto", "--draft lookup"] {
        assert!(run(flags).same_texts(&without), "{flags}");
    }
}
