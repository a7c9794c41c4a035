//! Rows of many sequences in one step have the bits that they have alone, however weights are held.

use crate::model::{CONTEXT, SEQUENCES, WAYS, Way, alone, bits, load, options, tokens};
use flint_engine::{CancelToken, Engine, RunOptions, Sequence};
use flint_model::Batch;

/// Lengths of eight texts, and how many of their last tokens are fed together.
const LENGTHS: [usize; 8] = [20, 1, 33, 17, 2, 47, 16, 5];
const LAST: [usize; 8] = [3, 1, 1, 2, 1, 1, 1, 5];

fn feed(engine: &mut Engine, sequence: &mut Sequence, tokens: &[u32]) -> Vec<u32> {
    bits(&engine.feed(sequence, tokens, &CancelToken::default(), &mut |_| {}).unwrap())
}

#[test]
fn rows_in_company_of_seven_other_sequences_have_the_bits_of_rows_alone() {
    for way in WAYS {
        for kv_page in [1, 16, 64] {
            let mut engine = load(way, RunOptions { kv_page, ..options(way) });
            let texts: Vec<Vec<u32>> = (0..8).map(|i| tokens(LENGTHS[i], i)).collect();
            let want: Vec<_> = texts.iter().map(|text| alone(&mut engine, text).unwrap()).collect();
            let mut sequences: Vec<Sequence> = texts.iter().map(|_| engine.begin()).collect();
            for i in 0..8 {
                let before = &texts[i][..LENGTHS[i] - LAST[i]];
                if !before.is_empty() {
                    feed(&mut engine, &mut sequences[i], before);
                }
            }
            let rows = (0..8)
                .rev()
                .flat_map(|i| sequences[i].rows(&texts[i][LENGTHS[i] - LAST[i]..], |_| true));
            let batch = Batch::new(rows.collect()).unwrap();
            let (passes, rows) = (engine.passes(), engine.rows());
            let output = engine.step(&batch, &CancelToken::default()).unwrap();
            assert_eq!((engine.passes() - passes, engine.rows() - rows), (1, 15));
            assert_eq!(output.rows(), (0..15).collect::<Vec<_>>());
            let mut got = Vec::new();
            let each = &mut |row: usize, logits: &[f32]| got.push((row, bits(logits)));
            engine.logits(&output, &CancelToken::default(), each).unwrap();
            assert_eq!(got.len(), 15);
            for (row, logits) in got {
                let flint_model::Row { seq, position, .. } = batch.rows()[row];
                let i = sequences.iter().position(|sequence| sequence.id() == seq).unwrap();
                assert_eq!(logits, want[i][position], "{way:?}: text {i} at {position}");
            }
            sequences.into_iter().for_each(|sequence| engine.end(sequence));
        }
    }
}

/// Every sequence goes on by one token per step, as a server does it.
#[test]
fn sequences_decode_together_as_they_do_alone() {
    for way in WAYS {
        let mut engine = load(way, options(way));
        let texts: Vec<Vec<u32>> = (0..4).map(|i| tokens(14 + 3 * i, i + 20)).collect();
        let want: Vec<_> = texts.iter().map(|text| alone(&mut engine, text).unwrap()).collect();
        let mut sequences: Vec<Sequence> = Vec::new();
        for text in &texts {
            let mut sequence = engine.begin();
            feed(&mut engine, &mut sequence, &text[..text.len() - 8]);
            sequences.push(sequence);
        }
        for step in 0..8 {
            let next: Vec<u32> = texts.iter().map(|text| text[text.len() - 8 + step]).collect();
            let rows = sequences.iter().zip(&next);
            let rows = rows.flat_map(|(sequence, &token)| sequence.rows(&[token], |_| true));
            let batch = Batch::new(rows.collect()).unwrap();
            let output = engine.step(&batch, &CancelToken::default()).unwrap();
            let each = &mut |row: usize, logits: &[f32]| {
                let position = texts[row].len() - 8 + step;
                assert_eq!(bits(logits), want[row][position], "{way:?}: {row} at {position}");
            };
            engine.logits(&output, &CancelToken::default(), each).unwrap();
            for (sequence, token) in sequences.iter_mut().zip(next) {
                sequence.extend(&[token]);
            }
        }
        sequences.into_iter().for_each(|sequence| engine.end(sequence));
    }
}

#[test]
fn forks_and_sequences_that_were_cut_go_on_as_if_nothing_had_been() {
    for way in [Way::Held, Way::Sparse] {
        for kv_page in [1, 16, 64] {
            let mut engine = load(way, RunOptions { kv_page, ..options(way) });
            let text = tokens(40, 1);
            let other = [&text[..21], &tokens(9, 5)].concat();
            let want = alone(&mut engine, &text).unwrap();
            let want_other = alone(&mut engine, &other).unwrap();
            let free = engine.kv_pages_free();
            let mut sequence = engine.begin();
            feed(&mut engine, &mut sequence, &text[..30]);
            let mut fork = engine.fork(&sequence, 21);
            assert_eq!(fork.tokens(), &text[..21]);
            assert_eq!(feed(&mut engine, &mut fork, &other[21..]), want_other[29]);
            assert_eq!(feed(&mut engine, &mut sequence, &text[30..]), want[39]);
            engine.truncate(&mut sequence, 21);
            assert_eq!(feed(&mut engine, &mut sequence, &other[21..]), want_other[29]);
            assert_eq!(sequence.tokens(), fork.tokens());
            engine.end(sequence);
            engine.truncate(&mut fork, 21);
            assert_eq!(feed(&mut engine, &mut fork, &text[21..]), want[39]);
            engine.end(fork);
            assert_eq!(engine.kv_pages_free(), free);
        }
    }
}

#[test]
fn only_logits_that_are_wanted_are_given() {
    let mut engine = load(Way::Held, options(Way::Held));
    let text = tokens(9, 0);
    let want = alone(&mut engine, &text).unwrap();
    let sequence = engine.begin();
    let batch = Batch::new(sequence.rows(&text, |index| index % 4 == 3)).unwrap();
    let output = engine.step(&batch, &CancelToken::default()).unwrap();
    let mut got = Vec::new();
    let each = &mut |row: usize, logits: &[f32]| got.push((row, bits(logits)));
    engine.logits(&output, &CancelToken::default(), each).unwrap();
    assert_eq!(got, [(3, want[3].clone()), (7, want[7].clone())]);

    let none = engine.begin();
    let batch = Batch::new(none.rows(&text, |_| false)).unwrap();
    let output = engine.step(&batch, &CancelToken::default()).unwrap();
    let each = &mut |_: usize, _: &[f32]| panic!("no logits are wanted");
    engine.logits(&output, &CancelToken::default(), each).unwrap();
    engine.end(sequence);
    engine.end(none);
}

#[test]
fn the_plan_counts_the_pages_of_all_sequences() {
    let bytes = |sequences, kv_page| {
        let options = RunOptions { sequences, kv_page, ..options(Way::Held) };
        load(Way::Held, options).plan().kv_bytes
    };
    let token = 6 * 256 * 4 * 2;
    assert_eq!(bytes(1, 16), 48 * token);
    assert_eq!(bytes(SEQUENCES, 16), (SEQUENCES * 48) as u64 * token);
    // Whole pages, but none longer than the context.
    assert_eq!(bytes(3, 32), 3 * 64 * token);
    assert_eq!(bytes(3, 1000), 3 * CONTEXT as u64 * token);
}

/// Weights that are streamed are read once for all rows of a pass.
#[test]
fn eight_sequences_share_what_is_read() {
    const STEPS: usize = 24;
    let mut engine = load(Way::Streamed, options(Way::Streamed));
    let mut bytes_per_token = |count: usize| {
        let mut sequences: Vec<Sequence> = (0..count).map(|_| engine.begin()).collect();
        let before = engine.counts().bytes_read;
        for step in 0..STEPS {
            let text = tokens(count, step);
            let rows = sequences.iter().zip(&text);
            let rows = rows.flat_map(|(sequence, &token)| sequence.rows(&[token], |_| true));
            let batch = Batch::new(rows.collect()).unwrap();
            let output = engine.step(&batch, &CancelToken::default()).unwrap();
            engine.logits(&output, &CancelToken::default(), &mut |_, _| {}).unwrap();
            for (sequence, &token) in sequences.iter_mut().zip(&text) {
                sequence.extend(&[token]);
            }
        }
        let bytes = engine.counts().bytes_read - before;
        sequences.into_iter().for_each(|sequence| engine.end(sequence));
        bytes as f64 / (STEPS * count) as f64
    };
    // What is read ahead at the end of one belongs to the next.
    bytes_per_token(1);
    let (alone, together) = (bytes_per_token(1), bytes_per_token(8));
    assert!(alone > 1e5, "{alone} bytes per token: nothing is streamed");
    assert!(together <= 0.15 * alone, "{together} bytes per token, {alone} alone");
}
