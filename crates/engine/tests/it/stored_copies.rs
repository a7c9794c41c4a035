//! Copies that a bundle keeps are those that would be made of its weights, where pinned neurons end with a block.

use crate::model::{CONTEXT, Way, options, tokens};
use flint_engine::{
    CancelToken, Controls, DraftChoice, Engine, EngineError, Event, Generated, MemoryBudget,
    OpenModel, PlannedEngine, Request, RunOptions, STORED_COPIES, Sampling, generate, store_copies,
};
use flint_fixtures::tiny_opt_bundle;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A bundle of its own.
fn bundle() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.flint");
    fs::create_dir(&path).unwrap();
    for entry in fs::read_dir(tiny_opt_bundle()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
    }
    (dir, path)
}

fn store(path: &Path) -> PathBuf {
    let files = OpenModel::open_to_store_copies(path).unwrap();
    let mut heard = (0, 0);
    let stored = store_copies(&files, &CancelToken::default(), &mut |done, total| {
        assert!(done >= heard.0 && done <= total);
        heard = (done, total);
    });
    assert!(heard.1 > 0);
    stored.unwrap()
}

fn load(path: &Path, percent: f64) -> Result<Engine, EngineError> {
    let (memory, draft) = (MemoryBudget::Percent(percent), DraftChoice::Substitute);
    let options = RunOptions { memory, draft, draft_tokens: Some(4), ..options(Way::Streamed) };
    PlannedEngine::new(OpenModel::open(path)?, options, Some(CONTEXT))?.load(&mut |_, _| {})
}

fn run(engine: &mut Engine) -> Generated {
    let sampling = Sampling { temperature: 0.8, seed: 7, ..Sampling::greedy() };
    let (prompt, stop) = (tokens(12, 3), Vec::new());
    let request = Request { prompt, max_tokens: 24, sampling, stop, ignore_end: true };
    let listen = &mut |_: Event<'_>| ControlFlow::Continue(());
    generate(engine, None, &request, &Controls::default(), listen).unwrap()
}

#[test]
fn drafts_are_the_same_with_copies_that_are_kept() {
    let (_dir, path) = bundle();
    let budgets = [95.0, 105.0, 120.0];
    let made = budgets.map(|percent| run(&mut load(&path, percent).unwrap()));
    let stored = store(&path);
    assert_eq!(stored, path.join(STORED_COPIES));
    let files = OpenModel::open(&path).unwrap();
    let size = files.stored_copy_bytes().unwrap();
    assert!(size > 0 && size < files.weights_bytes() / 3);
    assert_eq!(files.verify_copies(&mut |_, _| {}).unwrap(), size);
    for (percent, made) in budgets.iter().zip(&made) {
        let read = run(&mut load(&path, *percent).unwrap());
        assert_eq!(made.tokens, read.tokens, "{percent} %");
        let counts = |of: &Generated| {
            let draft = of.stats.draft.unwrap();
            (draft.drafted, draft.accepted, draft.passes)
        };
        assert_eq!(counts(made), counts(&read), "{percent} %");
        assert!(counts(&read).1 > 4, "{percent} %");
    }
}

#[test]
fn copies_that_are_damaged_or_of_other_weights_are_named() {
    let (_dir, path) = bundle();
    let stored = store(&path);
    let whole = fs::read(&stored).unwrap();
    let refused = |bytes: &[u8], parts: &[&str]| {
        fs::write(&stored, bytes).unwrap();
        let error = load(&path, 95.0).map(drop).unwrap_err();
        let said = error.to_string();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert!(said.contains(STORED_COPIES), "{said}");
        assert_eq!(error.exit_status(), 2, "{said}");
    };
    // Somewhere in the weights: only whoever reads them notices.
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    refused(&flipped, &["layers."]);
    let files = OpenModel::open(&path).unwrap();
    assert!(files.verify_copies(&mut |_, _| {}).is_err());
    let again = "flint convert --draft q4_0";
    refused(&whole[..whole.len() / 2], &[again]);
    refused(b"GGUF", &[again]);
    let other = String::from_utf8_lossy(&whole[..400]).find("neurons-").unwrap();
    let mut others = whole.clone();
    others[other + "neurons-".len()] ^= 1;
    refused(&others, &["of other weights", again]);
    // What is damaged is made anew.
    store(&path);
    assert_eq!(fs::read(&stored).unwrap(), whole);
}

#[test]
fn an_end_that_was_asked_for_leaves_the_copies_as_they_were() {
    let (_dir, path) = bundle();
    let cancel = CancelToken::default();
    cancel.cancel();
    let files = OpenModel::open_to_store_copies(&path).unwrap();
    let ended = store_copies(&files, &cancel, &mut |_, _| {});
    assert!(matches!(ended, Err(EngineError::Cancelled)), "{ended:?}");
    let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with("drafts")));
}
