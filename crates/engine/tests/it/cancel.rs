//! Work that is cancelled, before and inside a pass: sequences are as before, and the engine answers the next request.

use crate::model::{WAYS, alone, bits, generated, load, options, request, tokens};
use flint_engine::{CancelToken, EngineError, Finish};
use flint_model::Batch;
use std::thread;
use std::time::Duration;

#[test]
fn an_engine_that_was_cancelled_answers_the_next_request() {
    for way in WAYS {
        let mut engine = load(way, options(way));
        let want = generated(&mut engine, &request(10), &CancelToken::default()).unwrap().tokens;
        assert_eq!(want.len(), 10);
        let cancelled = CancelToken::default();
        cancelled.cancel();
        for _ in 0..2 {
            let ended = generated(&mut engine, &request(10), &cancelled).unwrap();
            assert_eq!((ended.tokens.len(), ended.finish), (0, Finish::Stop));
            let next = generated(&mut engine, &request(10), &CancelToken::default()).unwrap();
            assert_eq!(next.tokens, want, "{way:?}");
        }
    }
}

/// Each layer of a chunk is a place to end.
#[test]
fn a_pass_that_is_cancelled_leaves_sequences_as_they_were() {
    for way in WAYS {
        let mut engine = load(way, options(way));
        let (text, layers) = (tokens(30, 4), engine.architecture().layers);
        let want = alone(&mut engine, &text).unwrap();
        let mut sequence = engine.begin();
        let never = CancelToken::default();
        engine.feed(&mut sequence, &text[..11], &never, &mut |_| {}).unwrap();
        let (free, passes) = (engine.kv_pages_free(), engine.passes());
        for after in 1..layers {
            let (cancel, mut heard) = (CancelToken::default(), 0);
            let mut progress = |_| {
                heard += 1;
                if heard == after {
                    cancel.cancel();
                }
            };
            let ended = engine.feed(&mut sequence, &text[11..], &cancel, &mut progress);
            assert!(matches!(ended, Err(EngineError::Cancelled)), "{way:?}: {ended:?}");
            assert_eq!(heard, after);
            assert_eq!((sequence.len(), engine.kv_pages_free()), (11, free), "{way:?}");
            assert_eq!(engine.passes(), passes);
        }
        let last = engine.feed(&mut sequence, &text[11..], &never, &mut |_| {}).unwrap();
        assert_eq!(bits(&last), want[29], "{way:?}");
        engine.end(sequence);
    }
}

/// At any moment, from another thread: what was generated until then is a part of the whole.
#[test]
fn a_generation_ends_at_any_moment_with_a_part_of_the_whole() {
    for way in WAYS {
        let mut engine = load(way, options(way));
        let want = generated(&mut engine, &request(12), &CancelToken::default()).unwrap().tokens;
        for turn in 0..12u32 {
            let cancel = CancelToken::default();
            let ended = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_micros(u64::from(turn * turn) * 150));
                    cancel.cancel();
                });
                generated(&mut engine, &request(12), &cancel).unwrap()
            });
            assert_eq!(ended.tokens, want[..ended.tokens.len()], "{way:?}");
        }
        let whole = generated(&mut engine, &request(12), &CancelToken::default()).unwrap();
        assert_eq!(whole.tokens, want, "{way:?}");
    }
}

#[test]
fn logits_that_are_cancelled_can_be_asked_for_again() {
    for way in WAYS {
        let mut engine = load(way, options(way));
        let text = tokens(7, 9);
        let want = alone(&mut engine, &text).unwrap().pop().unwrap();
        let sequence = engine.begin();
        let batch = Batch::new(sequence.rows(&text, |index| index == 6)).unwrap();
        let output = engine.step(&batch, &CancelToken::default()).unwrap();
        let cancelled = CancelToken::default();
        cancelled.cancel();
        let ended = engine.logits(&output, &cancelled, &mut |_, _| panic!("it was cancelled"));
        assert!(matches!(ended, Err(EngineError::Cancelled)), "{way:?}: {ended:?}");
        let mut got = Vec::new();
        let each = &mut |_: usize, logits: &[f32]| got = bits(logits);
        engine.logits(&output, &CancelToken::default(), each).unwrap();
        assert_eq!(got, want);
        engine.end(sequence);
    }
}
