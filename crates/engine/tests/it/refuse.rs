//! Batches that are refused before anything is computed.

use crate::model::{CONTEXT, Way, alone, load, options, tokens};
use flint_engine::{CancelToken, Engine, RunOptions};
use flint_model::{Batch, Row};

fn refused(engine: &mut Engine, rows: Vec<Row>) -> String {
    let batch = Batch::new(rows).unwrap();
    let error = engine.step(&batch, &CancelToken::default()).unwrap_err();
    error.to_string()
}

#[test]
fn a_batch_that_does_not_fit_is_refused_with_the_reason() {
    let options = RunOptions { chunk: 20, sequences: 2, ..options(Way::Held) };
    let mut engine = load(Way::Held, options);
    let mut sequence = engine.begin();
    let never = CancelToken::default();
    engine.feed(&mut sequence, &tokens(30, 0), &never, &mut |_| {}).unwrap();
    let rows = |count: usize| sequence.rows(&tokens(count, 1), |_| true);
    let long = refused(&mut engine, rows(21));
    assert_eq!(long, "a batch of 21 rows, there are buffers for 20: split it");
    let far = refused(&mut engine, rows(CONTEXT - 30 + 1));
    assert_eq!(far, "the sequence needs a context of 49 tokens, there are 48");
    let mut wrong = rows(2);
    wrong[1].token = 5000;
    assert_eq!(refused(&mut engine, wrong), "token 5000 is outside the vocabulary of 4096");
    let gap = "a row stands at position 31, but its sequence goes on at 30";
    assert_eq!(refused(&mut engine, rows(2)[1..].to_vec()), gap);
    // What is left is still good.
    let text = tokens(30, 0);
    let want = alone(&mut engine, &[text, tokens(5, 1)].concat()).unwrap().pop();
    let last = engine.feed(&mut sequence, &tokens(5, 1), &never, &mut |_| {}).unwrap();
    assert_eq!(Some(crate::model::bits(&last)), want);

    let stale = sequence.rows(&[7], |_| true);
    engine.end(sequence);
    assert!(refused(&mut engine, stale).starts_with("there is no sequence"));
}

#[test]
fn a_page_that_cannot_be_had_is_told_before_the_pass() {
    let mut engine = load(Way::Held, RunOptions { sequences: 1, ..options(Way::Held) });
    let never = CancelToken::default();
    let (mut first, mut second) = (engine.begin(), engine.begin());
    engine.feed(&mut first, &tokens(20, 0), &never, &mut |_| {}).unwrap();
    engine.feed(&mut second, &tokens(10, 1), &never, &mut |_| {}).unwrap();
    assert_eq!(engine.kv_pages_free(), 0);
    let passes = engine.passes();
    let rows = [first.rows(&tokens(2, 2), |_| true), second.rows(&tokens(7, 3), |_| true)];
    let said = refused(&mut engine, rows.concat());
    assert_eq!(said, "1 pages of keys and values are needed, 0 of 3 are free");
    assert_eq!(engine.passes(), passes);
    // Both go on within the pages that they have.
    engine.feed(&mut first, &tokens(12, 2), &never, &mut |_| {}).unwrap();
    engine.feed(&mut second, &tokens(6, 3), &never, &mut |_| {}).unwrap();
    engine.end(second);
    engine.feed(&mut first, &tokens(16, 4), &never, &mut |_| {}).unwrap();
    assert_eq!(first.len(), CONTEXT);
    engine.end(first);
    assert_eq!(engine.kv_pages_free(), 3);
}
